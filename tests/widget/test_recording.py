import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genmb_voice_widget import recording
from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.protocol import Envelope

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def test_a_recording_is_a_header_and_the_log_one_object_a_line(tmp_path, envelope):
    path = recording.save(tmp_path / "talk.jsonl", [envelope(1, type="x", text="schön\u2028\n")])
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert [json.loads(line) for line in lines] == [
        {"genmb_voice": 1},
        {"seq": 1, "t": 10, "dir": "own", "event": {"type": "x", "text": "schön\u2028\n"}},
    ]


@settings(max_examples=30)
@given(events=st.lists(st.dictionaries(st.text(), JSON), max_size=4))
def test_what_was_saved_is_loaded_whatever_the_events_say(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("recordings") / "talk.jsonl"
    envelopes = [Envelope(seq, seq, "in", {**event, "type": "x"}) for seq, event in enumerate(events, 1)]
    recording.save(path, envelopes)
    assert recording.load(path) == envelopes


def test_a_save_that_fails_leaves_the_old_file_and_no_other(tmp_path, envelope):
    path = recording.save(tmp_path / "talk.jsonl", [envelope(1, type="x")])
    before = path.read_bytes()
    with pytest.raises(TypeError):
        recording.save(path, [envelope(1, type="x"), envelope(2, type="x", text={1})])
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_named_and_no_hidden_file(tmp_path, envelope):
    with pytest.raises(VoiceError, match="bad_option") as caught:
        recording.save(tmp_path / "gone" / "talk.jsonl", [envelope(1, type="x")])
    assert caught.value.detail == f"Nothing can be written into {tmp_path / 'gone'}: there is no such folder."
    assert caught.value.__suppress_context__


def test_a_log_with_a_snapshot_may_jump_there(tmp_path, envelope):
    envelopes = [envelope(1, type="x"), envelope(9, type="genmb.snapshot", state={}), envelope(10, type="x")]
    assert recording.load(recording.save(tmp_path / "talk.jsonl", envelopes)) == envelopes


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ([], "line 1: not JSON"),
        (['{"genmb_voice":2}'], 'line 1: expected {"genmb_voice": 1}'),
        (["[1]"], "line 1: not a JSON object"),
        (['{"genmb_voice":1}', "{"], "line 2: not JSON"),
        (['{"genmb_voice":1}', "[" * 100_000], "line 2: nested too deeply"),
        (['{"genmb_voice":1}', "{}"], "line 2: not an envelope: seq must be an integer from 1"),
        (
            ['{"genmb_voice":1}', '{"seq":2,"t":0,"dir":"in","event":{"type":"x"}}'],
            "line 2: seq is 2, expected 1",
        ),
        (
            ['{"genmb_voice":1}', '{"seq":1,"t":0,"dir":"up","event":{"type":"x"}}'],
            "line 2: not an envelope: dir must",
        ),
        (
            ['{"genmb_voice":1}', '{"seq":1,"t":0,"dir":"in","event":{}}'],
            "line 2: not an envelope: event must",
        ),
    ],
)
def test_a_file_that_is_no_recording_is_refused_by_its_line(tmp_path, lines, where):
    path = tmp_path / "talk.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(VoiceError, match="bad_recording") as caught:
        recording.load(path)
    assert caught.value.detail.startswith(f"talk.jsonl, {where}")


def test_a_file_that_is_absent_or_no_text_is_refused(tmp_path):
    with pytest.raises(VoiceError, match=r"There is no file gone\.jsonl"):
        recording.load(tmp_path / "gone.jsonl")
    (tmp_path / "sound.wav").write_bytes(b"RIFF\xff\xfe")
    with pytest.raises(VoiceError, match="cannot be read as text"):
        recording.load(tmp_path / "sound.wav")
