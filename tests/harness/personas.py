"""One endpoint with every kind of voice service, served on a port; behind each of them one and the same local peer.

The providers are those that an operator gets; all that is changed is where their services are.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import uvicorn

from genmb_voice_widget.peer.launch import PeerAddress
from genmb_voice_widget.service import in_process
from genmb_voice_widget.service.providers import Provider
from genmb_voice_widget.service.providers.azure import AzureProvider
from genmb_voice_widget.service.providers.credential import Key, api_key
from genmb_voice_widget.service.providers.local import LocalProvider
from genmb_voice_widget.service.providers.openai import OpenAIProvider
from genmb_voice_widget.service.providers.voice_live import VoiceLiveProvider
from genmb_voice_widget.service.providers.ways import to_this_machine


class Here:
    """The way to services that are on this machine: without TLS."""

    tls = None

    def __init__(self):
        self.way = to_this_machine()

    async def close(self):
        await self.way.aclose()


@dataclass
class Shared:
    """The peer of a `LocalProvider` that is not its own, so that it neither starts nor stops it."""

    address: PeerAddress

    async def start(self):
        return self.address

    async def stop(self):
        pass


def moved(kind: type, base: str) -> type:
    """A provider's class whose service is at `base`, in the place of the vendor's address."""

    class Moved(kind):
        def _link(self, *how):
            return replace(super()._link(*how), base=base)

        async def mint(self, session):
            ticket = await super().mint(session)
            url = f"ws{base.removeprefix('http')}/realtime?{ticket.url.partition('?')[2]}"
            return replace(ticket, url=url)

    return Moved


def every_provider(peer: PeerAddress) -> dict[str, Provider]:
    azure, openai = (moved(AzureProvider, f"{peer.url}/openai/v1"), moved(OpenAIProvider, f"{peer.url}/v1"))
    key = Key(api_key(peer.secret))
    resource = "https://stand-in.openai.azure.com"
    return {
        "local": LocalProvider(lambda: Shared(peer)),
        "azure": azure(resource, key, Here(), deployment="local", transcription="local"),
        "openai": openai(peer.secret, Here(), model="local"),
        "voice-live": VoiceLiveProvider(peer.url, key, Here(), model="local", gives_key=True),
    }


@contextmanager
def endpoint_of_all(peer: PeerAddress) -> Iterator[str]:
    """Serve it in a thread of its own; gives its address."""
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(in_process(every_provider(peer)), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(10)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
