"""A page that shows one agent, on a thread of its own, as a subshell would; and the package's thread at rest."""

import asyncio
import json
import threading

from genmb_voice_widget.loop import submit


class Tab:
    """A page that shows one agent, on a thread of its own, as a subshell would."""

    def __init__(self, agent):
        self.agent = agent
        self.sent = []
        self.seq = 0
        agent.send = self._take
        self._arrived = threading.Condition()

    def _take(self, message, buffers=None):
        with self._arrived:
            self.sent.append(json.loads(json.dumps(message)))
            self._arrived.notify_all()

    def send(self, op, **members):
        message = {"op": op, "client": "tab", **members}
        thread = threading.Thread(target=self.agent._handle_custom_msg, args=(message, []))
        thread.start()
        thread.join(20)

    def tell(self, *events):
        envelopes = []
        for way, event in events:
            self.seq += 1
            envelopes.append({"seq": self.seq, "t": self.seq, "dir": way, "event": event})
        self.send("events", log="log", events=envelopes)

    def become(self, *statuses, **members):
        self.tell(*(("own", {"type": "genmb.status", "status": status, **members}) for status in statuses))

    def arrived(self, op):
        """Wait for a message of the kernel."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: any(m["op"] == op for m in self.sent), 20), self.sent

    def command(self, do):
        """Wait for a command of the kernel."""
        with self._arrived:
            found = lambda: [m for m in self.sent if m["op"] == "command" and m["do"] == do]  # noqa: E731
            assert self._arrived.wait_for(found, 20), self.sent
            return found()[-1]


async def settled():
    """Wait until the package's thread has done what it was given so far."""
    await asyncio.wrap_future(submit(asyncio.sleep(0)))
