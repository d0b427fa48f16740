"""The peer as other people's tests start it, and how faults reach a peer that is a program."""

import json
import os
import subprocess
import sys

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.peer.faults import FAULT_VARIABLE
from genmb_voice_widget.peer.launch import PeerProcess
from genmb_voice_widget.peer.testing import running_peer


def minted(address):
    headers = {"Authorization": f"Bearer {address.secret.reveal()}"}
    return httpx.post(f"{address.url}/v1/realtime/client_secrets", headers=headers, json={}).status_code


def test_a_peer_with_faults_runs_for_as_long_as_the_block():
    with running_peer("status=429") as peer:
        assert minted(peer) == 429
    with pytest.raises(httpx.ConnectError):
        minted(peer)


def test_a_fault_that_there_is_not_is_said_in_the_peers_words():
    with pytest.raises(VoiceError, match="did you mean 'duplicate'") as failed, running_peer("dublicate"):
        pass
    assert failed.value.code == "peer_failed"
    assert "Fatal Python error" not in failed.value.detail


def test_the_environment_tells_a_peer_that_somebody_else_starts(monkeypatch):
    monkeypatch.setenv(FAULT_VARIABLE, "status=503")
    process = PeerProcess()
    try:
        assert minted(process.start_now()) == 503
    finally:
        process.stop_now()
    with running_peer() as peer:
        assert minted(peer) == 200


def test_a_peer_may_be_told_which_versions_calls_of_voice_live_take():
    command = [sys.executable, "-m", "genmb_voice_widget.peer", "--parent-pipe"]
    command += ["--call-version", "2026-04-10", "--call-version", "2026-06-01-preview"]
    environment = {**os.environ, "GENMB_VOICE_PEER_SECRET": "own"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as peer:
        url = json.loads(peer.stdout.readline())["url"].replace("http", "ws", 1)
        query = "api-key=own&model=local&api-version"
        for version in ("2026-04-10", "2026-06-01-preview"):
            with connect(f"{url}/voice-live/realtime/calls?{query}={version}") as socket:
                assert json.loads(socket.recv(10))["type"] == "session.created"
        with (
            pytest.raises(InvalidStatus),
            connect(f"{url}/voice-live/realtime/calls?{query}=2026-01-01-preview"),
        ):
            pass
        peer.stdin.close()


def test_warming_up_imports_what_the_first_call_needs():
    program = (
        "import sys; from genmb_voice_widget.peer.calls import warm_up\n"
        "assert 'aiortc' not in sys.modules; warm_up(); assert 'aiortc' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)


def test_the_command_refuses_a_fault_that_there_is_not_before_anything_is_loaded():
    command = [sys.executable, "-m", "genmb_voice_widget.peer", "--fault", "cap=never"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 2
    assert "The fault 'cap' takes a time, such as 3s or 500ms, not 'never'." in ended.stderr
