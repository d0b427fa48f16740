"""What the probe in the page heard, turned into moments."""

from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession, Page

AUDIBLE = 0.01  # RMS; speech from the peer is about 0.1, digital silence is 0
Level = dict[str, float]


@dataclass(frozen=True)
class Sound:
    """One stretch of audible sound: from and until, in page milliseconds."""

    start: float
    end: float


def sounds(levels: list[Level], side: str, *, gap: float = 250) -> list[Sound]:
    """The stretches in which this side (`user` or `agent`) is audible; pauses shorter than `gap` ms do not split one."""
    found: list[Sound] = []
    for level in levels:
        if level[side] < AUDIBLE:
            continue
        if found and level["t"] - found[-1].end <= gap:
            found[-1] = Sound(found[-1].start, level["t"])
        else:
            found.append(Sound(level["t"], level["t"]))
    return found


async def peer_connections(page: Page) -> int:
    """How many RTCPeerConnection objects are alive in the page after garbage collection."""
    session = await page.context.new_cdp_session(page)
    try:
        for _ in range(3):
            await session.send("HeapProfiler.collectGarbage")
        return await _instances(session, "RTCPeerConnection.prototype")
    finally:
        await session.detach()


async def _instances(session: CDPSession, prototype: str) -> int:
    found: dict[str, Any] = await session.send("Runtime.evaluate", {"expression": prototype})
    objects = await session.send("Runtime.queryObjects", {"prototypeObjectId": found["result"]["objectId"]})
    length = await session.send(
        "Runtime.callFunctionOn",
        {
            "objectId": objects["objects"]["objectId"],
            "functionDeclaration": "function () { return this.length; }",
            "returnByValue": True,
        },
    )
    await session.send("Runtime.releaseObject", {"objectId": objects["objects"]["objectId"]})
    return int(length["result"]["value"])
