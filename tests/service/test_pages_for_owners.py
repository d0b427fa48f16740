"""What docs/token_service.md and docs/running_for_many.md promise, held to the program: errors, plans, names, commands."""

import re
import shlex
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest
from starlette.requests import Request

from genmb_voice_widget.endpoint import ADDRESS_VARIABLE, KEY_VARIABLE
from genmb_voice_widget.protocol import load
from genmb_voice_widget.service import app_options
from genmb_voice_widget.service.access.site_hook import SiteHook
from genmb_voice_widget.service.metrics import Metrics
from genmb_voice_widget.service.policy import PLANS
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers.exchange import WITH_A_SECRET
from genmb_voice_widget.service.settings import Settings, Timing
from genmb_voice_widget.service.settings.file import READERS, variable_of
from genmb_voice_widget.service.settings.provider_kinds import KINDS
from genmb_voice_widget.service.settings.told import ABOUT

DOCS = Path(__file__).parents[2] / "docs"
OWNERS = (DOCS / "token_service.md").read_text()
OPERATORS = (DOCS / "running_for_many.md").read_text()


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table whose heading begins like that."""
    table = text.partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_table_of_errors_has_every_code_that_the_service_answers_with_as_it_does():
    entries = load().errors
    told = {code.strip("`"): (int(status), again, says) for code, status, again, says in rows(OWNERS, "code")}
    own = {code for code, entry in entries.items() if entry.status}
    assert set(told) == own | {
        *WITH_A_SECRET.values(),
        "provider_key_refused",
        "provider_refused",
        "bad_option",
    }
    for code, (status, again, says) in told.items():
        refusal = Refusal(code, "", status=422 if code == "bad_option" else None)
        assert (status, again, says) == (
            refusal.status,
            "yes" if entries[code].retryable else "no",
            entries[code].say,
        )


def test_the_table_of_plans_is_the_policy():
    for name, voice, sessions, requests, live, longest in rows(OWNERS, "plan"):
        plan = PLANS[name]
        assert voice == ("yes" if plan.voice else "no")
        if plan.voice:
            assert (int(sessions), int(requests)) == (plan.rate.sessions, plan.attempts.sessions)
            assert (int(live), longest) == (plan.max_live, f"{plan.max_seconds / 60:.0f} minutes")
    assert [row[0] for row in rows(OWNERS, "plan")] == list(PLANS)
    assert {plan.credits_per_session for plan in PLANS.values()} == {5}


def test_the_times_that_are_named_are_those_that_are_kept():
    timing, told = Timing(), " ".join((OWNERS + OPERATORS).split())
    assert f"proof {timing.connect_within:.0f} seconds after the answer" in told
    assert f"renewed for {timing.grace:.0f} seconds at no charge" in told
    assert f"tried again for {timing.give_up_after / 60:.0f} minutes" in told
    assert timing.connect_within + timing.sweep_every + 3 <= 35


@pytest.mark.parametrize("text", [OWNERS, OPERATORS])
def test_every_setting_and_variable_that_is_named_is_one(text):
    known = {variable_of(kind, name) for kind, of in KINDS.items() for name in of.options}
    known |= {variable_of(name) for name in {*READERS, "providers"}}
    notebooks = {ADDRESS_VARIABLE, KEY_VARIABLE}
    assert set(re.findall(r"GENMB_VOICE_[A-Z_]+", text)) <= known | notebooks
    for name in ("database", "redis", "signing_key", "metrics_key", "hosts", "drain_seconds", "site_hook"):
        assert name in READERS


def test_the_table_of_settings_has_every_one_with_its_default():
    told = {name.strip("`"): default for name, default, _ in rows(OPERATORS, "setting")}
    assert set(told) == {*READERS, "providers"}
    for field in fields(Settings):
        default, said = getattr(Settings(), field.name), told[field.name]
        match default:
            case None | ():
                assert said.partition(":")[0] in ("none", "any name with `apps`")
            case bool():
                assert said == f"`{str(default).lower()}`"
            case dict():
                assert said == f"`{next(iter(default))}`"
            case _:
                assert said == f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def test_the_table_of_settings_says_of_each_what_the_programs_help_says_and_perhaps_more():
    told = {name.strip("`"): said.replace("`", "") for name, _, said in rows(OPERATORS, "setting")}
    assert {name: told[name][: len(about)] for name, about in ABOUT.items()} == ABOUT


def test_the_table_of_voice_services_has_every_option():
    told = {(kind.strip("`"), option.strip("`")) for kind, option, _ in rows(OPERATORS, "voice service")}
    assert told == {(kind, name) for kind, of in KINDS.items() for name in of.options or {"": None}}


def test_the_commands_are_understood():
    lines = re.findall(r"^genmb-voice app (.+?)(?:\s{2,}#.*)?$", OWNERS, flags=re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        app_options.parser().parse_args(shlex.split(line))


async def test_the_example_of_a_sites_function_tells_who_is_signed_in(monkeypatch):
    class User:
        may_talk = True

    sessions = ModuleType("my_site_sessions")
    sessions.user_of = {"alice": User()}.get
    monkeypatch.setitem(sys.modules, "my_site_sessions", sessions)
    examples = re.findall(r"^```python\n(.+?)^```", OWNERS, flags=re.MULTILINE | re.DOTALL)
    [example] = [each for each in examples if "voice_app" in each]
    site = {}
    exec(example, site)
    hook = SiteHook(site["voice_app"])
    for cookie, app in ((b"session=alice", "shop"), (b"session=bob", None), (b"other=1", None)):
        assert await hook.app(Request({"type": "http", "headers": [(b"cookie", cookie)]})) == app


async def test_the_counts_to_watch_are_counted():
    text, _ = await Metrics(standing=standing).text()
    names = {
        name for cell, _ in rows(OPERATORS, "`genmb_voice_…`") for name in re.findall(r"`(\w+)[`{]", cell)
    }
    assert {"decisions_total", "sessions_live", "audit_lost_total"} < names
    for name in names - {"outcome"}:
        assert f" genmb_voice_{name.removesuffix('_total')}" in text.decode(), name


async def standing():
    return 0


def test_the_addresses_that_are_named_are_answered(endpoint):
    known = {route.path for route in endpoint.app.routes} | {"/metrics", "/v1/app-tokens"}
    named = set(re.findall(r"[` ](/[a-z][\w/.-]+)`", OWNERS + OPERATORS))
    assert {"/readyz", "/metrics", "/v1/sessions", "/api/voice-agent"} <= named
    assert named <= known
