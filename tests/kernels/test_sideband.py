"""What a kernel hears while a cell computes: the session's events, from its endpoint, though no page can be heard."""

import asyncio
import json

import pytest
import pytest_asyncio
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

pytestmark = [pytest.mark.kernel, pytest.mark.asyncio(loop_scope="module")]

WATCH = """
import threading, time
seen = []
agent.observe(lambda change: seen.append((threading.current_thread().name, len(change.new))), "turns")
end = time.monotonic() + 15
while not (agent.usage.responses and agent.turns[-1].status == "completed") and time.monotonic() < end: time.sleep(0.02)
print([(turn.role, turn.status, bool(turn.text)) for turn in agent.turns], agent.usage.total_tokens > 0)
print(agent.status, {name for name, _ in seen})
"""


class Call:
    """A page's call, as a browser would hold it; `told` is what it has to tell its kernel."""

    def __init__(self):
        self.pc = RTCPeerConnection()
        self.channel = self.pc.createDataChannel("oai-events")
        self.pc.addTrack(AudioStreamTrack())
        self.opened, self.told = asyncio.Event(), []
        self.channel.on("open", self.opened.set)
        self.channel.on("message", lambda text: self.told.append(("in", json.loads(text))))

    async def offer(self):
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def accept(self, sdp):
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await asyncio.wait_for(self.opened.wait(), 20)

    def send(self, event):
        self.told.append(("out", event))
        self.channel.send(json.dumps(event))


@pytest_asyncio.fixture(loop_scope="module")
async def call(kernel, page):
    """A call of the page's that stands, with a service that is real: the local peer."""
    call = Call()
    page.become("connecting")
    page.send("call", id="1", method="open", params={"log": page.log, "sdp": await call.offer()})
    ticket = (await page.hear("reply"))["result"]
    await call.accept(ticket["sdp"])
    page.send(
        "call", id="2", method="connected", params={"session": ticket["id"], "call_id": ticket["call_id"]}
    )
    await page.hear("reply")
    page.become("live")
    await kernel.value("await agent.until('live', timeout=10)")
    yield call
    page.send("call", id="3", method="ended", params={"session": ticket["id"], "reason": "stopped"})
    page.become("ended")
    await call.pc.close()
    await kernel.value("await agent.until('ended', timeout=10)")


async def test_turns_grow_while_a_cell_computes_and_the_log_is_the_pages_when_it_is_heard(kernel, page, call):
    cell = kernel.begin(WATCH)
    await cell.begun.wait()
    content = [{"type": "input_text", "text": "Hello"}]
    item = {"id": "item_typed", "type": "message", "role": "user", "content": content}
    call.send({"type": "conversation.item.create", "event_id": "item_typed", "item": item})
    call.send({"type": "response.create", "event_id": "ask"})
    await asyncio.wait_for(cell.done.wait(), 25)
    assert cell.error is None, cell.error
    assert cell.printed.splitlines() == [
        "[('user', 'completed', True), ('assistant', 'completed', True)] True",
        "live {'genmb-voice'}",
    ]
    told = list(call.told)
    page.tell(*told)
    seq = page.seq
    await kernel.value(f"await agent.until(lambda agent: agent._conversation.told >= {seq}, timeout=10)")
    printed = await kernel.value(f"print([e.event['type'] for e in agent.events[:{seq}]])")
    statuses = ["genmb.status"] * 2
    assert json.loads(printed.replace("'", '"')) == statuses + [event["type"] for _, event in told]
    assert await kernel.value("print(agent.usage.responses, agent.activity)") in ("1 speaking", "1 listening")


TOOL = """
import threading, time

@agent.tool
def get_time() -> str:
    "Tell the time."
    print("called in", threading.current_thread().name)
    return "noon"
"""
COMPUTE = """
end = time.monotonic() + 15
while agent.usage.responses < 2 and time.monotonic() < end: time.sleep(0.02)
print(agent.turns[-1].text)
"""


async def test_a_tool_is_called_and_its_answer_goes_to_the_page_while_a_cell_computes(kernel, page, call):
    defining = await kernel.run(TOOL)
    update = await page.hear("command")
    assert (defining.error, update["do"]) == (None, "update")
    call.send({"type": "session.update", "event_id": "tools", "session": update["session"]})
    cell = kernel.begin(COMPUTE)
    await cell.begun.wait()
    content = [{"type": "input_text", "text": "What time is it?"}]
    item = {"id": "item_time", "type": "message", "role": "user", "content": content}
    call.send({"type": "conversation.item.create", "event_id": "item_time", "item": item})
    call.send({"type": "response.create", "event_id": "ask_time"})
    answer = await page.hear("command")
    assert (answer["do"], answer["log"]) == ("answer", page.log)
    assert [item["output"] for item in answer["items"]] == ["noon"]
    assert not cell.done.is_set()
    for output in answer["items"]:
        call.send({"type": "conversation.item.create", "event_id": output["id"], "item": output})
    call.send({"type": "response.create", "event_id": "ask_again"})
    await asyncio.wait_for(cell.done.wait(), 25)
    assert (cell.error, cell.printed.strip()) == (None, "It is noon.")
    page.tell(*call.told)
    await kernel.value(f"await agent.until(lambda agent: agent._conversation.told >= {page.seq}, timeout=10)")
    assert defining.printed.strip() == "called in genmb-voice-tool"
    later = [kernel.pages[page.comm_id].get_nowait() for _ in range(kernel.pages[page.comm_id].qsize())]
    assert [message for message in later if message["op"] == "command"] == []
