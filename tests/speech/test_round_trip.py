"""A sentence is spoken by espeak-ng, found by Silero, and written down by PocketSphinx."""

import asyncio

import numpy as np
import pytest

pytestmark = pytest.mark.speech

SENTENCES = [
    "Hello.",
    "What can you do?",
    "Tell me a story.",
    "Please tell me a joke.",
    "Count to ten, please.",
    "What is the weather in London?",
    "How is the weather in New York?",
    "Set a timer for five minutes.",
    "What is two plus three?",
    "Thank you very much.",
]


@pytest.mark.parametrize("sentence", SENTENCES)
async def test_a_spoken_sentence_is_one_utterance_and_is_written_as_the_script_spells_it(
    speech, hear, sentence
):
    (transcript,) = await hear(await speech(sentence))
    assert (transcript.text, transcript.accepted) == (sentence, True)
    assert transcript.confidence > 0.5


@pytest.mark.parametrize("voice", ["coral", "cedar", "en-us+f3"])
async def test_other_voices_are_understood_too(speech, hear, voice):
    (transcript,) = await hear(await speech("What is the weather in Rome?", voice))
    assert transcript.text == "What is the weather in Rome?"


async def test_a_quiet_microphone_is_understood_like_a_loud_one(speech, hear):
    loud = await speech("Set a timer for twenty minutes.")
    (transcript,) = await hear((loud * 0.05).astype(np.int16))
    assert (transcript.text, transcript.accepted) == ("Set a timer for twenty minutes.", True)


async def test_two_sentences_with_a_pause_are_two_utterances_in_their_order(speech, hear):
    both = np.concatenate([await speech("Tell me a joke."), await speech("Tell me a story.")])
    assert [transcript.text for transcript in await hear(both)] == ["Tell me a joke.", "Tell me a story."]


async def test_silence_and_hiss_are_no_speech(hear):
    hiss = np.random.default_rng(1).normal(0, 300, 48_000).astype(np.int16)
    assert await hear(np.concatenate([np.zeros(32_000, np.int16), hiss])) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "My grandmother used to bake bread every Sunday morning.",
        "The quick brown fox jumps over the lazy dog.",
        "Cheese sandwich.",
        "Never mind.",
    ],
)
async def test_speech_that_is_in_no_phrase_is_not_trusted(speech, hear, sentence):
    transcripts = await hear(await speech(sentence))
    assert transcripts
    assert not any(transcript.accepted for transcript in transcripts)


async def test_the_transcript_does_not_depend_on_how_the_sound_was_cut_up(stages, speech):
    pcm = await speech("What is the weather like in Madrid?")
    found = []
    for step in (160, 777, 5_000, len(pcm)):
        stream = stages.stt.open()
        for at in range(0, len(pcm), step):
            stream.feed(pcm[at : at + step])
        found.append(await asyncio.wait_for(stream.finish(), 10))
        stream.close()
    assert found == [found[0]] * 4


async def test_the_transcript_does_not_depend_on_what_was_said_before(stages, speech, hear):
    pcm = await speech("Good evening.")
    first = await hear(pcm)
    await hear(await speech("Tell me a long story.", "shimmer"))
    assert await hear(pcm) == first
