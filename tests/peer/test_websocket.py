"""Sessions over a real WebSocket, with scripted stages."""

import asyncio
import base64
import dataclasses
import json
import time

import numpy as np
import pytest
import websockets

from genmb_voice_widget.peer.scripted import DictAgent, EnergyVad, ScriptedStt, ToneTts, scripted_stages
from genmb_voice_widget.peer.stages import Call, Say, Stages, Transcript

TRANSCRIBED = {"type": "realtime", "audio": {"input": {"transcription": {"model": "m"}}}}


def replies(events):
    return [
        event["response"]["output"][-1]["content"][0]["transcript"] for event in events.of("response.done")
    ]


async def test_two_spoken_turns_are_heard_and_answered(start_peer, hex_id):
    peer = await start_peer(
        ["good morning", "how are you"], {"good morning": "Hello!", "how are you": "Fine, thanks."}
    )
    client = await peer.ws()
    await client.send("session.update", session=TRANSCRIBED)
    await client.events.wait("session.updated")
    for turn in (1, 2):
        await client.speak()
        await client.events.wait("response.done", turn)
    assert client.events.of("error") == []
    heard = client.events.of("conversation.item.input_audio_transcription.completed")
    assert [event["transcript"] for event in heard] == ["good morning", "how are you"]
    assert replies(client.events) == ["Hello!", "Fine, thanks."]
    chain = [event["item"]["id"] for event in client.events.of("conversation.item.added")]
    assert [event["previous_item_id"] for event in client.events.of("conversation.item.added")] == [
        None,
        *chain[:-1],
    ]
    assert all(hex_id("event", event["event_id"]) for event in client.events)
    assert all(hex_id("item", item) for item in chain)
    assert hex_id("resp", client.events.of("response.created")[0]["response"]["id"])
    assert not any(kind.startswith("output_audio_buffer") for kind in client.events.kinds)


async def test_the_order_of_a_spoken_turn_is_the_recorded_one(start_peer, spoken_turn):
    peer = await start_peer(["hello"], {"hello": "Hi there."})
    client = await peer.ws()
    await client.send("session.update", session=TRANSCRIBED)
    await client.speak()
    await client.events.wait("rate_limits.updated")
    assert client.events.kinds[:2] == ["session.created", "session.updated"]
    assert spoken_turn.seen(client.events.kinds) == spoken_turn.recorded("websocket")


async def test_the_reply_is_the_voices_sound_and_comes_faster_than_it_plays(start_peer):
    peer = await start_peer(["hello"], {"hello": "one two three four five six seven eight"})
    client = await peer.ws()
    await client.speak()
    await client.events.wait("response.done")
    deltas = client.events.of("response.output_audio.delta")
    sound = np.frombuffer(b"".join(base64.b64decode(event["delta"]) for event in deltas), np.int16)
    assert len(sound) == 8 * 240 * 24
    first, last = (client.events.at[client.events.index(event)] for event in (deltas[0], deltas[-1]))
    assert last - first < 8 * 0.24 / 2


async def test_a_reply_of_few_tokens_is_cut_off_and_the_next_one_is_whole(start_peer):
    peer = await start_peer(replies={"": "one two three four five"})
    client = await peer.ws()
    await client.send("response.create", response={"max_output_tokens": 16})
    await client.events.wait("rate_limits.updated")
    await client.send("response.create")
    await client.events.wait("response.done", 2)
    cut, whole = (event["response"] for event in client.events.of("response.done"))
    assert (cut["status"], whole["status"]) == ("incomplete", "completed")
    assert cut["usage"]["output_tokens"] <= 16 < whole["usage"]["output_tokens"]
    sound = {}
    for event in client.events.of("response.output_audio.delta"):
        sound.setdefault(event["response_id"], []).append(base64.b64decode(event["delta"]))
    tokens = cut["usage"]["output_token_details"]["audio_tokens"]
    assert (tokens - 1) * 50 * 48 < len(b"".join(sound[cut["id"]])) <= tokens * 50 * 48
    assert client.events.of("error") == []


