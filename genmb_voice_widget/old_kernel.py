"""Hearing the page while a cell runs, on kernels before ipykernel 7.4.

Such a kernel queues a page's message behind the running cell, even while that cell awaits the very message
(ipykernel issues 65 and 646). Owns the one patch of it: messages for our own agents skip the queue, all
others go their old way. It uses private names of ipykernel, so it is for those versions alone. It must not
know what the messages say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

SWITCH = "GENMB_VOICE_OLD_KERNEL"
"""Set to 0 in the environment, the kernel stays as it is."""

Deliver = Callable[[str, Mapping[str, Any], Sequence[Any]], bool]


def install(kernel: Any, deliver: Deliver) -> bool:
    """Let messages for our agents skip the queue.

    Args:
        kernel: the running kernel, of ipykernel 6 or 7.0 to 7.3.
        deliver: takes a comm's id, a message's data and its buffers, on the thread that receives messages;
            False when the comm is none of ours.

    Returns:
        Whether they do from now on.
    """
    if os.environ.get(SWITCH) == "0":
        return False
    try:
        stream, session = kernel.shell_stream, kernel.session
        receiver = getattr(kernel, "shell_channel_thread", None)
        if (
            receiver is not None
        ):  # 7: a thread of its own, which passes on to the main thread and to subshells
            loop, queue = receiver.io_loop, kernel.shell_channel_thread_main
        else:  # 6: the main thread
            loop, queue = kernel.io_loop, partial(kernel.schedule_dispatch, kernel.dispatch_shell)
    except AttributeError:
        return False

    def receive(frames: Any) -> Any:
        return None if _delivered(session, frames, deliver) else queue(frames)

    loop.add_callback(stream.on_recv, receive, copy=False)
    return True


def _delivered(session: Any, frames: Any, deliver: Deliver) -> bool:
    try:
        _, parts = session.feed_identities(frames, copy=False)
        message = session.deserialize(parts, content=False, copy=False)
        if message["header"]["msg_type"] != "comm_msg":
            return False
        content = session.unpack(message["content"])
        return deliver(content["comm_id"], content["data"], message["buffers"])
    except Exception:
        # Whatever is wrong with it, the kernel's own dispatch says so better.
        return False
