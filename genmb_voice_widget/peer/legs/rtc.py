"""A session's WebRTC leg: one peer connection with the microphone in, the voice out and the events beside.

Owns the aiortc connection and its life. Knows of the session what it calls; nothing of HTTP or credentials.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Coroutine
from fractions import Fraction
from typing import Any, cast

import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from genmb_voice_widget.peer.ids import new_id
from genmb_voice_widget.peer.live import LiveSession, Wants
from genmb_voice_widget.peer.resample import Resampler
from genmb_voice_widget.peer.stages import LISTEN_RATE, Pcm
from genmb_voice_widget.peer.wire_error import WireError

from .audio_out import PLAY_RATE
from .ice import stay_on_loopback
from .jitter import ArrivalOrder

CONNECT_WITHIN = 15.0
"""Seconds from the answer to a connection; after them the call is dropped."""

FRAME = PLAY_RATE // 50
LATE = 0.2
"""Seconds behind its schedule at which the voice gives up catching up."""

LONGEST_GAP = PLAY_RATE
BACKLOG = 16 * 1024 * 1024
"""Bytes of events that may wait for a client that does not read; beyond them the call is dropped."""

_LOCAL_NAME = re.compile(r"(?m)^a=candidate:.*\.local .*\r?\n")
_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
_log = logging.getLogger(__name__)

stay_on_loopback()


class RtcLeg:
    """One call's connection. `on_closed` is called once, when it is gone for whatever reason.

    With `controlled`, a socket has opened the session and takes its client events; those that come by the
    data channel are ignored.
    """

    def __init__(
        self, live: LiveSession, wants: Wants, on_closed: Callable[[], None], *, controlled: bool = False
    ) -> None:
        self._live = live
        self._wants = wants
        self._on_closed = on_closed
        self._controlled = controlled
        self._voice = Voice(live.pull)
        self._hears = True
        self._channel_matters = True
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self._pc = RTCPeerConnection(configuration)
        self._tasks: set[asyncio.Task[None]] = set()
        self._greeted = self._listening = False
        self._closing: asyncio.Task[None] | None = None

    async def answer(self, offer: str) -> str:
        """Return the answer to an SDP offer. Raises `WireError` for one that cannot be answered."""
        pc = self._pc
        pc.on("datachannel", self._greet)
        pc.on("track", self._listen)
        pc.on("connectionstatechange", self._look)
        offer = _LOCAL_NAME.sub("", offer)
        try:
            await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            self._decline_all_but_the_first_audio()
            pc.addTrack(self._voice)
            await pc.setLocalDescription(await pc.createAnswer())
        except Exception as error:
            _log.debug("an offer was refused", exc_info=error)
            await pc.close()
            raise WireError("The SDP offer could not be parsed or has no audio.", "invalid_offer") from None
        self._spawn(self._watch())
        return str(pc.localDescription.sdp)

    async def close(self) -> None:
        """Hang up, and return when that is done, whoever asked for it first."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._on_closed()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        try:
            await self._pc.close()
        finally:
            await asyncio.gather(*tasks, return_exceptions=True)

    def _decline_all_but_the_first_audio(self) -> None:
        """Receive one microphone: whatever else is offered would be decoded and kept, and nobody takes it."""
        transceivers = self._pc.getTransceivers()
        microphone = next((one for one in transceivers if one.kind == "audio"), None)
        if microphone is None:
            raise ValueError("no audio section")
        for one in transceivers:
            if one is not microphone:
                one.direction = "inactive"

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """Forget a task; one that broke off takes the call with it, so that nobody talks to the deaf."""
        self._tasks.discard(task)
        problem = None if task.cancelled() else task.exception()
        if problem is not None and self._closing is None:
            _log.error("a call broke off", exc_info=problem)
            self._spawn(self.close())

    def _greet(self, channel: Any) -> None:
        """Begin the session on its data channel, the first, which may be open already."""
        if self._greeted:
            return
        self._greeted = True

        def send(text: str) -> None:
            if channel.readyState != "open":
                return
            if channel.bufferedAmount > BACKLOG:
                self._spawn(self.close())
                return
            try:
                channel.send(text)
            except ValueError:
                message = f"An event of {len(text)} characters is too large for this data channel."
                error = WireError(message, "event_too_large", type="server_error").event(None)
                channel.send(json.dumps({"event_id": new_id("event"), **error}))

        channel.on("close", lambda: self._spawn(self.close()) if self._channel_matters else None)
        self._live.attach(send, self._wants)
        self._live.after(self._live.faults.drop_media, self._drop_media)
        self._live.after(self._live.faults.drop_channel, lambda: self._drop_channel(channel))
        if not self._controlled:
            channel.on("message", self._live.receive)
            self._live.open()

    def _drop_media(self) -> None:
        self._voice.sends = self._hears = False

    def _drop_channel(self, channel: Any) -> None:
        self._channel_matters = False
        channel.close()

    def _listen(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and not self._listening:
            self._listening = True
            for transceiver in self._pc.getTransceivers():
                setattr(transceiver.receiver, _JITTER_BUFFER, ArrivalOrder())
            self._spawn(self._hear(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        """Pass the microphone on as 16 kHz mono; a lost packet becomes silence of its length."""
        resampler = Resampler(PLAY_RATE, LISTEN_RATE)
        expected: int | None = None
        try:
            while True:
                frame = cast(AudioFrame, await track.recv())
                pcm, pts = _mono(frame), frame.pts or 0
                gap = 0 if expected is None else pts - expected
                expected = pts + len(pcm)
                if 0 < gap <= LONGEST_GAP:
                    pcm = np.concatenate((np.zeros(gap, np.int16), pcm))
                if self._hears:
                    self._live.hear(resampler.push(pcm))
        except MediaStreamError:
            return

    async def _look(self) -> None:
        if self._pc.connectionState in ("failed", "closed"):
            await self.close()

    async def _watch(self) -> None:
        await asyncio.sleep(CONNECT_WITHIN)
        if self._pc.connectionState != "connected":
            await self.close()


class Voice(MediaStreamTrack):
    """The track that plays what the session says, in real time, and silence otherwise, without end.

    Once it no longer `sends` it goes on playing, and nothing leaves.
    """

    kind = "audio"

    def __init__(self, pull: Callable[[int], Pcm]) -> None:
        super().__init__()
        self.sends = True
        self._pull = pull
        self._begun: float | None = None
        self._pts = 0

    async def recv(self) -> AudioFrame:
        """Return the next 20 ms when they are due."""
        while True:
            frame = await self._next()
            if self.sends:
                return frame

    async def _next(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        if self._begun is None:
            self._begun = loop.time()
        wait = self._begun + self._pts / PLAY_RATE - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        elif wait < -LATE:
            self._begun -= wait
        frame = AudioFrame.from_ndarray(self._pull(FRAME)[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = PLAY_RATE, Fraction(1, PLAY_RATE), self._pts
        self._pts += FRAME
        return frame


def _mono(frame: AudioFrame) -> Pcm:
    """Return a decoded frame's samples; aiortc gives 48 kHz stereo, interleaved."""
    samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
    return np.asarray(samples.astype(np.int32).sum(axis=1) // samples.shape[1], np.int16)
