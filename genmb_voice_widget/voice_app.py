"""The cell magic `%%voice_app`: its HTML as a page with a voice, in a frame that may use the microphone.

    %load_ext genmb_voice_widget

    %%voice_app --height 300
    <button onclick="genmb.voice.start()">Talk</button>

The page comes from the kernel itself, which serves it and a token endpoint to the browser on its own machine.
Where the kernel is on another machine, the frame says so and how to go on. It must not know what a page does.
"""

from __future__ import annotations

import json
import platform
import re
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .errors import VoiceError
from .inject import inject_sdk
from .loop import submit

if TYPE_CHECKING:
    from .service.cell_server import CellServer

HEIGHT = 400
"""Pixels of a frame, unless the cell says otherwise."""

_LINE = re.compile(r"(?:--height[ =](?P<height>[1-9][0-9]{1,3}))?")
_STYLE = (
    "html,body{margin:0;height:100%;color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}"
    "iframe{border:0;width:100%;height:100%;display:block}div{padding:1rem;max-width:45rem}code{white-space:nowrap}"
)
_OPEN = """
const [frame, why] = [document.querySelector("iframe"), document.querySelector("div")];
async function open() {
  why.hidden = true;
  try {
    const there = await fetch(`${page}/here`, { signal: AbortSignal.timeout(5000) });
    if ((await there.text()) !== page.split("/").at(-1)) throw new Error();
    frame.src = page;
    frame.hidden = false;
  } catch {
    why.hidden = false;
  }
}
document.querySelector("button").addEventListener("click", open);
open();
"""


def load(ipython: Any) -> None:
    """Give an IPython shell the magic."""
    ipython.register_magic_function(voice_app, "cell", "voice_app")


def voice_app(line: str, cell: str) -> None:
    """Show the cell's HTML as a page with `window.genmb.voice`, in a frame that may use the microphone.

    Args:
        line: `--height PIXELS`, or nothing.
        cell: the page; a fragment such as a button and a script will do.

    Raises:
        VoiceError: `bad_option`; `peer_not_installed` without the extra `local`.
    """
    options = _LINE.fullmatch(line.strip())
    if options is None:
        raise VoiceError("bad_option", "%%voice_app takes --height PIXELS, such as --height 300.")
    from IPython.display import display

    address = _server().put(inject_sdk(cell, enabled=True))
    bundle = {
        "text/html": frame(address, int(options["height"] or HEIGHT)),
        "text/plain": f"voice app at {address}",
    }
    display(bundle, raw=True)  # type: ignore[no-untyped-call,unused-ignore]


def frame(address: str, height: int) -> str:
    """Write the frame: it looks whether its browser can reach the page, and says what to do if not."""
    port, host = urlsplit(address).port, platform.node() or "HOST"
    forward = f"ssh -L {port}:127.0.0.1:{port} {host}"
    inner = (
        f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style>'
        '<iframe hidden allow="microphone; autoplay" title="voice app"></iframe>'
        "<div hidden><p><b>This browser cannot reach the notebook's kernel.</b></p>"
        "<p>The app is served by the kernel, to the machine it runs on alone. If the kernel was restarted, "
        f"run the cell again. If it runs on another machine (<b>{escape(host)}</b>), forward its port to "
        f"yours: <code>{escape(forward)}</code></p><p><button>Try again</button></p></div>"
        f"<script>const page = {json.dumps(address)};{_OPEN}</script>"
    )
    return (
        f'<div><iframe srcdoc="{escape(inner)}" width="100%" height="{height}" style="border:0" '
        'allow="microphone; autoplay" title="voice app"></iframe></div>'
    )


@cache
def _server() -> CellServer:
    """Start the kernel's server at the first use."""
    try:
        from .service.cell_server import CellServer

        server = CellServer()
        submit(server.start()).result(30)
    except ImportError as missing:
        raise VoiceError("peer_not_installed", f"{missing.name} is missing.") from None
    return server
