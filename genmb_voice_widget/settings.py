"""What an agent is set up to be now: its provider, and its options, which may change.

Set in a cell's thread, read in the package's; each change puts one whole session in the place of another.
It must not know who asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

from .errors import VoiceError
from .protocol import Event, dialect_of
from .session import Session
from .session.azure_voice import AzureVoice
from .session.changes import FIXED, session_update
from .session.checks import check_one_of

Transport = Literal["auto", "webrtc", "kernel"]
"""What carries a page's call: WebRTC, the kernel, or the kernel where WebRTC does not get through."""


class Settings:
    """A provider, by the endpoint's name for it, what carries a page's call, and a session's options.

    Raises:
        VoiceError: `bad_option`, for what there is not with this provider.
    """

    def __init__(self, provider: str, session: Session, transport: Transport = "auto") -> None:
        check_one_of("transport", transport, get_args(Transport))
        self.provider = provider
        self._transport = transport
        self.session = session
        self._dialect = dialect_of(provider)
        self._told = session
        self._transcription: str | None = None
        self._updates = 0
        self._sent: dict[str, tuple[Session, Session]] = {}
        self._wire(session)

    def begin(self) -> dict[str, Any]:
        """Give the session object for a session that begins."""
        self._told = self.session
        self._sent.clear()
        return self._wire(self.session)

    def opened(self, transcription: str | None) -> None:
        """Note the model that the endpoint has chosen for transcription, where the session leaves it open."""
        self._transcription = transcription

    def update(self) -> dict[str, Any]:
        """Give a `session.update`'s `event_id` and `session`: what its service does not know yet.

        Returns:
            {} for nothing.
        """
        before, self._told = self._told, self.session
        told, now = (self._wire(self._named(each)) for each in (before, self._told))
        session = session_update(told, now, self._dialect)
        if not session:
            return {}
        self._updates += 1
        event_id = f"update_{self._updates}"
        self._sent[event_id] = before, self._told
        return {"event_id": event_id, "session": session}

    def hear(self, event: Event) -> None:
        """Take an event of the service: what an update changed that it refuses is not told, and will be.

        An update is refused as a whole, by an `error` that names it (OpenAI Realtime API reference, error).
        """
        match event:
            case {"type": "error", "error": {"event_id": str(event_id)}} if event_id in self._sent:
                before, after = self._sent.pop(event_id)
            case _:
                return
        untold = {
            name: was
            for name, was in vars(before).items()
            if was != getattr(after, name) == getattr(self._told, name)
        }
        self._told = replace(self._told, **untold)

    def shown(self) -> Mapping[str, Any]:
        """Give what a page must know: what it shows before a session, how to call, who ends turns."""
        voice = self.session.voice
        name = voice.name if isinstance(voice, AzureVoice) else voice
        return {
            "provider": self.provider,
            "dialect": self._dialect,
            "transport": self._transport,
            "model": self.session.model,
            "voice": name,
            "push_to_talk": self.session.turn_detection is None,
            "auto_respond": self.session.auto_respond,
        }

    def change(self, name: str, value: Any, running: bool) -> None:
        """Change an option.

        Raises:
            VoiceError: `bad_option`: not this value, not with this provider, or not while a session runs.
                Then nothing has changed.
        """
        chosen = replace(self.session, **{name: value})
        if running and name in FIXED and getattr(chosen, name) != getattr(self.session, name):
            raise VoiceError("bad_option", f"{name} cannot change while a session runs.")
        self._wire(chosen)
        self.session = chosen

    def _named(self, session: Session) -> Session:
        """Name the endpoint's choice: services take a transcription whole, and none without its model."""
        if session.transcription != "auto" or self._transcription is None:
            return session
        return replace(session, transcription=self._transcription)

    def _wire(self, session: Session) -> dict[str, Any]:
        return session.to_wire(self._dialect)