async def test_what_is_not_understood_is_shown_as_unclear_and_asked_about(start_peer):
    stages = scripted_stages([Transcript("tell me a joke", 0.2, accepted=False)])
    client = await (await start_peer(stages=dataclasses.replace(stages, agent=Asking()))).ws()
    await client.send("session.update", session=TRANSCRIBED)
    await client.speak()
    await client.events.wait("response.done")
    heard = client.events.of("conversation.item.input_audio_transcription.completed")
    assert [event["transcript"] for event in heard] == ["(unclear)"]
    assert replies(client.events) == ["Was it: tell me a joke"]


class Asking:
    async def reply(self, turn):
        yield Say(turn.text if turn.accepted else f"Was it: {turn.text}")


async def test_where_a_turn_begins_and_ends_is_told_in_ms_of_the_input(start_peer):
    peer = await start_peer(["hello"])
    client = await peer.ws()
    await client.speak(600)
    stopped = await client.events.wait("input_audio_buffer.speech_stopped")
    assert client.events.of("input_audio_buffer.speech_started")[0]["audio_start_ms"] == 0
    assert stopped["audio_end_ms"] == pytest.approx(200 + 600 + 200, abs=70)


async def test_the_session_lasts_an_hour_and_then_says_that_it_is_over(start_peer):
    ahead = [0.0]
    peer = await start_peer(clock=lambda: time.time() + ahead[0])
    client = await peer.ws()
    created = await client.events.wait("session.created")
    assert created["session"]["expires_at"] - time.time() == pytest.approx(3600, abs=3)
    ahead[0] = 3601
    error = await client.events.wait("error")
    assert error["error"]["code"] == "session_expired"
    async with asyncio.timeout(20):
        await client.socket.wait_closed()


async def test_a_tool_is_asked_for_and_its_answer_read_back(start_peer):
    peer = await start_peer(["weather"], {"weather": Call("get_weather", {"city": "London"})})
    client = await peer.ws()
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
    await client.send("session.update", session={"type": "realtime", "tools": [tool]})
    await client.speak()
    called = await client.events.wait("response.function_call_arguments.done")
    assert (called["name"], json.loads(called["arguments"])) == ("get_weather", {"city": "London"})
    await client.events.wait("response.done")
    output = {"type": "function_call_output", "call_id": called["call_id"], "output": "It is foggy."}
    await client.send("conversation.item.create", item=output)
    await client.send("response.create")
    await client.events.wait("response.done", 2)
    spoken = client.events.of("response.output_audio_transcript.done")
    assert [event["transcript"] for event in spoken] == ["It is foggy."]
    assert client.events.of("error") == []


async def test_push_to_talk_commits_by_hand_and_a_tap_is_refused(start_peer, speech):
    peer = await start_peer(["lights on"], {"lights on": "Done."})
    client = await peer.ws()
    manual = {
        "type": "realtime",
        "audio": {"input": {"turn_detection": None, "transcription": {"model": "m"}}},
    }
    await client.send("session.update", session=manual)
    await client.say(speech.loud(90))
    await client.send("input_audio_buffer.commit", event_id="tap")
    error = (await client.events.wait("error"))["error"]
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "tap")
    await client.send("input_audio_buffer.clear")
    await client.say(speech.loud(500))
    await client.send("input_audio_buffer.commit")
    await client.send("response.create")
    await client.events.wait("response.done")
    assert replies(client.events) == ["Done."]
    assert "input_audio_buffer.speech_started" not in client.events.kinds


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
async def test_telephone_sound_is_heard_and_spoken(start_peer, kind):
    peer = await start_peer(["hello"], {"hello": "one two"})
    client = await peer.ws()
    audio = {"input": {"format": {"type": kind}}, "output": {"format": {"type": kind}}}
    await client.send("session.update", session={"type": "realtime", "audio": audio})
    silence, noise = (
        bytes([0xFF, 0xD5][kind == "audio/pcma"] for _ in range(4800)),
        bytes([0x20, 0xA0]) * 2400,
    )
    await client.send("input_audio_buffer.append", audio=base64.b64encode(silence + noise + silence).decode())
    await client.events.wait("response.done")
    deltas = client.events.of("response.output_audio.delta")
    assert sum(len(base64.b64decode(event["delta"])) for event in deltas) == 2 * 240 * 8


class SlowAgent:
    """Says a word now and then, until it is stopped."""

    def __init__(self):
        self.stopped = asyncio.Event()

    async def reply(self, turn):
        try:
            while True:
                yield Say("well")
                await asyncio.sleep(0.01)
        finally:
            self.stopped.set()


