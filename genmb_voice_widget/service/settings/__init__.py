"""The endpoint's settings and numbers: what an operator chooses, how long it waits, how much it reads.

Where settings are read from is in `file`. It knows no route and no provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from genmb_voice_widget.secret import Secret

MAX_BODY = 64 * 1024
"""Bytes of a request body; an offer of a browser with every codec is about 8 KiB."""


@dataclass(frozen=True)
class Timing:
    """All in seconds.

    Attributes:
        body_within: the caller's time to send a request body.
        open_within: a provider's whole time to answer an offer, a local peer's first start included.
        connect_within: the caller's time, from the answer on, to prove the handshake.
        hang_up_within: a provider's time to end a call.
        look_every: pause between two looks whether a session was ended elsewhere whose call is held here.
        sweep_every: pause between two looks for sessions whose time is over.
        grace: how long after its end a session may still be given another call.
        give_up_after: how long hanging up is tried again before a session is settled without it.
    """

    body_within: float = 10.0
    open_within: float = 15.0
    connect_within: float = 30.0
    hang_up_within: float = 5.0
    look_every: float = 5.0
    sweep_every: float = 2.0
    grace: float = 60.0
    give_up_after: float = 300.0


@dataclass(frozen=True)
class Settings:
    """What an operator chooses.

    Attributes:
        host: the address to listen on.
        port: the port to listen on; 0: any that is free.
        hosts: names, without a port, that it is called by, besides `host` and this machine's own.
        origins: web origins whose pages may ask too, where no apps are told apart.
        access: whether everyone may ask who reaches it (this machine alone), or apps are told apart.
        database: a file's path, or `postgresql://…`: apps, credits, sessions and the audit. None: in memory.
        redis: `redis://…`, where the window is. None: in memory, for one node.
        signing_key: what app tokens are signed with, the same on every node. None: there are none.
        site_hook: `module:function` of the owner's, which tells who is signed in to the owner's site.
        hand_out_secrets: whether servers that show an app's key may have the voice service's own short-lived
            secrets: calls made with them are not seen from here, so only the server's word proves one.
        metrics_key: what `/metrics` must be asked with, as a bearer token.
        drain_seconds: how long it may go on after it was told to stop.
        providers: the voice services with their options, by name; the first is for callers that name none.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    access: Literal["open", "apps"] = "open"
    database: Secret | None = None
    redis: Secret | None = None
    signing_key: Secret | None = None
    site_hook: str | None = None
    hand_out_secrets: bool = False
    metrics_key: Secret | None = None
    drain_seconds: float = 8.0
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"local": {}})


class SettingsError(ValueError):
    """What is wrong with the settings, a sentence each: the setting, and what to do; no secret's value."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


def not_installed(missing: ModuleNotFoundError) -> SettingsError:
    """Say which package the settings call for and is not there."""
    return SettingsError(f"{missing.name} is not installed: pip install 'genmb-voice-widget[service]'.")
