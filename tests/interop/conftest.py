"""What these tests need is not what the others need: they run in an environment of their own, by `make interop`."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("pydantic_ai") else ["test_*.py"]