async def test_speech_cancels_a_running_response_and_the_agent_stops(start_peer):
    agent = SlowAgent()
    peer = await start_peer(stages=Stages(EnergyVad, ScriptedStt(["hello", "stop"]), agent, ToneTts()))
    client = await peer.ws()
    await client.speak()
    await client.events.wait("response.output_audio.delta")
    await client.speak()
    done = await client.events.wait("response.done")
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert done["response"]["output"][0]["status"] == "incomplete"
    async with asyncio.timeout(20):
        await agent.stopped.wait()
    await client.events.wait("response.created", 2)
    await client.send("response.cancel")
    await client.events.wait("response.done", 2)
    assert client.events.of("error") == []


class BrokenStt:
    """A recogniser that dies in the middle of the first turn."""

    def __init__(self):
        self.turns = 0

    def open(self):
        self.turns += 1
        return self if self.turns == 1 else ScriptedStt(["better"]).open()

    def feed(self, pcm):
        raise OSError("the worker is gone")


async def test_a_recogniser_that_dies_costs_one_caption_and_not_the_session(start_peer, caplog):
    agent = DictAgent({"better": "Yes."}, "Pardon?")
    peer = await start_peer(stages=Stages(EnergyVad, BrokenStt(), agent, ToneTts()))
    client = await peer.ws()
    await client.send("session.update", session=TRANSCRIBED)
    for turn in (1, 2):
        await client.speak()
        await client.events.wait("response.done", turn)
    failed = client.events.of("conversation.item.input_audio_transcription.failed")
    assert [event["error"]["code"] for event in failed] == ["transcription_failed"]
    assert replies(client.events) == ["Pardon?", "Yes."]


class BrokenAgent:
    async def reply(self, turn):
        yield Say("Well,")
        raise RuntimeError("secret detail")


async def test_a_broken_agent_fails_the_response_and_not_the_session(start_peer, caplog):
    peer = await start_peer(stages=Stages(EnergyVad, ScriptedStt(), BrokenAgent(), ToneTts()))
    client = await peer.ws()
    for turn in (1, 2):
        await client.send("response.create")
        done = await client.events.wait("response.done", turn)
        assert done["response"]["status"] == "failed"
        assert "secret detail" not in json.dumps(done)


DEEP = "[" * 700 + "]" * 700
TOOL = f'{{"type": "function", "name": "x", "parameters": {DEEP}}}'


@pytest.mark.parametrize(
    "text",
    [
        "{",
        b"\xff",
        "[" * 100_000,
        f'{{"type": "session.update", "session": {{"type": "realtime", "tools": [{TOOL}]}}}}',
    ],
    ids=["half", "bytes", "endless", "deep"],
)
async def test_what_cannot_be_read_is_an_error_and_no_end(start_peer, text):
    peer = await start_peer()
    client = await peer.ws()
    await client.socket.send(text)
    assert (await client.events.wait("error"))["error"]["code"] == "invalid_event"
    await client.send("session.update", session={"type": "realtime", "instructions": "half a pair: \ud800"})
    await client.events.wait("session.updated")


async def test_a_user_who_says_nothing_is_asked_again(start_peer):
    ahead = [0.0]
    peer = await start_peer(replies={"": "Are you still there?"}, clock=lambda: time.time() + ahead[0])
    client = await peer.ws()
    idle = {"type": "server_vad", "idle_timeout_ms": 5000}
    await client.send(
        "session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": idle}}}
    )
    await client.send("response.create")
    await client.events.wait("response.done")
    ahead[0] = 20
    timeout = await client.events.wait("input_audio_buffer.timeout_triggered")
    assert timeout.keys() == {"type", "event_id", "audio_start_ms", "audio_end_ms", "item_id"}
    await client.events.wait("response.done", 2)
    assert replies(client.events)[1] == "Are you still there?"


async def test_a_stage_gets_what_it_cannot_understand_as_such(start_peer):
    turns = []

    class Listener:
        async def reply(self, turn):
            turns.append(turn)
            yield Say("Pardon?")

    stt = ScriptedStt([Transcript("mumble", 0.2, accepted=False)])
    peer = await start_peer(stages=Stages(EnergyVad, stt, Listener(), ToneTts()))
    client = await peer.ws()
    await client.speak()
    await client.events.wait("response.done")
    assert [(turn.text, turn.accepted) for turn in turns] == [("mumble", False)]


