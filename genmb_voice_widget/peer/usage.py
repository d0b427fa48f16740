"""Made-up token numbers.

The peer has no tokens. So that cost displays and limits can be exercised it counts 4 characters of text,
100 ms of input audio and 50 ms of output audio as one token each; nothing is ever cached. The shape is the
wire's (OpenAI Realtime API reference, response.usage).
"""

from __future__ import annotations

from math import ceil

from .shapes import Json

_CHARACTERS = 4
_INPUT_MS = 100
_OUTPUT_MS = 50


def response_usage(input_text: int, input_ms: float, output_text: int, output_ms: float) -> Json:
    """Return `response.usage`; texts are in characters, audio in ms."""
    text_in, audio_in = ceil(input_text / _CHARACTERS), ceil(input_ms / _INPUT_MS)
    text_out, audio_out = ceil(output_text / _CHARACTERS), ceil(output_ms / _OUTPUT_MS)
    none = {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}
    return {
        "total_tokens": text_in + audio_in + text_out + audio_out,
        "input_tokens": text_in + audio_in,
        "output_tokens": text_out + audio_out,
        "input_token_details": {
            "text_tokens": text_in,
            "audio_tokens": audio_in,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": none,
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }


def transcription_usage(seconds: float) -> Json:
    """Return the `usage` of a transcription: whole seconds of audio."""
    return {"type": "duration", "seconds": ceil(seconds)}
