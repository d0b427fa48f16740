"""Real kernels, and a page that is not there: a client that speaks the bridge by comm messages, as a browser would."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

ROOT = Path(__file__).parents[2]
OLD = {"PYTHONPATH": str(ROOT / ".venvs" / "ipykernel6")}
ENVIRONMENTS: dict[str, dict[str, str]] = {"6.31": OLD, "7.4": {}}
PATIENCE = 20.0


@dataclass
class Cell:
    """What a cell has put out."""

    printed: str = ""
    error: str | None = None
    shown: list[dict[str, Any]] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Kernel:
    """One kernel and its only client."""

    def __init__(self, version: str, manager: AsyncKernelManager) -> None:
        self.version = version
        self.manager = manager
        self.client = manager.client()
        self.cells: dict[str, Cell] = {}
        self.pages: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self.opened: asyncio.Queue[str] = asyncio.Queue()
        self.subshell: str | None = None

    async def open(self) -> None:
        self.client.start_channels()
        await self.client.wait_for_ready(timeout=60)
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        self._reading.cancel()
        self.client.stop_channels()
        await self.manager.shutdown_kernel(now=True)

    async def make_subshell(self) -> None:
        request = self.client.session.msg("create_subshell_request")
        self.client.control_channel.send(request)
        reply = await self.client.get_control_msg(timeout=PATIENCE)
        self.subshell = reply["content"]["subshell_id"]

    def begin(self, code: str) -> Cell:
        """Send a cell to the kernel."""
        cell = Cell()
        self.cells[self.client.execute(code)] = cell
        return cell

    async def run(self, code: str) -> Cell:
        """Run a cell to its end."""
        cell = self.begin(code)
        await asyncio.wait_for(cell.done.wait(), PATIENCE)
        return cell

    async def value(self, code: str) -> str:
        """Run a cell that must not fail, and return what it has printed."""
        cell = await self.run(code)
        assert cell.error is None, cell.error
        return cell.printed.strip()

    async def new_page(self) -> "Page":
        """A page for the agent that is made next, or was made last."""
        return Page(self, await asyncio.wait_for(self.opened.get(), PATIENCE))

    async def show(self, code: str = "agent = VoiceAgent()") -> "Page":
        """Make an agent, and a page that shows it and has been welcomed."""
        assert (await self.run(code)).error is None
        page = await self.new_page()
        await page.greet()
        return page

    def send_comm(self, comm_id: str, content: dict[str, Any]) -> None:
        data = {"method": "custom", "content": content}
        message = self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        if self.subshell:
            message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    async def _read(self) -> None:
        while True:
            message = await self.client.get_iopub_msg()
            content, kind = message["content"], message["msg_type"]
            cell = self.cells.get(message["parent_header"].get("msg_id", ""))
            if kind == "comm_open" and "_esm" in content["data"].get("state", {}):
                self.pages[content["comm_id"]] = asyncio.Queue()
                self.opened.put_nowait(content["comm_id"])
            ours = kind == "comm_msg" and content["comm_id"] in self.pages
            if ours and content["data"]["method"] == "custom":
                self.pages[content["comm_id"]].put_nowait(content["data"]["content"])
            if cell is None:
                continue
            if kind == "stream":
                cell.printed += content["text"]
            if kind == "error":
                cell.error = f"{content['ename']}: {content['evalue']}"
            if kind in ("execute_result", "display_data"):
                cell.shown.append(content["data"])
            if kind == "execute_input":
                cell.begun.set()
            if kind == "status" and content["execution_state"] == "idle":
                cell.done.set()


class Page:
    """A page that shows one agent: greets it, obeys its commands, keeps a log."""

    def __init__(self, kernel: Kernel, comm_id: str, client: str = "page-1") -> None:
        self.kernel = kernel
        self.comm_id = comm_id
        self.client = client
        self.log = f"log-of-{client}"
        self.seq = 0
        self.received: list[dict[str, Any]] = []

    def send(self, op: str, **members: Any) -> None:
        self.kernel.send_comm(self.comm_id, {"op": op, "client": self.client, **members})

    async def hear(self, op: str) -> dict[str, Any]:
        """Wait for a message of the kernel for this page, or about its call."""
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await self.kernel.pages[self.comm_id].get()
                if self.client in (message.get("client"), message.get("holder")):
                    self.received.append(message)
                    if message["op"] == op:
                        return message

    def twin(self, client: str) -> "Page":
        """The same agent in another tab."""
        return Page(self.kernel, self.comm_id, client)

    async def greet(self) -> dict[str, Any]:
        self.send("hello", proto=1, environment={})
        return await self.hear("welcome")

    def envelope(self, direction: str, event: dict[str, Any]) -> dict[str, Any]:
        self.seq += 1
        return {"seq": self.seq, "t": 10 * self.seq, "dir": direction, "event": event}

    def tell(self, *events: tuple[str, dict[str, Any]]) -> None:
        """Send a batch of events, each with its direction."""
        self.send("events", log=self.log, events=[self.envelope(*event) for event in events])

    def become(self, *statuses: str) -> None:
        self.tell(*(("own", {"type": "genmb.status", "status": status}) for status in statuses))

    def reply(self, text: str) -> None:
        """Let the agent say something, as the service would report it."""
        item = {"id": f"a{self.seq}", "type": "message", "role": "assistant", "status": "in_progress"}
        done = {**item, "status": "completed", "content": [{"type": "output_text", "text": text}]}
        self.tell(
            ("in", {"type": "conversation.item.added", "item": {**item, "content": []}}),
            ("in", {"type": "conversation.item.done", "item": done}),
        )


async def _start(version: str) -> Kernel:
    manager = AsyncKernelManager()
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=argv, display_name=version, language="python")
    await manager.start_kernel(
        cwd=str(ROOT), env={**os.environ, "PYTHONWARNINGS": "default", **ENVIRONMENTS[version]}
    )
    kernel = Kernel(version, manager)
    await kernel.open()
    running = await kernel.value("import ipykernel; print(ipykernel.__version__)")
    assert running.startswith(version), f"ipykernel {running} runs, not {version}: `make install` brings both"
    await kernel.value("from genmb_voice_widget import VoiceAgent, VoiceError")
    return kernel


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[("6.31", "main"), ("7.4", "main"), ("7.4", "subshell")]
)
async def kernel(request: pytest.FixtureRequest) -> AsyncIterator[Kernel]:
    """A kernel, reached through its main shell or a subshell."""
    version, shell = request.param
    kernel = await _start(version)
    if shell == "subshell":
        await kernel.make_subshell()
    yield kernel
    await kernel.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def old_kernel(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kernel]:
    """A kernel of ipykernel 6 that is left as it is."""
    os.environ["GENMB_VOICE_OLD_KERNEL"] = "0"
    try:
        kernel = await _start("6.31")
    finally:
        del os.environ["GENMB_VOICE_OLD_KERNEL"]
    yield kernel
    await kernel.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(kernel: Kernel) -> Page:
    """A page that shows a new agent and has been welcomed."""
    return await kernel.show()
