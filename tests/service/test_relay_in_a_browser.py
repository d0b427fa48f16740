"""The page that was written for `/api/voice-agent`, unchanged, in a real browser: a typed turn and a spoken one."""

import base64
import os
import sqlite3
import wave

import pytest
from harness.browser import chromium
from harness.lab import ROOT, free_port

from genmb_voice_widget import cli, spoken

pytestmark = pytest.mark.browser

BEGIN = """async () => {
    globalThis.said = [];
    console.log = (...words) => said.push(words);

    const response = await fetch('/api/voice-agent', {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({
        model: 'gpt-realtime-mini',
        voice: 'ash'
      })
    });
    const session = await response.json();
    console.log(session);

    const ws = new WebSocket(session.client_secret.value);

    ws.onopen = () => {
      console.log('Connected to voice agent');

      // Send audio or text messages
      ws.send(JSON.stringify({
        type: 'conversation.item.create',
        item: {
          type: 'message',
          role: 'user',
          content: [{
            type: 'input_text',
            text: 'Hello, who am I?'
          }]
        }
      }));
    };

    ws.onmessage = (event) => {
      const data = JSON.parse(event.data);
      console.log('Received:', data);
    };

    ws.onerror = (error) => {
      console.error('WebSocket error:', error);
    };

    ws.onclose = () => {
      console.log('Disconnected from voice agent');
    };
    globalThis.ws = ws;
}"""
SPEAK = """async (pcm) => {
    const ws = globalThis.ws;
    const buffer = await (await fetch(`data:application/octet-stream;base64,${pcm}`)).arrayBuffer();

    const audioData = new Int16Array(buffer); // Your audio buffer
    const base64Audio = btoa(String.fromCharCode(...new Uint8Array(audioData.buffer)));

    ws.send(JSON.stringify({
      type: 'input_audio_buffer.append',
      audio: base64Audio
    }));

    // Commit the audio buffer when user stops speaking
    ws.send(JSON.stringify({
      type: 'input_audio_buffer.commit'
    }));
}"""
REPLIES = "said.filter(([word, data]) => word === 'Received:' && data.type === 'response.done').length"
HOOK = """
def app(headers, cookies):
    return "shop" if cookies.get("session") == "alice" else None
"""


@pytest.fixture
def site(serving, tmp_path, monkeypatch, capsys):
    """Serve an owner's site that knows its users by a cookie: `with site() as (url, process)`."""
    (tmp_path / "owners_site.py").write_text(HOOK)
    port = free_port()
    url = f"http://localhost:{port}"
    environ = {
        "GENMB_VOICE_ACCESS": "apps",
        "GENMB_VOICE_DATABASE": str(tmp_path / "voice.db"),
        "GENMB_VOICE_SITE_HOOK": "owners_site:app",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }
    for name in ("GENMB_VOICE_ACCESS", "GENMB_VOICE_DATABASE"):
        monkeypatch.setenv(name, environ[name])
    assert cli.main(["app", "add", "shop", "--owner", "alice", "--plan", "pro", "--origin", url]) == 0
    assert cli.main(["app", "credit", "shop", "10"]) == 0
    return url, lambda: serving("--port", str(port), environ=environ)


SHAPE = {
    "id": str,
    "model": "gpt-realtime-mini",
    "expires_at": int,
    "client_secret": {"value": str, "expires_at": int},
    "modalities": ["text", "audio"],
    "instructions": str,
    "voice": "ash",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "input_audio_transcription": {"model": str},
    "turn_detection": {"type": "server_vad"},
    "tools": [],
}
BETA = {
    "session.created",
    "conversation.item.created",
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.audio_transcript.delta",
    "response.audio.delta",
    "response.audio.done",
    "response.audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
}


def fits(value, shape):
    if isinstance(shape, type):
        return type(value) is shape
    if isinstance(shape, dict):
        return list(value) == list(shape) and all(fits(value[name], shape[name]) for name in shape)
    return value == shape