async def test_leaving_in_the_middle_of_a_reply_stops_everything(start_peer):
    agent = SlowAgent()
    peer = await start_peer(stages=Stages(EnergyVad, ScriptedStt(["hello"]), agent, ToneTts()))
    client = await peer.ws()
    await client.speak()
    await client.events.wait("response.output_audio.delta")
    client.socket.transport.abort()
    async with asyncio.timeout(20):
        await agent.stopped.wait()
    with pytest.raises(websockets.ConnectionClosed):
        await client.send("response.create")


class MeteredVad(EnergyVad):
    """Notes after how many frames in a row the event loop got to something else."""

    def __init__(self, runs):
        self._runs = runs
        self._run = 0

    def __call__(self, frame):
        if self._run == 0:
            asyncio.get_running_loop().call_soon(self._interrupted)
        self._run += 1
        return super().__call__(frame)

    def _interrupted(self):
        self._runs.append(self._run)
        self._run = 0


async def test_a_long_append_leaves_the_event_loop_to_others_again_and_again(start_peer):
    runs = []
    stages = Stages(lambda: MeteredVad(runs), ScriptedStt(), DictAgent({}), ToneTts())
    client = await (await start_peer(stages=stages)).ws(max_size=None)
    sound = base64.b64encode(np.zeros(20 * 24_000, np.int16).tobytes()).decode()
    await client.send("input_audio_buffer.append", audio=sound)
    await client.send("session.update", session={"type": "realtime"})
    await client.events.wait("session.updated")
    a_second = 16_000 // EnergyVad.frame_samples
    assert sum(runs) >= 19 * a_second
    assert max(runs) <= a_second


async def test_a_commit_right_after_a_long_append_has_all_of_it_in_order(start_peer):
    fed = []

    class Stream:
        def feed(self, pcm):
            fed.append(pcm)

        async def finish(self):
            return Transcript(f"{round(sum(map(len, fed)) / 16_000)} seconds")

        def close(self):
            pass

    class Stt:
        def open(self):
            return Stream()

    client = await (await start_peer(stages=Stages(EnergyVad, Stt(), DictAgent({}), ToneTts()))).ws()
    audio = {"input": {"turn_detection": None, "transcription": {"model": "m"}}}
    await client.send("session.update", session={"type": "realtime", "audio": audio})
    rising = (np.arange(20 * 24_000) // 48).astype(np.int16)
    await client.send("input_audio_buffer.append", audio=base64.b64encode(rising.tobytes()).decode())
    await client.send("input_audio_buffer.commit")
    done = await client.events.wait("conversation.item.input_audio_transcription.completed")
    assert done["transcript"] == "20 seconds"
    heard = np.concatenate(fed).astype(np.int32)
    assert np.all(np.diff(heard) >= -1)
    assert heard[-1] > 9_900


def stumble(*_):
    raise KeyError("the bug")


async def test_a_bug_behind_an_event_is_an_error_and_the_session_goes_on(start_peer, monkeypatch, caplog):
    client = await (await start_peer()).ws()
    with monkeypatch.context() as patch:
        patch.setattr("genmb_voice_widget.peer.protocol.dialogue.Dialogue.retrieve", stumble)
        await client.send("conversation.item.retrieve", item_id="x", event_id="mine")
        error = (await client.events.wait("error"))["error"]
        assert (error["type"], error["event_id"]) == ("server_error", "mine")
        assert "the bug" not in error["message"]
    assert "in stumble" in caplog.text
    await client.send("session.update", session={"type": "realtime"})
    await client.events.wait("session.updated")


async def test_a_bug_behind_what_is_heard_is_an_error_and_the_session_goes_on(
    start_peer, monkeypatch, caplog
):
    client = await (await start_peer(["hello"], {"hello": "Hi."})).ws()
    with monkeypatch.context() as patch:
        patch.setattr("genmb_voice_widget.peer.protocol.dialogue.Dialogue.commit_audio", stumble)
        await client.speak()
        error = (await client.events.wait("error"))["error"]
        assert (error["type"], error["event_id"]) == ("server_error", None)
    assert "in stumble" in caplog.text
    await client.speak()
    await client.events.wait("response.done")
