"""The widget as the notebook sees it: its files, its traits, its comm.

Owns what ipywidgets and the kernels want of a widget. It must not know sessions. State goes only into
unsynced traits and between page and kernel only in custom messages: a synced trait is echoed, saved in the
notebook's file, and can stop for good when a page writes it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import anywidget
import traitlets

from .attributes import check_settable
from .link import Link
from .state import State, Usage

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"


class CommWidget(anywidget.AnyWidget):
    """Shows a state, and passes messages on.

    A message of a page comes on any thread, and may come while the widget is still being made: subclasses set
    `_link` first.
    """

    _esm = STATIC / "widget.js"
    _css = STATIC / "widget.css"

    status = traitlets.Unicode("idle", read_only=True)
    activity = traitlets.Unicode(None, allow_none=True, read_only=True)
    turns = traitlets.Tuple(read_only=True)
    errors = traitlets.Tuple(read_only=True)
    usage = traitlets.Instance(Usage, args=(), read_only=True)

    _link: Link

    def open(self) -> None:
        """Open the comm, and let the page choose the thread that hears it, as before ipykernel 7.4."""
        super().open()
        if getattr(self.comm, "_reply_subshell_for", None) is not None:
            # 7.4 sends a page's messages to the thread that used the comm last, which may be computing.
            self.comm._reply_subshell_for = None
        _widgets[self.comm.comm_id] = self

    def _handle_custom_msg(self, content: object, buffers: Sequence[Any]) -> None:
        self._link.receive(content, b"".join(map(bytes, buffers or ())))

    def _post(self, message: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send to all pages; from any thread, and without harm when nobody can be reached any more."""
        try:
            self.send(message, buffers=[*buffers] or None)
        except Exception as error:
            log.debug("not sent: %s", type(error).__name__)

    def _publish(self, state: State) -> None:
        """Set the traits; an observer that fails is no concern of the session's."""
        for name in ("status", "activity", "turns", "errors", "usage"):
            try:
                self.set_trait(name, getattr(state, name))
            except Exception:
                log.exception("an observer of %s failed", name)

    if not TYPE_CHECKING:  # which would then let any name pass

        def __setattr__(self, name: str, value: object) -> None:
            """Set what there is; a misspelt name is an `AttributeError` that says what was meant."""
            check_settable(type(self), name)
            super().__setattr__(name, value)


_widgets: WeakValueDictionary[str, CommWidget] = WeakValueDictionary()


def deliver(comm_id: str, data: Mapping[str, Any], buffers: Sequence[Any]) -> bool:
    """Take a custom message of a page, with its buffers, past the kernel's queue.

    Returns:
        False when it is none, or for no widget of ours.
    """
    widget = _widgets.get(comm_id)
    if widget is None or data.get("method") != "custom":
        return False
    widget._handle_custom_msg(data.get("content"), buffers)
    return True
