import sys
from types import SimpleNamespace

import pytest

from genmb_voice_widget import old_kernel, shell
from genmb_voice_widget.errors import NoFrontEnd, VoiceError
from genmb_voice_widget.link import Link
from genmb_voice_widget.shell import Shell, this_shell


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


@pytest.fixture
def in_kernel(monkeypatch):
    """Pretend to run in a kernel of some version."""

    def pretend(version):
        kernel = SimpleNamespace(io_loop=Loop(), shell_stream=SimpleNamespace(), session=None)
        monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace(version_info=version))
        monkeypatch.setattr(shell, "_ipykernel", lambda: kernel)
        return kernel

    this_shell.cache_clear()
    yield pretend
    this_shell.cache_clear()


@pytest.mark.parametrize(("version", "hear"), [((7, 4, 0), True), ((8, 0, 0), True), ((7, 3, 0), False)])
def test_a_cell_hears_the_page_on_new_kernels_and_on_those_that_could_be_changed(in_kernel, version, hear):
    in_kernel(version)
    found = this_shell(lambda *message: True)
    assert (found.has_pages, found.cells_hear) == (True, hear)


def test_without_a_kernel_there_are_no_pages(in_kernel, monkeypatch):
    monkeypatch.setattr(shell, "_ipykernel", lambda: None)
    found = this_shell(lambda *message: True)
    assert (found.has_pages, found.ear()()) == (False, True)


def test_in_marimo_a_cell_never_hears_its_page(in_kernel, monkeypatch):
    monkeypatch.setitem(sys.modules, "marimo", SimpleNamespace())
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    found = this_shell(lambda *message: True)
    assert (found.has_pages, found.cells_hear) == (True, False)


def test_a_kernel_hears_only_while_its_main_loop_turns(in_kernel):
    kernel = in_kernel((7, 4, 0))
    shell = this_shell(lambda *message: True)
    hears, another = shell.ear(), shell.ear()
    hears()
    assert not hears()
    kernel.io_loop.turn()
    assert another() and hears()
    assert not hears()


def link(**members):
    return Link(SimpleNamespace(), Shell(**members), SimpleNamespace(log_id="log"), None)


def test_a_wait_that_is_in_vain_is_refused_at_once():
    link(has_pages=True, cells_hear=True).check_wait()
    with pytest.raises(VoiceError, match="wait_impossible"):
        link(has_pages=True, cells_hear=False).check_wait()
    with pytest.raises(NoFrontEnd):
        link(has_pages=False, cells_hear=False).check_wait()


def test_a_kernel_that_is_not_as_expected_is_left_alone():
    assert not old_kernel.install(SimpleNamespace(), lambda *message: True)


class Session:
    """Takes a message apart as a kernel's session does, without signatures."""

    def feed_identities(self, frames, copy):
        return [], frames

    def deserialize(self, parts, content, copy):
        return {"header": {"msg_type": parts[0]}, "content": parts[1], "buffers": parts[2:]}

    def unpack(self, content):
        return content


def old(**members):
    """A kernel before 7.4 that notes what goes its own way."""
    kernel = SimpleNamespace(session=Session(), queued=[], shell_stream=SimpleNamespace())
    kernel.shell_stream.on_recv = lambda receive, copy: setattr(kernel, "receive", receive)
    kernel.__dict__.update(members)
    return kernel


def six():
    def schedule(dispatch, frames):
        kernel.queued.append((dispatch, frames))

    kernel = old(io_loop=Loop(), schedule_dispatch=schedule, dispatch_shell="dispatch")
    return kernel, kernel.io_loop


def seven():
    def pass_on(frames):
        kernel.queued.append(("dispatch", frames))

    kernel = old(shell_channel_thread=SimpleNamespace(io_loop=Loop()), shell_channel_thread_main=pass_on)
    return kernel, kernel.shell_channel_thread.io_loop


@pytest.mark.parametrize("make", [six, seven])
def test_on_an_old_kernel_our_messages_skip_the_queue_and_no_others(make):
    kernel, loop = make()
    taken = []

    def deliver(comm_id, data, buffers):
        return comm_id == "ours" and not taken.append((data, buffers))

    assert old_kernel.install(kernel, deliver)
    loop.turn()
    others = [
        ["execute_request", {"code": "1"}],
        ["comm_msg", {"comm_id": "theirs", "data": {}}],
        ["comm_msg", {}],
        ["broken"],
    ]
    for frames in [["comm_msg", {"comm_id": "ours", "data": {"method": "custom"}}, b"sound"], *others]:
        kernel.receive(frames)
    assert taken == [({"method": "custom"}, [b"sound"])]
    assert kernel.queued == [("dispatch", frames) for frames in others]


def test_the_environment_can_keep_an_old_kernel_as_it_is(monkeypatch):
    monkeypatch.setenv("GENMB_VOICE_OLD_KERNEL", "0")
    assert not old_kernel.install(six()[0], lambda *message: True)
