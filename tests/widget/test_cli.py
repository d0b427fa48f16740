import sys
from importlib.metadata import version
from types import ModuleType

import pytest

from genmb_voice_widget import cli


@pytest.fixture
def program(monkeypatch):
    """Put a program in the place of each, and return what they were called with."""
    calls = []
    for name, (module, _) in cli.PROGRAMS.items():
        stand_in = ModuleType(module)
        stand_in.main = lambda argv, name=name: calls.append((name, argv)) or (3 if name == "say" else None)
        monkeypatch.setitem(sys.modules, f"genmb_voice_widget.{module}", stand_in)
    return calls


@pytest.mark.parametrize(("name", "status"), [("peer", 0), ("serve", 0), ("say", 3)])
def test_the_program_gets_the_rest_of_the_arguments_and_its_status_is_ours(program, name, status):
    assert cli.main([name, "--port", "0"]) == status
    assert program == [(name, ["--port", "0"])]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_program(program, capsys, arguments):
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert all(f"genmb-voice {name}" in printed for name in cli.PROGRAMS) and program == []


def test_the_version_is_that_of_the_installed_package(program, capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"genmb-voice {version('genmb-voice-widget')}\n" and program == []


def test_an_unknown_program_is_an_error(program, capsys):
    assert cli.main(["pear"]) == 2
    assert "'pear'" in capsys.readouterr().err and program == []


def test_without_arguments_of_its_own_it_takes_the_command_lines(program, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["genmb-voice", "peer", "--help"])
    assert cli.main() == 0
    assert program == [("peer", ["--help"])]
