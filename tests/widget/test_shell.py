import asyncio
import sys
from types import SimpleNamespace

import pytest

from genmb_voice_widget import old_kernel, shell
from genmb_voice_widget.errors import NoFrontEnd, VoiceError
from genmb_voice_widget.link import Link
from genmb_voice_widget.shell import InCell, Shell, this_shell


class Loop:
    """A kernel's main loop that turns when the test says so."""

    def __init__(self):
        self.waiting = []

    def add_callback(self, function, *args, **members):
        self.waiting.append(lambda: function(*args, **members))

    def turn(self):
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            each()


class Lock:
    held = False

    def locked(self):
        return self.held


@pytest.fixture
def in_kernel(monkeypatch):
    """Pretend to run in a kernel of some version."""

    def pretend(version):
        kernel = SimpleNamespace(
            io_loop=Loop(), _main_asyncio_lock=Lock(), shell_stream=SimpleNamespace(), session=None
        )
        monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace(version_info=version))
        monkeypatch.setattr(shell, "_ipykernel", lambda: kernel)
        return kernel

    this_shell.cache_clear()
    yield pretend
    this_shell.cache_clear()


@pytest.mark.parametrize(
    ("version", "in_cell"),
    [
        ((7, 4, 0), InCell.ALWAYS),
        ((8, 0, 0), InCell.ALWAYS),
        ((7, 3, 0), InCell.IF_SUBSHELL),
        ((7, 0, 1), InCell.IF_SUBSHELL),
        ((6, 31, 0), InCell.NEVER),
    ],
)
def test_what_a_cell_can_hear_depends_on_the_kernel(in_kernel, version, in_cell):
    in_kernel(version)
    found = this_shell(lambda comm_id, data: True)
    assert (found.has_pages, found.in_cell) == (True, in_cell)


def test_without_a_kernel_there_are_no_pages(in_kernel, monkeypatch):
    monkeypatch.setattr(shell, "_ipykernel", lambda: None)
    found = this_shell(lambda comm_id, data: True)
    assert (found.has_pages, found.in_cell, found.ear()()) == (False, InCell.ALWAYS, True)


def test_in_marimo_a_cell_never_hears_its_page(in_kernel, monkeypatch):
    monkeypatch.setitem(sys.modules, "marimo", SimpleNamespace())
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert this_shell(lambda comm_id, data: True).in_cell is InCell.NEVER


def test_a_kernel_hears_only_while_its_main_loop_turns(in_kernel):
    kernel = in_kernel((7, 4, 0))
    shell = this_shell(lambda comm_id, data: True)
    hears, another = shell.ear(), shell.ear()
    hears()
    assert not hears()
    kernel.io_loop.turn()
    assert another() and hears()
    assert not hears()


def test_a_kernel_that_hears_only_subshells_is_taken_for_deaf_while_a_cell_runs(in_kernel):
    kernel = in_kernel((7, 3, 0))
    hears = this_shell(lambda comm_id, data: True).ear()
    kernel._main_asyncio_lock.held = True
    assert not hears()
    kernel._main_asyncio_lock.held = False
    assert hears()


def link(shell):
    conversation = SimpleNamespace(log_id="log")
    return Link(SimpleNamespace(receive=lambda message: None, busy=False), shell, conversation, None)


def test_a_wait_that_is_in_vain_is_refused_at_once():
    with pytest.raises(VoiceError, match="wait_impossible"):
        link(Shell(True, InCell.NEVER)).vigil()
    with pytest.raises(NoFrontEnd):
        link(Shell(False, InCell.ALWAYS)).vigil()


def test_a_wait_for_a_page_on_a_subshell_goes_on_while_the_page_is_heard(monkeypatch):
    monkeypatch.setattr("genmb_voice_widget.link.DOUBT", 0.0)
    silent, heard = link(Shell(True, InCell.IF_SUBSHELL)), link(Shell(True, InCell.IF_SUBSHELL))
    check, check_heard = silent.vigil(), heard.vigil()
    heard.receive({"op": "beat"})
    check_heard()
    with pytest.raises(VoiceError, match="wait_impossible"):
        check()


def test_a_kernel_that_is_not_as_expected_is_left_alone():
    assert not old_kernel.install(SimpleNamespace(), lambda comm_id, data: True)


async def test_a_message_that_cannot_be_read_goes_the_kernels_own_way():
    queued, loop = [], Loop()
    stream = SimpleNamespace(on_recv=lambda receive, copy: setattr(stream, "receive", receive))
    kernel = SimpleNamespace(
        io_loop=loop,
        session=None,
        shell_stream=stream,
        schedule_dispatch=lambda dispatch, frames: queued.append(frames),
        dispatch_shell=None,
    )
    assert old_kernel.install(kernel, lambda comm_id, data: True)
    loop.turn()
    stream.receive(["broken"])
    assert queued == [["broken"]]
    await asyncio.sleep(0)
