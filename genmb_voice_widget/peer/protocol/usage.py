"""Made-up token numbers.

The peer has no tokens. So that cost displays and limits can be exercised it counts 4 characters of text,
100 ms of input audio and 50 ms of output audio as one token each; nothing is ever cached, and nobody is
refused at a limit. The shapes are the wire's (OpenAI Realtime API reference, response.usage and
rate_limits.updated).
"""

from __future__ import annotations

from math import ceil

from genmb_voice_widget.peer.shapes import Json

_CHARACTERS = 4
_INPUT_MS = 100
_OUTPUT_MS = 50
_LIMITS = {"requests": 1_000, "tokens": 100_000}
_RESET_SECONDS = 60.0


def output_tokens(characters: int, ms: float) -> int:
    """Return what a reply counts: its characters, those of function arguments included, and its audio."""
    return ceil(characters / _CHARACTERS) + ceil(ms / _OUTPUT_MS)


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


def rate_limits(requests: int, tokens: int) -> Json:
    """Return `rate_limits.updated` for what a session has used: as if nothing were ever given back."""
    used = {"requests": requests, "tokens": tokens}
    limits = [
        {
            "name": name,
            "limit": limit,
            "remaining": max(0, limit - used[name]),
            "reset_seconds": _RESET_SECONDS,
        }
        for name, limit in _LIMITS.items()
    ]
    return {"type": "rate_limits.updated", "rate_limits": limits}
