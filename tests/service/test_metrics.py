"""What is counted and timed at `/metrics`, who may read it, and that it names nobody."""

import re

import httpx
import pytest

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.assemble import assemble
from genmb_voice_widget.service.drain import Drain
from genmb_voice_widget.service.metrics import Metrics
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.settings import Settings

BODY = {"session": {"type": "realtime"}, "sdp": "v=0\r\ns=-\r\n"}


@pytest.fixture
async def counted(make_endpoint, register, audit):
    async def standing():
        return await made[0].ledger.live("shop")

    made = []
    access, metrics = register.access(), Metrics(standing, lambda: 3)
    async with make_endpoint(granted=1000, access=access, audit=audit, metrics=metrics) as endpoint:
        made.append(endpoint)
        yield endpoint


async def read(endpoint, **headers):
    """The samples by name and labels."""
    response = await endpoint.http.get("/metrics", headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    lines = [line for line in response.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def test_decisions_are_counted_by_what_was_asked_and_what_came_of_it(counted, register):
    for app in ("shop", "shop", "other", "free"):
        await counted.http.post("/v1/sessions", json=BODY, headers=register.bearer(app))
    await counted.http.post("/v1/sessions", json=BODY)

    samples = await read(counted)
    assert {
        name: value for name, value in samples.items() if name.startswith("genmb_voice_decisions_total")
    } == {
        'genmb_voice_decisions_total{action="open",outcome="ok"}': 3,
        'genmb_voice_decisions_total{action="open",outcome="plan_required"}': 1,
        'genmb_voice_decisions_total{action="open",outcome="unauthorized"}': 1,
    }


async def test_the_sessions_that_stand_are_counted_when_the_counts_are_read(counted, register):
    ids = [
        (await counted.http.post("/v1/sessions", json=BODY, headers=register.bearer("shop"))).json()["id"]
        for _ in range(3)
    ]
    assert (await read(counted))["genmb_voice_sessions_live"] == 3
    await counted.http.post(f"/v1/sessions/{ids[0]}/ended", json={}, headers=register.bearer("shop"))
    assert (await read(counted))["genmb_voice_sessions_live"] == 2


async def test_an_endpoint_for_one_user_counts_the_sessions_that_stand_too():
    app = assemble(Settings(), Drain())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        assert "genmb_voice_sessions_live 0.0" in (await http.get("/metrics")).text


async def test_calls_of_providers_window_and_ledger_are_timed_with_their_outcome(counted, register):
    async def refuse():
        raise Refusal("provider_refused", "No.")

    async def stumble():
        raise RuntimeError

    id = (await counted.http.post("/v1/sessions", json=BODY, headers=register.bearer("shop"))).json()["id"]
    await counted.http.post(f"/v1/sessions/{id}/ended", json={}, headers=register.bearer("shop"))
    for counted.provider.before in (refuse, stumble):
        await counted.http.post("/v1/sessions", json=BODY, headers=register.bearer("shop"))

    samples = await read(counted)
    calls = {name: value for name, value in samples.items() if "_seconds_count" in name}
    of = 'genmb_voice_provider_seconds_count{call="answer",outcome="%s",provider="here"}'
    assert [calls[of % outcome] for outcome in ("ok", "provider_refused", "error")] == [1, 1, 1]
    assert calls['genmb_voice_provider_seconds_count{call="hang_up",outcome="ok",provider="here"}'] == 1
    assert calls['genmb_voice_window_seconds_count{call="give_back",outcome="ok"}'] == 3
    assert calls['genmb_voice_ledger_seconds_count{call="hold",outcome="ok"}'] == 3
    assert 0 < samples['genmb_voice_ledger_seconds_sum{call="hold",outcome="ok"}'] < 1


async def test_what_the_audit_lost_and_when_the_sweeper_looked_is_shown(counted):
    samples = await read(counted)
    assert samples["genmb_voice_audit_lost_total"] == 3
    assert samples["genmb_voice_sweeper_last_run_timestamp_seconds"] == 0


async def test_the_sweepers_look_is_noted(clock):
    from genmb_voice_widget.service.ledger.memory import MemoryLedger

    metrics = Metrics()
    await metrics.ledger(MemoryLedger(clock)).due()
    text, _ = await metrics.text()

    assert float(re.search(rb"last_run_timestamp_seconds (\d\S+)", text)[1]) > 1_600_000_000


async def test_while_the_account_cannot_be_asked_the_other_counts_are_shown(make_endpoint):
    async def down():
        raise Refusal("service_unavailable", "It is down.")

    async with make_endpoint(metrics=Metrics(down)) as endpoint:
        await endpoint.start()
        samples = await read(endpoint)
    assert "genmb_voice_sessions_live" not in samples
    assert samples['genmb_voice_decisions_total{action="open",outcome="ok"}'] == 1


async def test_no_app_owner_session_or_secret_is_in_the_counts(counted, register):
    id = (await counted.http.post("/v1/sessions", json=BODY, headers=register.bearer("shop"))).json()["id"]
    await counted.http.post("/v1/sessions/canary-5b21/ended", json={}, headers=register.bearer("shop"))
    await counted.http.post("/canary-5b21", json={}, headers={"Authorization": "canary-5b21"})
    text = (await counted.http.get("/metrics")).text

    for secret in ("shop", "alice", id, "rtc_1", "canary", register.keys["shop"]):
        assert secret not in text


async def test_two_endpoints_in_one_process_count_for_themselves(make_endpoint):
    async with make_endpoint(metrics=Metrics()) as one, make_endpoint(metrics=Metrics()) as other:
        await one.start()
        name = 'genmb_voice_decisions_total{action="open",outcome="ok"}'
        assert (await read(one))[name] == 1
        assert name not in await read(other)


async def test_where_a_key_is_set_the_counts_are_shown_to_who_has_it(make_endpoint, audit):
    async with make_endpoint(metrics=Metrics(), metrics_key=Secret("canary-key"), audit=audit) as endpoint:
        assert await read(endpoint, Authorization="Bearer canary-key")
        for shown in (
            {},
            {"Authorization": "Bearer canary-kex"},
            {"Authorization": "canary-key"},
            {"Authorization": b"\xff"},
        ):
            response = await endpoint.http.get("/metrics", headers=shown)
            assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
            assert "genmb_voice" not in response.text
    assert {decision.outcome for decision in audit.decisions} == {"unauthorized"}


async def test_where_nothing_is_counted_there_is_nothing_to_read(endpoint):
    response = await endpoint.http.get("/metrics")
    assert response.status_code == 404
    assert "metrics_key" in response.json()["detail"]
