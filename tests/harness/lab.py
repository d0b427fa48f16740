"""A real JupyterLab server in a scratch folder, and a page on one of its notebooks."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nbformat
from playwright.async_api import Page

ROOT = Path(__file__).resolve().parents[2]
OLD_IPYKERNEL = ROOT / ".venvs" / "ipykernel6"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address and the folder it shows."""

    url: str
    root: Path

    def write(self, name: str, *cells: str, kernel: str = "python3") -> str:
        """Put a notebook of these code cells into the folder; returns its name."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
            metadata={"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
        )
        nbformat.write(notebook, self.root / name)
        return name

    async def end_kernels(self) -> None:
        """Shut all kernels down, and with them their local peers."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            for kernel in (await client.get("/api/kernels")).json():
                await client.delete(f"/api/kernels/{kernel['id']}")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(scratch: Path) -> dict[str, str]:
    """Keep Jupyter's files in the scratch folder, add the kernel with the older ipykernel, ask for no news."""
    spec = scratch / "data" / "kernels" / "ipykernel6"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps(
            {
                "argv": argv,
                "display_name": "ipykernel 6",
                "language": "python",
                "env": {"PYTHONPATH": f"{OLD_IPYKERNEL}{os.pathsep}{ROOT}"},
            }
        )
    )
    quiet = scratch / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    hidden = {"PYTEST_CURRENT_TEST", "PYTEST_VERSION"}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return kept | {name: str(scratch / folder) for name, folder in folders.items()}


@asynccontextmanager
async def jupyter_lab(scratch: Path, config: str = "") -> AsyncIterator[Lab]:
    """Start JupyterLab, wait until it answers, stop it with its kernels at the end.

    `config` is the Python of its `jupyter_server_config.py`.
    """
    root = scratch / "notebooks"
    root.mkdir(parents=True)
    (scratch / "config").mkdir()
    (scratch / "config" / "jupyter_server_config.py").write_text(config)
    port = free_port()
    command = [
        *(
            sys.executable,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            f"--port={port}",
            "--ServerApp.port_retries=0",
        ),
        *("--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={root}"),
        *("--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"),
    ]
    with (scratch / "lab.log").open("wb") as log:
        server = await asyncio.create_subprocess_exec(
            *command, env=_environment(scratch), cwd=scratch, stdout=log, stderr=log
        )
        try:
            await _answering(f"http://localhost:{port}/api", server)
            yield Lab(f"http://localhost:{port}", root)
        finally:
            server.terminate()
            try:
                await asyncio.wait_for(server.wait(), 15)
            except TimeoutError:
                server.kill()
                await server.wait()


async def _answering(url: str, server: asyncio.subprocess.Process, limit: float = 60) -> None:
    async with asyncio.timeout(limit), httpx.AsyncClient() as client:
        while server.returncode is None:
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise RuntimeError("JupyterLab ended before it answered")


@dataclass(frozen=True)
class Notebook:
    """A page that shows one notebook, with an idle kernel."""

    page: Page

    @classmethod
    async def open(cls, page: Page, lab: Lab, name: str) -> "Notebook":
        """Open the notebook in the page and wait until its kernel is idle."""
        await page.goto(f"{lab.url}/lab/tree/{name}?reset")
        notebook = cls(page)
        await notebook.kernel_idle()
        return notebook

    async def kernel_idle(self) -> None:
        """Wait until the kernel has nothing to do."""
        await self.page.wait_for_function(
            "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=60_000,
        )

    async def run(self, index: int, *, wait: bool = True) -> None:
        """Run one cell; with `wait`, until it has its execution count."""
        await self.page.evaluate(
            """async ([index, wait]) => {
                const panel = jupyterapp.shell.currentWidget;
                panel.content.activeCellIndex = index;
                const done = jupyterapp.commands.execute('notebook:run-cell');
                if (wait) await done;
            }""",
            [index, wait],
        )

    async def finished(self, index: int) -> bool:
        """Whether this cell is not running (the kernel's own status also tells of messages that it handles meanwhile)."""
        cell = f"jupyterapp.shell.currentWidget.content.widgets[{index}].model"
        return bool(
            await self.page.evaluate(f"{cell}.executionState === 'idle' && {cell}.executionCount !== null")
        )

    async def command(self, name: str) -> None:
        """Run one of JupyterLab's commands."""
        await self.page.evaluate("name => jupyterapp.commands.execute(name)", name)

    async def output(self, index: int) -> str:
        """The text that a cell printed, returned or raised."""
        outputs: list[dict[str, Any]] = await self.page.evaluate(
            "index => jupyterapp.shell.currentWidget.content.widgets[index].model.outputs.toJSON()", index
        )
        return "".join(_text(output) for output in outputs)

    async def python(self, code: str) -> str:
        """Run code in the notebook's kernel, outside any cell; returns what it printed or raised."""
        outputs: list[dict[str, Any]] = await self.page.evaluate(
            """async code => {
                const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const future = kernel.requestExecute({code, store_history: false});
                const outputs = [];
                future.onIOPub = message => {
                    const type = message.header.msg_type;
                    if (['stream', 'execute_result', 'error'].includes(type)) outputs.push({output_type: type, ...message.content});
                };
                await Promise.race([future.done, new Promise((_, no) => setTimeout(() => no(new Error('no reply in 60 s')), 60000))]);
                return outputs;
            }""",
            code,
        )
        return "".join(_text(output) for output in outputs)


def _text(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return str(output["text"])
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    text = output["data"].get("text/plain", "")
    return text if isinstance(text, str) else "".join(text)
