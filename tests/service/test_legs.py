"""What goes wrong between the endpoint and a provider is told in the log and keeps nothing else from its end."""

import asyncio
import gc

from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.sessions import Sessions
from genmb_voice_widget.service.sessions.legs import Legs
from genmb_voice_widget.service.sessions.parts import Parts
from genmb_voice_widget.service.settings import Timing


async def test_a_proof_that_the_ledger_could_not_take_is_told_in_the_log(make_endpoint, caplog):
    async with make_endpoint(watch=True) as endpoint:
        asked, step = asyncio.Event(), endpoint.ledger.step

        async def away(session, name, reason=None):
            asked.set()
            endpoint.ledger.step = step
            raise Refusal("service_unavailable", "The account cannot be asked just now.")

        async def prove(call_id):
            endpoint.ledger.step = away
            return True

        endpoint.provider.proven = prove
        id = (await endpoint.start()).json()["id"]
        await asyncio.wait_for(asked.wait(), 20)
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == [
        f"session {id}: its proof could not be noted: service_unavailable"
    ]


async def test_a_provider_that_cannot_be_closed_leaves_nothing_else_open(desk, caplog):
    closed, other = [], type(desk.provider)()

    async def fail():
        raise ConnectionError

    async def note():
        closed.append("ledger")

    desk.provider.close, desk.ledger.close = fail, note
    legs = Legs({"here": desk.provider, "there": other}, Timing())
    await Sessions(Parts(legs, desk.window, desk.ledger, Timing(), desk.clock)).close()
    assert (other.closed, closed) == (True, ["ledger"])
    assert "here could not be closed: ConnectionError" in caplog.text


async def test_the_log_tells_by_its_code_why_a_call_could_not_be_watched(desk, caplog):
    async def fail(call_id):
        raise Refusal("provider_key_refused", "No.")

    desk.provider.proven = fail
    with caplog.at_level("INFO"):
        assert not await Legs({"here": desk.provider}, Timing()).proven("here", "rtc_1")
    assert "call rtc_1 could not be watched: provider_key_refused" in caplog.text
