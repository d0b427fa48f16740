"""The token service as somebody who is after its secrets meets it: each secret and each private word is a canary, every route
is driven to every outcome, and all that can be seen of the program is looked through.
"""

import asyncio
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from harness import adversary_scenes as scenes
from harness.adversary import Adversary
from harness.canaries import Net
from harness.postgres import PostgresServer
from harness.watched import watched

pytest_plugins = ["harness.postgres_plugin"]

TICKETS = {"answer POST /v1/sessions", "answer POST /v1/sessions/{id}/offer"}
ALLOWED = {
    "app key": {"output of genmb-voice app add"},
    "app token": {"answer POST /v1/app-tokens"},
    "ticket": {"answer POST /api/voice-agent"},
    "ephemeral secret handed out": TICKETS,
    "answer": TICKETS,
    "azure resource": {*TICKETS, "repr"},
    "idempotency key": {"table holds"},
    "reason": {"table holds"},
    "what is said": {"socket"},
}
"""Where a canary may stand. The resource's name is in the address that goes with a secret, and in the settings' repr."""
PLANTED = "planted leak"

ID, ANY_ID = "[a-z]+", r"vs_[0-9a-f]{32}"
STORED = {
    "accounts": {"owner": "owner-[a-z]+"},
    "apps": {"id": ID, "owner": "owner-[a-z]+", "plan": "free|pro|business", "key_hash": "[0-9a-f]{64}"},
    "app_origins": {"app": ID, "origin": "https://(shop|busy).example"},
    "audit": {
        "action": "open|offer|connected|ended|token|other|expired|app_added|app_changed|app_revoked|grant",
        "outcome": "[a-z_]+", "app": ID, "via": "key|token|site|socket|provider|sweeper|command", "session": ANY_ID,
    },
    "calls": {"provider": ID, "call_id": "rtc_[0-9a-z_]+", "session": ANY_ID},
    "entries": {"kind": "grant|reserve|capture|release", "session": ANY_ID, "app": ID, "owner": "owner-[a-z]+"},
    "holds": {
        "session": ANY_ID, "app": ID, "owner": "owner-[a-z]+", "provider": ID, "transport": "webrtc|websocket",
        "key": "socket:[0-9a-f]{64}|[0-9a-f]{32}", "call_id": "rtc_[0-9a-z_]+", "phase": "[a-z]+",
        "reason": "[a-z_]+|[0-9a-f]{32}",
        "former": r'\[(\["rtc_[0-9a-z_]+", [0-9.]+\](, )?)*\]',
    },
    "leases": {"name": "sweep", "holder": "[0-9a-f]{16}"},
    "schema_version": {},
}  # fmt: skip
"""Every text that the database keeps, by table and column: docs/token_service.md, "What is stored". The rest are numbers."""

DRIVEN = {
    "POST /v1/sessions": {201, 401, 402, 403, 413, 415, 422, 429, 500, 502, 503},
    "POST /v1/sessions/{id}/offer": {200, 409, 503},
    "POST /v1/sessions/{id}/connected": {200, 409},
    "POST /v1/sessions/{id}/ended": {200, 413, 415, 422, 503},
    "GET /v1/sessions/{id}": {200, 404},
    "GET /v1/sessions/odd": {404, 500, 503},
    "GET /v1/allowance": {200, 403, 500, 503},
    "POST /v1/app-tokens": {201, 403, 413, 415, 422},
    "POST /api/voice-agent": {200, 401, 402, 403, 413, 415, 422, 503},
    "OPTIONS /v1/allowance": {403},
    "OPTIONS /v1/sessions": {503},
    "DELETE /v1/allowance": {405},
    "GET /metrics": {200, 401},
    "GET /healthz": {200},
    "GET /readyz": {403},
    **{f"GET {path}": {200} for path in ("/", "/docs", "/openapi.json", "/sdk.js")},
}


