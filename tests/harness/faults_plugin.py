"""The mark and the fixture `fault`, by which tests tell what they found comes of a fault, for `docs/faults.md`."""

from collections.abc import Callable, Iterator

import pytest
from harness import faults

Tell = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-faults", action="store_true", help="write docs/faults.md from what is measured")


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Tell:
    """`fault(name, status=…, codes=…, microphone=…, entries=…)`: what came of a fault that the test is marked with."""

    def tell(name: str, **measured: object) -> None:
        found = faults.found(**measured)
        request.node.user_properties.append(("fault", [name, *found]))
        if not request.config.getoption("write_faults"):
            assert faults.lines().get(name) == faults.line(name, found), "docs/faults.md says something else"

    return tell


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield
    measured = {found[0] for name, found in item.user_properties if name == "fault"}
    assert measured == {name for mark in item.iter_markers("fault") for name in mark.args}


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Write down what was measured, in whichever process."""
    if config.getoption("write_faults"):
        told = [one for report in terminalreporter.stats.get("passed", []) for one in report.user_properties]
        faults.write({found[0]: faults.Found(*found[1:]) for name, found in told if name == "fault"})
