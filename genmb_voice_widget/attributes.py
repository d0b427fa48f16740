"""Which attributes an agent lets others set, and what somebody who set another one probably meant.

It must not know what the attributes do.
"""

from __future__ import annotations

from .spelling import meant

MAKING = ("provider", "endpoint", "key", "transport")
"""What is chosen when an agent is made, and not afterwards."""


def check_settable(agent: type, name: str) -> None:
    """Let pass what the class has, and what begins with an underscore: a widget keeps its own things there.

    Raises:
        AttributeError: with the closest name that there is.
    """
    if name.startswith("_") or hasattr(agent, name):
        return
    public = (each for each in dir(agent) if not each.startswith("_"))
    closest = name if name in MAKING else meant(name, [*public, *MAKING])
    complaint = f"{agent.__name__} has no attribute {name!r}."
    if closest not in (None, name):
        complaint += f" Did you mean {closest!r}?"
    if closest in MAKING:
        complaint += f" It is chosen when the agent is made: {agent.__name__}({closest}=…)."
    raise AttributeError(complaint)
