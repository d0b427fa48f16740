"""Hearing the page while a cell awaits, on kernels of ipykernel 6.

Such a kernel queues a page's message behind the running cell, even while that cell awaits the very message
(ipykernel issues 65 and 646; 7.4 does not). Owns the one patch of it: messages for our own agents skip the
queue, all others go their old way. It uses private names of ipykernel, so it is made for that version alone
and must not know what the messages say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

SWITCH = "GENMB_VOICE_OLD_KERNEL"
"""Set to 0 in the environment, the kernel stays as it is."""

Deliver = Callable[[str, Mapping[str, Any]], bool]


def install(kernel: Any, deliver: Deliver) -> bool:
    """Let messages for our agents skip the queue.

    Args:
        kernel: the running `ipykernel` 6 kernel.
        deliver: takes a comm's id and a message's data on the kernel's main thread; False when the comm is
            none of ours.

    Returns:
        Whether they do from now on.
    """
    if os.environ.get(SWITCH) == "0":
        return False
    try:
        stream, session, loop = kernel.shell_stream, kernel.session, kernel.io_loop
        queue = partial(kernel.schedule_dispatch, kernel.dispatch_shell)
    except AttributeError:
        return False

    def receive(frames: Any) -> None:
        if not _delivered(session, frames, deliver):
            queue(frames)

    loop.add_callback(stream.on_recv, receive, copy=False)
    return True


def _delivered(session: Any, frames: Any, deliver: Deliver) -> bool:
    try:
        _, parts = session.feed_identities(frames, copy=False)
        message = session.deserialize(parts, content=False, copy=False)
        if message["header"]["msg_type"] != "comm_msg":
            return False
        content = session.unpack(message["content"])
        return deliver(content["comm_id"], content["data"])
    except Exception:
        # Whatever is wrong with it, the kernel's own dispatch says so better.
        return False
