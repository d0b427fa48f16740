"""A road between a page and the peer on which packets are lost and take their time, both ways: a relay for UDP.

Chromium's own emulation is no use for losses: they come from a generator with a fixed seed, so each page loses the same
packets (WebRTC's `SimulatedNetwork`; four pages in turn lost the same ones but for a few), and none while it connects.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playwright.async_api import Page

LOOPBACK = "127.0.0.1"
DETOUR = """
const describe = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = async function ({ type, sdp }) {
  const place = (port) => `127.0.0.1 ${port} typ host`;
  const [, port] = /^a=candidate:.* 127\\.0\\.0\\.1 (\\d+) typ host/m.exec(sdp);
  const relay = await relayTo(Number(port));
  return describe.call(this, { type, sdp: sdp.replaceAll(place(port), place(relay)) });
};
"""
"""The page is told of the relay in the peer's place. Its own offer names no address, so the peer knows no other way either."""

Address = tuple[str, int]


@dataclass
class Way:
    """How many packets one direction was given, and how many of them it lost."""

    given: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Road:
    """What befalls packets, each on its own.

    Attributes:
        loss: the part of them that is lost each way, 0 to 1.
        round_trip: seconds there and back, half of them each way; each request by HTTP takes as long, and loses nothing.
        chance: which ones are lost.
    """

    loss: float
    round_trip: float
    chance: random.Random = field(default_factory=random.Random)
    out: Way = field(default_factory=Way)
    back: Way = field(default_factory=Way)

    def carry(self, way: Way, deliver: Callable[[], None]) -> None:
        way.given += 1
        if self.chance.random() < self.loss:
            way.lost += 1
        else:
            asyncio.get_running_loop().call_later(self.round_trip / 2, deliver)


class Relay:
    """A socket towards the page and, as in a router, one towards the peer for each address that the page sends from."""

    def __init__(self, road: Road, peer: int) -> None:
        self._road = road
        self._peer = (LOOPBACK, peer)
        self._ends: list[socket.socket] = []
        self._far: dict[Address, socket.socket] = {}
        self._near = self._open(self._out)
        self.port: int = self._near.getsockname()[1]

    def _open(self, receive: Callable[[bytes, Address], None]) -> socket.socket:
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.setblocking(False)
        end.bind((LOOPBACK, 0))
        asyncio.get_running_loop().add_reader(end, lambda: receive(*end.recvfrom(65_536)))
        self._ends.append(end)
        return end

    def _out(self, packet: bytes, page: Address) -> None:
        if page not in self._far:
            self._far[page] = self._open(lambda packet, _: self._back(packet, page))
        self._road.carry(self._road.out, lambda: self._send(self._far[page], packet, self._peer))

    def _back(self, packet: bytes, page: Address) -> None:
        self._road.carry(self._road.back, lambda: self._send(self._near, packet, page))

    def _send(self, end: socket.socket, packet: bytes, to: Address) -> None:
        if end in self._ends:
            end.sendto(packet, to)

    def close(self) -> None:
        while self._ends:
            end = self._ends.pop()
            asyncio.get_running_loop().remove_reader(end)
            end.close()


@asynccontextmanager
async def led_over(page: Page, road: Road, endpoint: str) -> AsyncIterator[None]:
    """Lead a page's calls, and what it asks the endpoint, over the road; before the page is loaded."""
    relays: list[Relay] = []

    async def relay_to(port: int) -> int:
        relays.append(Relay(road, port))
        return relays[-1].port

    await page.expose_function("relayTo", relay_to)
    await page.add_init_script(DETOUR)
    network = await page.context.new_cdp_session(page)
    slow = {"latency": 1000 * road.round_trip, "downloadThroughput": -1, "uploadThroughput": -1}
    rules = [{"urlPattern": f"{endpoint}/*", **slow}]
    await network.send(
        "Network.emulateNetworkConditionsByRule", {"offline": False, "matchedNetworkConditions": rules}
    )
    try:
        yield
    finally:
        for relay in relays:
            relay.close()
