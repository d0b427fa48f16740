"""A line with the real local peer: from this process, and as an app of an endpoint that keeps its secrets."""

import asyncio
from types import SimpleNamespace

import pytest
from harness.served import run_app_command, served

from genmb_voice_widget import spoken
from genmb_voice_widget.endpoint import token_client
from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service import Plan, in_process
from genmb_voice_widget.session import Session
from genmb_voice_widget.settings import Settings
from genmb_voice_widget.wav import read_wav

pytestmark = pytest.mark.speech

FRAME = 2880


@pytest.fixture
def speech(tmp_path):
    return read_wav(spoken("Who are you?", tmp_path / "question.wav", lead_in=0.3, tail=1.5))


def line_of(rig_of, client):
    rig = rig_of(SimpleNamespace(client=client))
    rig.settings = rig.calls._settings = Settings("local", Session(instructions="Answer briefly."))
    rig.greet("a")
    rig.call("a", "1", "open", log="log", sdp="")
    rig.status("a", "log", "connecting")
    return rig


def telling(kind):
    return lambda message: (
        message["op"] == "line" and any(event["type"] == kind for event in message["events"])
    )


async def converse(rig, speech):
    """Say it, as a page would, and wait for the whole reply; returns what was heard and said."""
    await rig.told(telling("session.created"))
    ticket = (await rig.replied("1"))["result"]
    if "update" in ticket:
        rig.page("a", "line", log="log", event={"type": "session.update", "session": ticket["update"]})
    rig.call("a", "2", "connected", session=ticket["id"])
    assert "result" in await rig.replied("2")
    for at in range(0, len(speech), FRAME):
        rig.speak("a", "log", speech[at : at + FRAME])
        await asyncio.sleep(0)
    await rig.told(telling("response.done"))
    events = [event for message in rig.to("a", "line") for event in message["events"]]
    assert sum(map(len, rig.sounds)) == sum(event.get("delta_bytes", 0) for event in events) > 24_000
    rig.call("a", "3", "ended", session=ticket["id"], reason="stopped")
    await rig.replied("3")
    kind = "conversation.item.input_audio_transcription.completed"
    return [event["transcript"] for event in events if event["type"] == kind], events


async def test_a_spoken_question_is_heard_and_answered_with_no_network_for_one_charge(rig_of, speech):
    client = token_client(in_process(plan=Plan("class"), credits=20))
    heard, _ = await converse(line_of(rig_of, client), speech)
    assert heard == ["Who are you?"]
    assert (await client.allowance()).credits == 15


async def test_an_endpoint_that_keeps_its_secrets_relays_the_line_for_one_charge(rig_of, speech, tmp_path):
    variables = {"GENMB_VOICE_ACCESS": "apps", "GENMB_VOICE_DATABASE": str(tmp_path / "voice.db")}
    key = run_app_command(variables, "add", "shop", "--owner", "alice", "--plan", "pro")
    run_app_command(variables, "credit", "shop", "12")
    with served(variables) as url:
        client = token_client(url, Secret(key))
        rig = line_of(rig_of, client)
        heard, events = await converse(rig, speech)
        assert heard == ["Who are you?"]
        told = [
            event["session"].get("instructions") for event in events if event["type"] == "session.updated"
        ]
        assert told == ["Answer briefly."]
        assert (await client.allowance()).credits == 7
        assert key not in str(rig.sent) and "ticket=" not in str(rig.sent)
