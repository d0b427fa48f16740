"""What the documents and deploy/ name is there: files, variables, commands with their options, counts."""

import argparse
import re
from pathlib import Path

from genmb_voice_widget import cli
from genmb_voice_widget.service import app_options, serve
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.metrics import Metrics
from genmb_voice_widget.service.settings.file import variable_of
from genmb_voice_widget.service.settings.provider_kinds import KINDS
from genmb_voice_widget.service.settings.told import ABOUT

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "genmb_voice_widget"
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *(ROOT / "docs").rglob("*.md"),
    *(path for path in (ROOT / "deploy").iterdir() if path.name != ".env"),
]
SPAN = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w.*/-]+\.(?:py|md|ts|js|json|jsonl|toml|yaml|sql|lua|html|ipynb)|[a-z][\w.]*/[\w./-]*")
TOPS = ("genmb_voice_widget", "docs", "deploy", "tests", "notebooks", "bench", "scripts", "js/src")


def named(pattern: str) -> set[tuple[str, str]]:
    """Which document names what, of a pattern's first group."""
    return {
        (str(path.relative_to(ROOT)), found)
        for path in DOCUMENTS
        for found in re.findall(pattern, path.read_text())
    }


def test_every_variable_that_is_named_is_read():
    read = {variable_of(name) for name in ABOUT}
    read |= {variable_of(kind, option) for kind, of in KINDS.items() for option in of.options}
    for path in PACKAGE.rglob("*.py"):
        read |= set(re.findall(r'"((?:GENMB_VOICE|AZURE_OPENAI|OPENAI_API)_[A-Z_]+)"', path.read_text()))
    variables = named(r"\b((?:GENMB_VOICE|AZURE_OPENAI|OPENAI_API)_[A-Z][A-Z_]*)")
    assert len(variables) > 20
    assert {found for found in variables if found[1] not in read} == set()


def options() -> dict[str, set[str]]:
    """Which options each command takes, by its words."""
    [commands] = [
        each for each in app_options.parser()._actions if isinstance(each, argparse._SubParsersAction)
    ]
    made = {f"app {name}": parser for name, parser in commands.choices.items()}
    made["serve"] = serve._parser(KINDS)
    return {words: set(parser._option_string_actions) for words, parser in made.items()}


def test_every_command_that_is_named_is_one_and_takes_the_options_it_is_named_with():
    takes, seen = options(), set()
    for path in DOCUMENTS:
        text = re.sub(r" +\\\n#? *", " ", path.read_text())
        for program, rest in re.findall(r"(?<![\w/-])genmb-voice ([a-z]+)((?: [^\s`#]+)*)", text):
            assert program in cli.PROGRAMS, path.name
            words = rest.split()
            command = f"app {words.pop(0)}" if program == "app" else program
            given = {word for word in words if word.startswith("--")}
            if program in ("app", "serve"):
                assert given <= takes[command], (path.name, command)
                seen.add(command)
    assert seen == {"serve", "app add", "app credit", "app change", "app revoke"}


def test_every_file_that_is_named_is_there():
    files = {path.name for top in TOPS for path in (ROOT / top).rglob("*")}
    lost = set()
    for path in (path for path in DOCUMENTS if path.suffix == ".md"):
        for name in filter(FILE.fullmatch, SPAN.findall(path.read_text())):
            near = (path.parent, ROOT, PACKAGE, ROOT / "js")
            if not any(any(place.glob(f"{name.rstrip('/')}*")) for place in near) and name not in files:
                lost.add((path.name, name))
        links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
        lost |= {(path.name, link) for link in links if not (path.parent / link).exists()}
    assert lost == set()


async def test_every_count_that_is_to_be_watched_is_counted():
    page = (ROOT / "docs" / "running_for_many.md").read_text()
    [table] = re.findall(r"^\| `genmb_voice_…`.+?(?=\n\n)", page, re.MULTILINE | re.DOTALL)
    rows = [row.split("|")[1] for row in table.splitlines()[2:]]
    names = {name for row in rows for name in re.findall(r"`([a-z]+_[a-z_]+)", row)}
    metrics = Metrics(MemoryLedger(lambda: 0.0).standing, lambda: 0)
    text, _ = await metrics.text()
    counted = set(re.findall(r"^# TYPE genmb_voice_(\w+) ", text.decode(), re.MULTILINE))
    assert len(names) == 7
    assert names <= counted
