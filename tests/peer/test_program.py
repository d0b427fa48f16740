"""The peer as a program: how it starts, and that it ends with whoever started it."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.peer import launch
from genmb_voice_widget.peer.launch import PeerProcess

PATIENCE = 15.0


def alive(url):
    try:
        return httpx.get(url + "/healthz", timeout=2).json() == {"status": "ok"}
    except httpx.HTTPError:
        return False


def gone(pid):
    """Tell whether a process is no more, or only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def process():
    peer = PeerProcess()
    yield peer
    peer.stop_now()


def test_a_started_peer_answers_and_a_second_start_finds_the_same(process):
    address = process.start_now()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address.url)
    assert alive(address.url)
    assert asyncio.run(process.start()) is address
    assert address.secret.reveal() not in repr(address)
    headers = {"Authorization": f"Bearer {address.secret.reveal()}"}
    url = f"{address.url}/v1/realtime/client_secrets"
    assert httpx.post(url, headers=headers, json={}).status_code == 200
    process.stop_now()
    assert not alive(address.url)
    process.stop_now()


def test_threads_that_start_it_together_get_one_peer(process):
    found = []
    threads = [threading.Thread(target=lambda: found.append(process.start_now())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({address.url for address in found}) == 1


def test_a_peer_that_died_is_started_again(process):
    first = process.start_now()
    process._child.kill()
    process._child.wait()
    second = process.start_now()
    assert second.url != first.url or second.secret is not first.secret
    assert alive(second.url)


def test_the_peer_ends_when_its_parent_is_killed():
    code = (
        "import time; from genmb_voice_widget.peer.launch import PeerProcess\n"
        "peer = PeerProcess(); address = peer.start_now()\n"
        "print(address.url, peer._child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        url, pid = parent.stdout.readline().split()
        assert alive(url)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(parent.pid, signal.SIGKILL)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    wait_until(lambda: gone(int(pid)))
    wait_until(lambda: all(gone(int(child)) for child in children))


def test_a_missing_package_is_named(process, monkeypatch):
    monkeypatch.setattr(launch, "_NEEDED", ("numpy", "no_such_package"))
    with pytest.raises(VoiceError) as refusal:
        process.start_now()
    assert refusal.value.code == "peer_not_installed"
    assert "no_such_package" in str(refusal.value)


def test_a_peer_that_cannot_start_says_why_and_shows_no_secret(tmp_path):
    process = PeerProcess(tmp_path / "no-such-script")
    with pytest.raises(VoiceError) as refusal:
        process.start_now()
    assert refusal.value.code == "peer_failed"
    assert "no-such-script" in refusal.value.detail.splitlines()[-1]
    assert "Traceback" not in refusal.value.detail


def test_the_peer_is_given_no_secret_of_the_environment_but_its_own(process, monkeypatch):
    named = ("OPENAI_API_KEY", "jupyter_token", "My_Secret", "DB_PASSWORD_FILE", "CREDENTIALS")
    for name in (*named, "GENMB_VOICE_REDIS", "GENMB_VOICE_DATABASE", "DATABASE_URL"):
        monkeypatch.setenv(name, "canary-7f3a")
    monkeypatch.setenv("AN_ORDINARY_ONE", "kept")
    secret = process.start_now().secret
    given = Path(f"/proc/{process._child.pid}/environ").read_text()
    assert "canary-7f3a" not in given
    assert "AN_ORDINARY_ONE=kept" in given.split("\0")
    assert f"GENMB_VOICE_PEER_SECRET={secret.reveal()}" in given.split("\0")


@pytest.mark.parametrize("port", ["65536", "-1"])
def test_a_port_that_cannot_be_is_refused_in_a_sentence(port):
    command = [sys.executable, "-m", "genmb_voice_widget.peer", "--port", port]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (2, "")
    assert "port must be 0-65535" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_person_can_run_it_in_a_terminal_and_stop_it():
    command = [sys.executable, "-m", "genmb_voice_widget.peer"]
    environment = {name: value for name, value in os.environ.items() if name != "GENMB_VOICE_PEER_SECRET"}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        address = json.loads(process.stdout.readline())
        assert address.keys() == {"url"}
        assert alive(address["url"])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert out == ""
    assert "Traceback" not in err
    assert err.startswith("secret for this run: ")
