"""What an agent cannot be made with, refused where it is made and not at its start.

It must not know the options, which `session` checks, nor what a provider is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from .endpoint import ADDRESS_VARIABLE, Where
from .errors import VoiceError
from .protocol import load
from .spelling import corrected


def check_making(unnamed: Sequence[object], provider: object, endpoint: Where) -> None:
    """Let pass what is given by name, and a provider that there may be.

    An endpoint elsewhere, or one that the caller has made, may have providers of any name.

    Raises:
        VoiceError: `bad_option`; `unknown_provider`, with what was probably meant.
    """
    if unnamed:
        why = "All is given by name, as VoiceAgent(instructions='…') or VoiceAgent(provider='azure')."
        raise VoiceError("bad_option", why)
    if not isinstance(provider, str):
        raise VoiceError("bad_option", "provider must be a name, as 'local'.")
    known = load().providers
    if provider not in known and endpoint is None and not os.environ.get(ADDRESS_VARIABLE):
        why = f"Unknown: {corrected(provider, known)}. Here are: {', '.join(known)}."
        raise VoiceError("unknown_provider", why)
