"""Clients written by others hold a spoken conversation with the local peer: two turns and one tool call, no error event."""

import asyncio
import json
import os
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.blank import blank_page
from harness.browser import chromium

from genmb_voice_widget import spoken
from genmb_voice_widget.peer.launch import PeerAddress, PeerProcess

INTEROP = Path(__file__).parents[1] / "interop"
SENTENCES = ["Who are you?", "What is the weather in Paris?"]


@pytest.fixture(scope="module")
def peer() -> Iterator[PeerAddress]:
    process = PeerProcess()
    try:
        yield process.start_now()
    finally:
        process.stop_now()


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spoken(
        SENTENCES,
        tmp_path_factory.mktemp("speech") / "two.wav",
        lead_in=1.5,
        pause=9.0,
        tail=1.0,
        rate=24_000,
    )


def holds(result: dict[str, Any]) -> None:
    """Two turns of the person, exactly as spoken; the tool was called once and its result is in the last reply."""
    turns = result["turns"]
    assert [turn["text"] for turn in turns if turn["role"] == "user"] == SENTENCES
    assert result["calls"] == ["Paris"]
    assert "sunny and 21 degrees in Paris" in turns[-1]["text"] and turns[-1]["role"] == "assistant"
    assert result["errors"] == []


async def test_agents_realtime_over_webrtc_in_chromium(peer, speech, tmp_path):
    bundle = tmp_path / "client.js"
    esbuild = INTEROP / "node_modules" / ".bin" / "esbuild"
    build = [
        str(esbuild),
        "browser_client.mjs",
        "--bundle",
        "--format=iife",
        "--log-level=error",
        f"--outfile={bundle}",
    ]
    subprocess.run(build, cwd=INTEROP, check=True)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {peer.secret.reveal()}"}) as client:
        minted = await client.post(
            f"{peer.url}/v1/realtime/client_secrets", json={"session": {"type": "realtime", "model": "demo"}}
        )
    async with chromium(speech) as browser, blank_page() as address:
        page = await browser.new_page()
        await page.goto(address)
        await page.add_script_tag(path=bundle)
        how = {"url": peer.url, "secret": minted.json()["value"], "turns": 2}
        holds(await page.evaluate("how => window.converse(how)", how))


async def test_agents_realtime_over_websocket_in_node(peer, speech, tmp_path):
    with wave.open(str(speech)) as recorded:
        pcm = tmp_path / "speech.pcm"
        pcm.write_bytes(recorded.readframes(recorded.getnframes()))
    node = await asyncio.create_subprocess_exec(
        "node", "node_client.mjs", peer.url, pcm, "2",
        cwd=INTEROP, env=os.environ | {"PEER_SECRET": peer.secret.reveal()}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, _ = await asyncio.wait_for(node.communicate(), 90)
    assert node.returncode == 0
    holds(json.loads(printed.splitlines()[-1]))
