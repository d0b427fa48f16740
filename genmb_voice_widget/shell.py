"""The process that we run in: whether a page can be there at all, and whether it can be heard just now.

Owns what differs between kernels. It must not know what is said.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any

from . import old_kernel


class InCell(Enum):
    """Whether a cell that awaits can hear the page."""

    ALWAYS = "always"
    IF_SUBSHELL = "if the page uses a subshell"
    NEVER = "never"


class Shell:
    """One kernel, or the lack of one.

    Attributes:
        has_pages: whether a browser may show our widgets.
        in_cell: whether a cell that awaits can hear the page.
    """

    def __init__(self, has_pages: bool, in_cell: InCell, kernel: Any = None) -> None:
        self.has_pages = has_pages
        self.in_cell = in_cell
        self._kernel = kernel

    def ear(self) -> Callable[[], bool]:
        """Return a function that tells whether a page's messages could have come through since its last call.

        A page may be silent because a cell computes: then nothing follows from its silence.
        """
        kernel, answered = self._kernel, True

        def answer() -> None:
            nonlocal answered
            answered = True

        def hears() -> bool:
            nonlocal answered
            if kernel is None:
                return True
            if self.in_cell is InCell.IF_SUBSHELL and kernel._main_asyncio_lock.locked():
                return False
            before, answered = answered, False
            kernel.io_loop.add_callback(answer)
            return before

        return hears


@cache
def this_shell(deliver: old_kernel.Deliver) -> Shell:
    """Find out where we run, and on an old kernel make a page heard while a cell awaits.

    Args:
        deliver: takes a page's message past an old kernel's queue.
    """
    if "marimo" in sys.modules and "ipykernel" not in sys.modules:
        # Its control loop finishes the run before it takes the next message of a page.
        return Shell(True, InCell.NEVER)
    kernel = _ipykernel()
    if kernel is None:
        return Shell(False, InCell.ALWAYS)
    version = sys.modules["ipykernel"].version_info
    if version >= (7, 4):
        return Shell(True, InCell.ALWAYS, kernel)
    if version >= (7,):
        return Shell(True, InCell.IF_SUBSHELL, kernel)
    heard = old_kernel.install(kernel, deliver)
    return Shell(True, InCell.ALWAYS if heard else InCell.NEVER, kernel)


def _ipykernel() -> Any:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None)