def account(tmp_path):
    with sqlite3.connect(tmp_path / "voice.db") as connection:
        entries = connection.execute("SELECT kind, credits FROM entries ORDER BY id").fetchall()
        return entries, connection.execute("SELECT phase, reason FROM holds").fetchall()


# The service finds the end of a sentence by itself when some silence follows; then there is nothing to commit.
@pytest.mark.parametrize("silence", [0.1, 1.0])
async def test_the_client_as_it_was_written_holds_a_typed_and_a_spoken_turn(site, tmp_path, silence):
    url, serve = site
    wav = spoken("Who are you?", tmp_path / "question.wav", lead_in=0.1, tail=silence, rate=24_000)
    with wave.open(str(wav)) as file:
        pcm = file.readframes(file.getnframes())
    with serve() as (_, process):
        async with chromium() as browser:
            page = await browser.new_page()
            await page.context.add_cookies([{"name": "session", "value": "alice", "url": url}])
            await page.goto(url)
            await page.evaluate(BEGIN)
            await page.wait_for_function(f"{REPLIES} === 1", timeout=20_000)
            await page.evaluate(SPEAK, base64.b64encode(pcm).decode())
            await page.wait_for_function(f"{REPLIES} === 2", timeout=20_000)
            # Another reply than the two would come before the answer to this.
            await page.evaluate("ws.send(JSON.stringify({type: 'session.update', session: {voice: 'ash'}}))")
            updated = "said.some(([word, data]) => word === 'Received:' && data.type === 'session.updated')"
            await page.wait_for_function(updated, timeout=20_000)
            [[session], *said] = await page.evaluate("said")
            await page.evaluate("ws.close()")
            await page.wait_for_function("said.at(-1)[0] === 'Disconnected from voice agent'", timeout=20_000)
        assert process.poll() is None

    assert fits(session, SHAPE)
    assert session["client_secret"]["value"].startswith(
        f"ws://{url.removeprefix('http://')}/api/voice-agent/"
    )
    assert said[0] == ["Connected to voice agent"]
    events = [data for word, data in said[1:]]
    assert {event["type"] for event in events} - {"session.updated"} <= BETA
    created = events[0]["session"]
    assert {name: created[name] for name in ("modalities", "voice", "input_audio_format")} == {
        "modalities": ["text", "audio"],
        "voice": "ash",
        "input_audio_format": "pcm16",
    }
    replies = [event["response"]["output"] for event in events if event["type"] == "response.done"]
    [[first], [second]] = replies
    assert first["content"][0]["type"] == second["content"][0]["type"] == "audio"
    assert second["content"][0]["transcript"].startswith("I am the demo agent")
    heard = [event["transcript"] for event in events if event["type"].endswith("transcription.completed")]
    assert heard == ["Who are you?"]
    sound = [event["delta"] for event in events if event["type"] == "response.audio.delta"]
    assert sum(len(base64.b64decode(part)) for part in sound) > 2 * 48_000
    entries, holds = account(tmp_path)
    assert entries == [("grant", 10), ("reserve", 5), ("capture", 5)]
    assert holds == [("over", "page_closed")]


async def test_who_is_not_signed_in_or_cannot_pay_is_told_in_the_words_that_the_page_expects(site):
    url, serve = site
    ask = """async () => {
        const response = await fetch("/api/voice-agent", { method: "POST" });
        return [response.status, Object.keys(await response.json())];
    }"""
    with serve():
        async with chromium() as browser:
            page = await browser.new_page()
            await page.goto(url)
            assert await page.evaluate(ask) == [401, ["error"]]
            await page.context.add_cookies([{"name": "session", "value": "alice", "url": url}])
            statuses = [await page.evaluate(ask) for _ in range(3)]
    assert [status for status, _ in statuses] == [200, 200, 402]
    assert statuses[-1][1] == ["error"]