@dataclass
class Swept:
    """What came of it."""

    net: Net
    found: dict[str, dict[str, str]]
    tables: dict[str, list[dict]]
    keys: dict[str, str]
    answers: set[tuple[str, int]]
    exit_status: int

    def places(self) -> dict[str, set[str]]:
        return {name: set(places) for name, places in self.found.items()}


async def sweep(folder, first: str, postgres: PostgresServer | None, patch: pytest.MonkeyPatch) -> Swept:
    net = Net()
    async with watched(net, folder, first, postgres, patch) as program:
        one = Adversary(program, net)
        await scenes.lives(one)
        await scenes.refusals(one)
        await scenes.limits(one)
        await scenes.misbehaviour(one)
        await scenes.relay(one)
        await scenes.mistakes(one)
        await scenes.sweeping(one)
        program.look_beside()
        await scenes.outages(one)
        await scenes.going(one)
        for secret in set(program.cloud.secrets) - one.handed_out:
            net.know("ephemeral secret kept", secret)
        net.catch_lines(program.noted())
        net.catch("output", program.output())
        tables = program.tables()
        for table, rows in tables.items():
            net.catch(f"table {table}", *rows)
        return Swept(net, net.found(), tables, program.keys, one.seen, program.process.returncode)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def swept(request, tmp_path_factory) -> Iterator[Swept]:
    """One sweep on each database; on PostgreSQL the relayed sockets lead to a service that refuses them."""
    postgres = request.getfixturevalue("postgres") if request.param == "postgres" else None
    first = "openai" if postgres else "local"
    with pytest.MonkeyPatch.context() as patch:
        yield asyncio.run(sweep(tmp_path_factory.mktemp("swept"), first, postgres, patch))


def test_no_canary_stands_anywhere_but_in_the_one_place_that_it_is_for(swept):
    strays = [
        f"{name} in {place}: …{text}…"
        for name, places in swept.found.items()
        for place, text in places.items()
        if place not in ALLOWED.get(name, ()) and name != PLANTED
    ]
    assert strays == []


def test_a_secret_that_a_part_of_the_service_writes_down_is_found(swept):
    assert swept.places()[PLANTED] == {"log owners_site"}


def test_every_canary_that_may_stand_somewhere_does(swept):
    found = {name: places for name, places in swept.places().items() if name != PLANTED}
    # A service that refuses the socket gives nothing back of what is said to it.
    assert {"what is said": {"socket"}} | found == ALLOWED


def test_what_is_stored_is_what_is_documented_and_of_each_key_only_its_hash(swept):
    texts = {
        (table, column, value)
        for table, rows in swept.tables.items()
        for row in rows
        for column, value in row.items()
        if isinstance(value, str) or column in STORED[table]
    }
    odd = [
        each for each in texts if each[2] is not None and not re.fullmatch(STORED[each[0]][each[1]], each[2])
    ]
    assert odd == []
    hashes = {app["id"]: app["key_hash"] for app in swept.tables["apps"]}
    assert hashes == {app: hashlib.sha256(key.encode()).hexdigest() for app, key in swept.keys.items()}


def test_every_route_was_driven_to_every_outcome_and_all_of_the_program_was_looked_through(swept):
    asked = {(route, status) for route, statuses in DRIVEN.items() for status in statuses}
    assert asked - swept.answers == set()
    assert swept.exit_status == 0
    heard = {place.split()[1].partition(".")[0] for place, _ in swept.net.caught if place.startswith("log ")}
    assert {"genmb_voice_widget", "uvicorn", "httpcore", "azure", "asyncio"} <= heard
    assert all(swept.tables.values())
    shown = " ".join(text for place, text in swept.net.caught if place == "repr")
    for part in ("Secret(****)", "RedisWindow", "AppTokens", "SiteHook", "Entra", "Upstream", "Settings("):
        assert part in shown
    amounts = swept.net.amounts()
    assert {kind for kind, (texts, characters) in amounts.items() if texts and characters} == {
        "answer", "command", "log", "output", "peer", "redis", "repr", "socket", "table",
    }  # fmt: skip
    assert amounts["log"][0] > 500 and amounts["answer"][0] > 500, amounts
