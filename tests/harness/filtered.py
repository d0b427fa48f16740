"""An endpoint in this process whose local peer keeps events from pages, as Azure OpenAI does with `event_filter`."""

from dataclasses import replace

from genmb_voice_widget.service import in_process
from genmb_voice_widget.service.providers import Answer
from genmb_voice_widget.service.providers.credential import bearer
from genmb_voice_widget.service.providers.local import (
    DEFAULT_MODEL,
    SECRET_LIFE,
    TRANSCRIPTION,
    LocalProvider,
)
from genmb_voice_widget.service.providers.realtime_http import create_secret, relay_offer
from genmb_voice_widget.service.providers.wire_session import voice_of, with_model, with_transcription


class Filtered(LocalProvider):
    """Answers as Azure does: the session goes into a secret, and the offer with `webrtcfilter=on`."""

    async def answer(self, session, sdp):
        wire, model = with_model(with_transcription(session, TRANSCRIPTION), DEFAULT_MODEL)
        link, auth = await self._service()
        link = replace(link, base=f"{link.base.removesuffix('/v1')}/openai/v1")  # where the peer is Azure's
        token, _ = await create_secret(link, auth, wire, SECRET_LIFE)
        call_id, answer = await relay_offer(link, bearer(token), sdp, event_filter=True)
        return Answer("ga", model, voice_of(wire), call_id, answer, filtered=True)


def endpoint():
    """Make one."""
    return in_process({"local": Filtered()})
