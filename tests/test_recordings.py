"""Sessions recorded from the real services fold to what was said in them. Without the recordings nothing is tested."""

import json
from pathlib import Path
from typing import Any

import pytest

from genmb_voice_widget.protocol import Envelope, strip_audio
from genmb_voice_widget.state import State, Turn, fold

RECORDINGS = Path(__file__).parents[2] / "shared" / "recordings"
LONDON = "What is the weather in London?"
FOGGY = "It is foggy and 12 degrees in London."
ARGUMENTS = '{  \n  "city": "London" \n} \n'
MARCELO = "Hello, my name is Marcelo."

EXPECTED: dict[str, dict[str, Any]] = {
    "azure_voice_live_ws.text_in_audio_out_turn": {
        "session": {"model": "gpt-realtime-global-standard", "voice": "alloy", "expires_at": 1784668572},
        "turns": [
            ("user", "Say a short greeting.", "completed"),
            ("assistant", "Hola, ¿qué tal?", "completed"),
        ],
        "usage": {"responses": 1, "input_tokens": 16, "output_tokens": 45, "total_tokens": 61}
        | {"input_text_tokens": 16, "output_text_tokens": 14, "output_audio_tokens": 31},
    },
    "azure_voice_live_ws.tool_call_round": {
        "session": {"model": "gpt-realtime-global-standard", "voice": "alloy", "expires_at": 1784668577},
        "turns": [
            ("user", LONDON, "completed"),
            ("tool", "", "completed"),
            ("assistant", "It's foggy and 12 degrees in London right now.", "completed"),
        ],
        "call": ("call_gjTmnRCz6ans0s2H", "get_weather", ARGUMENTS, FOGGY),
        "usage": {"responses": 2, "input_tokens": 159, "output_tokens": 36, "total_tokens": 195}
        | {"input_text_tokens": 159, "cached_tokens": 64, "output_text_tokens": 36},
    },
    "azure_ws.tool_call_round": {
        "session": {"model": "gpt-realtime", "voice": "alloy", "expires_at": 1784688021},
        "turns": [
            ("user", LONDON, "completed"),
            ("tool", "", "completed"),
            ("assistant", FOGGY, "completed"),
        ],
        "call": ("call_I5nx0fK2YAldYQZs", "get_weather", ARGUMENTS, FOGGY),
        "usage": {"responses": 2, "input_tokens": 159, "output_tokens": 35, "total_tokens": 194}
        | {"input_text_tokens": 159, "cached_tokens": 64, "output_text_tokens": 35},
    },
    "azure_ws.audio_in_server_vad_transcribes": {
        "session": {"model": "gpt-realtime", "voice": "alloy", "expires_at": 1784858052},
        "turns": [
            ("user", MARCELO, "completed"),
            ("assistant", "Hi Marcelo, it's great to meet you! What can I help you with today?", "completed"),
        ],
        "usage": {"responses": 1, "input_tokens": 40, "output_tokens": 106, "total_tokens": 146}
        | {"input_text_tokens": 14, "input_audio_tokens": 26, "output_text_tokens": 29}
        | {"output_audio_tokens": 77, "transcription_seconds": 3},
    },
    "azure_ws.audio_in_server_vad_transcription_requires_deployment": {
        "session": {"model": "gpt-realtime", "voice": "alloy", "expires_at": 1784688023},
        "turns": [
            ("user", "", "failed"),
            ("assistant", "Hi Marcelo, it's great to meet you. How can I help you today?", "completed"),
        ],
        "errors": ["transcription_deployment_missing"],
        "usage": {"responses": 1, "input_tokens": 40, "output_tokens": 108, "total_tokens": 148}
        | {
            "input_text_tokens": 14,
            "input_audio_tokens": 26,
            "output_text_tokens": 28,
            "output_audio_tokens": 80,
        },
    },
    "azure_ws_sideband.webrtc_sideband_text_turn": {
        "session": {"model": "gpt-realtime", "voice": "alloy", "expires_at": 1784869982},
        "turns": [("user", "Say hello.", "completed"), ("assistant", "Hello there!", "completed")],
        "usage": {"responses": 1, "input_tokens": 12, "output_tokens": 5, "total_tokens": 17}
        | {"input_text_tokens": 12, "output_text_tokens": 5},
    },
    "openai_ws.audio_in_server_vad_turn": {
        "session": {"model": "gpt-realtime", "voice": "alloy", "expires_at": 1785217650},
        "turns": [
            ("user", MARCELO, "completed"),
            ("assistant", "Hello, Marcelo! Great to meet you. How can I help you today?", "completed"),
        ],
        "usage": {"responses": 1, "input_tokens": 41, "output_tokens": 164, "total_tokens": 205}
        | {"input_text_tokens": 14, "input_audio_tokens": 27, "output_text_tokens": 28}
        | {"output_audio_tokens": 136, "transcription_seconds": 3},
    },
}

PATHS = sorted(RECORDINGS.glob("*.jsonl"))
recording = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def envelopes(path: Path) -> list[Envelope]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Envelope(seq, seq, line["dir"], strip_audio(line["event"])) for seq, line in enumerate(lines, start=1)
    ]


def said(turn: Turn) -> tuple[str, str, str]:
    return turn.role, turn.text, turn.status


@recording
def test_a_recorded_session_folds_to_what_was_said_in_it(path: Path) -> None:
    expected, state = EXPECTED[path.stem], fold(envelopes(path))
    assert [said(turn) for turn in state.turns] == expected["turns"]
    calls = [turn.call for turn in state.turns if turn.call is not None]
    assert [(call.call_id, call.name, call.arguments, call.output) for call in calls] == (
        [expected["call"]] if "call" in expected else []
    )
    assert [error.code for error in state.errors] == expected.get("errors", [])
    assert {member: value for member, value in state.usage.to_json().items() if value} == expected["usage"]


@recording
def test_a_recorded_session_ends_live_and_quiet(path: Path) -> None:
    state = fold(envelopes(path))
    assert (state.status, state.activity, state.speech, state.awaiting) == ("live", "listening", None, False)
    assert state.session is not None
    assert state.session.to_json() == EXPECTED[path.stem]["session"]
    assert not state.responses
    assert all(turn.heard is None for turn in state.turns)


@recording
def test_a_recorded_session_goes_on_from_a_snapshot_at_any_event(path: Path) -> None:
    log = envelopes(path)
    for cut in range(0, len(log), 7):
        state = State.from_json(json.loads(json.dumps(fold(log[:cut]).to_json())))
        for envelope in log[cut:]:
            state.apply(envelope)
        assert state.to_json() == fold(log).to_json()


@recording
def test_an_agent_that_plays_sound_over_a_websocket_is_speaking_until_it_is_done(path: Path) -> None:
    log, state, heard = envelopes(path), State(), set()
    for envelope in log:
        state.apply(envelope)
        if envelope.event["type"] in ("response.output_audio.delta", "response.audio.delta"):
            heard.add(state.activity)
    assert heard <= {"speaking"}
    assert bool(heard) == any(turn.audio_bytes for turn in state.turns)
