"""The process that we run in: whether a page can be there at all, and whether it can be heard just now.

Owns what differs between kernels. It must not know what is said.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from . import old_kernel


class Shell:
    """One kernel, or the lack of one.

    Attributes:
        has_pages: whether a browser may show our widgets.
        cells_hear: whether a cell that awaits can hear the page.
    """

    def __init__(self, has_pages: bool, cells_hear: bool, kernel: Any = None) -> None:
        self.has_pages = has_pages
        self.cells_hear = cells_hear
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
        return Shell(has_pages=True, cells_hear=False)
    kernel = _ipykernel()
    if kernel is None:
        return Shell(has_pages=False, cells_hear=False)
    hear = sys.modules["ipykernel"].version_info >= (7, 4) or old_kernel.install(kernel, deliver)
    return Shell(has_pages=True, cells_hear=hear, kernel=kernel)


def _ipykernel() -> Any:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None)
