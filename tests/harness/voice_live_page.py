"""A page's side of a Voice Live call: an offer with all its candidates, and a channel that the service does not read."""

import asyncio
import json

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack


class Page:
    """One peer connection; `heard` are the events of its channel."""

    def __init__(self, track=None):
        self.connection = RTCPeerConnection()
        self.connection.addTrack(track or AudioStreamTrack())
        self.channel = self.connection.createDataChannel("voice-live-events")
        self.open, self.closed, self.heard = asyncio.Event(), asyncio.Event(), []
        self.channel.on("open", self.open.set)
        self.channel.on("close", self.closed.set)
        self.channel.on("message", lambda text: self.heard.append(json.loads(text)))

    async def offer(self):
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def take(self, sdp):
        """Connect by an answer."""
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await asyncio.wait_for(self.open.wait(), 10)
