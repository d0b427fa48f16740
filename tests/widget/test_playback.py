from genmb_voice_widget.playback import Playback


def delta(response="r1", item="a1", index=0):
    return {"response_id": response, "item_id": item, "content_index": index}


def ms(milliseconds):
    return 48 * milliseconds


def test_audio_that_comes_faster_than_it_plays_is_played_one_stretch_after_the_other():
    playback = Playback()
    assert playback.add(0, delta(), ms(100)) == "r1"
    assert playback.add(5, delta(), ms(100)) is None
    playback.complete("r1")
    assert playback.finished(199) == [] and playback.playing
    assert playback.finished(200) == ["r1"] and not playback.playing


def test_a_response_is_not_over_before_its_last_audio_has_come():
    playback = Playback()
    playback.add(0, delta(), ms(100))
    assert playback.finished(500) == []
    playback.add(600, delta(), ms(100))
    playback.complete("r1")
    assert playback.finished(699) == []
    assert playback.finished(700) == ["r1"]


def test_a_cut_counts_what_was_played_of_the_item_without_the_pauses_for_late_audio():
    playback = Playback()
    playback.add(0, delta(), ms(100))
    playback.add(600, delta(), ms(400))
    cut = playback.cut(650)
    assert (cut.response_ids, cut.item_id, cut.content_index, cut.audio_end_ms) == (("r1",), "a1", 0, 150)
    assert not playback.playing and playback.cut(700) is None


def test_a_cut_never_counts_more_than_was_received():
    playback = Playback()
    playback.add(0, delta(), ms(100))
    assert playback.cut(5000).audio_end_ms == 100


def test_a_cut_counts_the_item_that_was_to_be_heard_last():
    playback = Playback()
    playback.add(0, delta(item="a1"), ms(100))
    playback.add(0, delta(item="a2", index=1), ms(100))
    cut = playback.cut(130)
    assert (cut.item_id, cut.content_index, cut.audio_end_ms) == ("a2", 1, 30)


def test_audio_of_a_response_that_was_cut_is_not_played():
    playback = Playback()
    playback.add(0, delta(), ms(100))
    playback.cut(10)
    assert playback.add(20, delta(), ms(100)) is None
    assert not playback.playing


def test_two_responses_follow_each_other():
    playback = Playback()
    playback.add(0, delta("r1"), ms(100))
    playback.complete("r1")
    assert playback.add(50, delta("r2", "a2"), ms(100)) == "r2"
    playback.complete("r2")
    assert playback.finished(100) == ["r1"]
    assert playback.finished(200) == ["r2"]
