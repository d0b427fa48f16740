"""What an adversary does to a watched endpoint: each scene drives some of its routes to some of their outcomes."""

import asyncio
import json
import signal

import httpx
from harness.adversary import Adversary
from harness.upstream import answer, cut_off, error, http
from harness.watched import PAGE, until

CLOUDS = ("azure", "entra", "openai")
START = "/v1/sessions"
NOBODYS = f"{START}/vs_{'0' * 32}"
WEBSOCKET = {"sdp": None, "transport": "websocket"}


async def lives(one: Adversary) -> None:
    """A session's whole life with each service, and all that an operator or a visitor reads."""
    await asyncio.gather(*(_life(one, app) for app in CLOUDS))
    await one.start("local")
    assert (await one.start("local", **WEBSOCKET)).status_code == 201
    for path in ("/openapi.json", "/docs", "/", "/sdk.js", "/healthz", "/readyz", "/elsewhere"):
        await one.ask(path)
    await one.ask("/metrics", {"Authorization": f"Bearer {one.watched.own['metrics key']}"})
    await one.ask("/metrics", {"Authorization": f"Bearer {one.net.make('wrong key')}"})
    async with httpx.AsyncClient(timeout=20) as operator:
        assert (await operator.get(f"{one.watched.url}/readyz")).status_code == 200


async def _life(one: Adversary, app: str) -> None:
    key, net = one.key(app), one.net
    repeated = key | {"Idempotency-Key": net.make("idempotency key")}
    offer = {"session": one.session, "sdp": one.sdp}
    started = await one.ask(START, repeated, offer | {"provider": app})
    assert started.status_code == 201, started.text
    await one.ask(START, repeated, offer | {"provider": app})
    await one.tell(started, "connected", app, call_id=net.make("another's call"))
    call = one.cloud.calls[(await one.ask(started.headers["location"], key)).json()["call_id"]]
    await until(lambda: call.observers)
    call.tell({"type": "input_audio_buffer.speech_started", "x": net.make("what is said")})
    await one.tell(started, "connected", app)
    assert (await one.tell(started, "offer", app, **offer)).status_code == 200
    await one.ask("/v1/allowance", key)
    await one.tell(started, "ended", app, reason=net.make("reason"))
    beacon, text = json.dumps({"reason": net.make("reason")}), key | {"Content-Type": "text/plain"}
    await one.ask(f"{started.headers['location']}/ended", text, content=beacon)
    minted = await one.start(app, app, **WEBSOCKET)
    await one.tell(minted, "connected", app)
    one.take(await one.tell(minted, "offer", app, session=one.session))
    await one.tell(lost := await one.start(app, app), "ended", app)
    assert (await one.tell(lost, "connected", app)).status_code == 409
    token = (await one.ask("/v1/app-tokens", key, {"seconds": 60, "origin": PAGE})).json()["token"]
    shown = {"Authorization": f"Bearer {net.know('app token', token)}", "Origin": PAGE}
    assert (await one.ask("/v1/allowance", shown)).status_code == 200
    assert (
        await one.ask(START, shown, {"session": one.session, "transport": "websocket"})
    ).status_code == 403
    await one.ask("/v1/allowance", shown | one.strange())


async def refusals(one: Adversary) -> None:
    """What the endpoint itself refuses: who asks, for what, and how."""
    make, key, body = one.net.make, one.key("shop"), {"session": one.session, "sdp": one.sdp}
    bearers = [
        f"Bearer {one.watched.own['sites header']}",
        f"Bearer gvk_shop_{make('wrong key')}{'x' * 11}",
        f"Bearer gvt_{make('wrong key')}.e30.{make('wrong key')}",
        f"Basic {make('wrong key')}",
    ]
    callers = [
        {},
        one.cookie,
        *({"Authorization": bearer} for bearer in bearers),
        *(one.key(app) for app in ("free", "gone", "poor")),
        key | one.strange(),
        key | {"Idempotency-Key": f"{make('odd key')} {make('odd key')}"},
        {"Cookie": f"sid={make('wrong cookie')}; broken={make('wrong cookie')}"},
        {"Cookie": f"planted={make('planted leak')}"},
    ]
    for caller in callers:
        await one.ask(f"{START}?app=shop", caller, body)
        await one.ask(f"/api/voice-agent?app={make('odd app')}", caller, {})
    named = one.session | {"model": make("odd model"), "audio": {"output": {"voice": make("odd voice")}}}
    wrongs = [
        {},
        [make("odd body")],
        {make("odd member"): 1, **body},
        body | {"sdp": make("offer")},
        body | {"sdp": [make("offer"), {make("odd member"): 1}]},
        body | {"session": {"type": make("odd type")}},
        body | {"provider": make("odd provider")},
        body | {"session": named, "provider": "azure"},
    ]
    for wrong in wrongs:
        await one.ask(START, key, wrong)
    texts = [
        ("application/json", f'{{"{make("odd body")}'),
        ("application/json", f'{{"model": ["{make("odd body")}"]}}'),
        ("application/json", make("odd body") * 2100),
        ("text/plain", make("odd body")),
        (f"a/{make('odd type')}", "x"),
    ]
    for kind, content in texts:
        for path in (START, "/api/voice-agent", f"{NOBODYS}/ended", "/v1/app-tokens"):
            await one.ask(path, key | {"Content-Type": kind}, content=content)
    await one.ask("/v1/app-tokens", key, {"seconds": 60, "origin": one.strange()["Origin"]})
    odd = make("odd path")
    for path in (NOBODYS, f"{START}/{odd}", f"/{odd}", "/v1/allowance"):
        await one.ask(path, key)
        await one.ask(path, one.strange() | {"Access-Control-Request-Method": odd}, method="OPTIONS")
        await one.ask(path, one.strange(), method="DELETE")
    await one.ask("/healthz", {"Host": f"{make('odd host')}/x"})
    reader, writer = await asyncio.open_connection(*one.watched.url.removeprefix("http://").split(":"))
    writer.write(f"GET /{odd} HTTP/9\r\n{make('odd header')}\r\n\r\n".encode())
    one.net.catch("answer nonsense", (await reader.read()).decode())
    writer.close()


async def limits(one: Adversary) -> None:
    """Too many sessions at a time, in the hour, and too many attempts."""
    while (await one.start("openai", "full")).status_code == 201:
        pass
    while (started := await one.start("openai", "busy")).status_code == 201:
        await one.tell(started, "connected", "busy")
        await one.tell(started, "ended", "busy")
    refused = [await one.start("openai", "busy") for _ in range(40)]
    assert "attempts" in refused[-1].text


async def misbehaviour(one: Adversary) -> None:
    """Every service answers as badly as it can, with every secret in what it says."""
    echo = one.echo
    said = (f"X-Echo: {echo}", f"Retry-After: {echo}", f"apim-request-id: {echo}", f"Set-Cookie: a={echo}")
    choice = {"error": {"code": "invalid_value", "param": "session.audio.output.voice", "message": echo}}
    bad = [
        *(error(status, echo, echo, *said) for status in (400, 401, 403, 404, 429, 500)),
        error(302, echo, echo, f"Location: https://{one.net.make('elsewhere')}.example/{echo}"),
        http(400, json.dumps(choice)),
        http(200, echo, *said),
        answer(echo, f"/{echo}"),
        f"HTTP/1.1 200 OK\r\n{echo}\r\n\r\n".encode(),
        f"{echo}\r\n\r\n".encode(),
        cut_off(f"HTTP/1.1 201 Created\r\nContent-Length: 900\r\n\r\nv=0\r\n{echo}".encode()),
    ]
    standing = [(app, await one.start(app, app)) for app in CLOUDS]
    for reply in bad:
        one.cloud.replies |= dict.fromkeys(("/client_secrets", "/calls", "/hangup", "/realtime"), reply)
        asked = [(app, ways) for app in CLOUDS for ways in ({}, WEBSOCKET)]
        answers = await asyncio.gather(*(one.start(app, app, **ways) for app, ways in asked))
        assert {each.status_code for each in answers} <= {422, 502, 503}, answers
        await asyncio.gather(*(one.tell(session, "ended", app) for app, session in standing))
        one.cloud.replies = {"/realtime": reply}
        watched = await asyncio.gather(*(one.start(app, app) for app in CLOUDS))
        one.cloud.replies = {}
        await asyncio.gather(*(one.tell(*each) for each in zip(watched, ["ended"] * 3, CLOUDS, strict=True)))


async def relay(one: Adversary) -> None:
    """A conversation in words on the relayed socket, bad frames, and addresses that open nothing (any more)."""
    said, path = [one.net.make("what is said") for _ in range(4)], "/api/voice-agent"
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": said[0]}]}
    page = await one.open(address := await one.ticket())
    await one.say(page, json.dumps({"type": "conversation.item.create", "item": item}))
    await one.say(page, json.dumps({"type": "response.create", "response": {"modalities": ["text"]}}))
    await one.say(page, said[1])
    await one.hear(page, "response.done")
    ticket = await one.ticket()
    ways = (f"/{path}", f"/v1{path}", f"{path}/{one.net.make('odd path')}")
    for wrong in (address, f"{ticket}x", *(ticket.replace(path, way) for way in ways)):
        assert await one.open(wrong) == 403
    for frame, as_text in ((said[2].encode(), None), (said[3].encode() + b"\xff", True)):
        other = await one.open(await one.ticket())
        await one.say(other, frame, as_text)
        await one.hear(other, "its end")
    await page.close()


async def mistakes(one: Adversary) -> None:
    """Mistakes in the program's own parts, whose exceptions hold whatever they were about."""
    stumble = "/v1/sessions/stumble-" + one.net.make("odd path")
    for caller in (one.key("shop"), one.cookie):
        for path in (stumble, f"{stumble}/ended?x={one.net.make('query')}"):
            body = {"reason": one.net.make("reason")} if "ended" in path else None
            assert (await one.ask(path, caller, body)).status_code == 500
    assert (await one.start("faulty")).status_code == 500
    assert (await one.start("faulty", **WEBSOCKET)).status_code == 500
    assert (await one.ask("/v1/allowance", one.key("stumble"))).status_code == 500
    session = await one.start("openai", "stumble")
    assert (await one.tell(session, "ended", "stumble")).status_code == 200
    await one.ask("/v1/allowance", {"Origin": f"https://stumble-{one.net.make('origin')}.example"})
    address = (
        one.watched.url.replace("http", "ws") + "/api/voice-agent/stumble?ticket=" + one.net.make("query")
    )
    assert await one.open(address) in (403, 500)


async def sweeping(one: Adversary) -> None:
    """The sweeper ends a session whose time is over, another whose call cannot be hung up, and stumbles over one."""
    sessions = [await one.start("openai", app) for app in ("shop", "shop", "stumble")]
    ids = [session.json()["id"] for session in sessions]
    one.cloud.replies = {f"{sessions[1].json()['call_id']}/hangup": error(500, one.echo, one.echo)}
    for id in ids:
        one.watched.rows("UPDATE holds SET due = 1 WHERE session = ?", id)
    expired = "SELECT 1 FROM audit WHERE action = 'expired' AND session = ?"
    await until(lambda: one.watched.rows(expired, ids[0]))
    await until(lambda: f"session {ids[2]}: its slot could not be given back" in one.watched.noted())
    one.cloud.replies = {}


async def outages(one: Adversary) -> None:
    """Redis and the database are gone, one after the other, while all kinds of requests come."""
    session, address, page = await one.start("azure"), await one.ticket(), await one.open(await one.ticket())
    call = one.cloud.calls[session.json()["call_id"]]
    await until(lambda: call.observers)

    async def everything() -> None:
        await asyncio.gather(
            one.start("openai"),
            one.start("openai", **WEBSOCKET),
            one.tell(session, "offer", "shop", session=one.session, sdp=one.sdp),
            one.ask("/api/voice-agent", one.cookie, {}),
            one.open(address),
            one.ask("/v1/allowance", one.key("shop")),
            one.ask("/readyz"),
            one.ask("/metrics", {"Authorization": f"Bearer {one.watched.own['metrics key']}"}),
            one.ask(START, one.strange() | {"Access-Control-Request-Method": "POST"}, method="OPTIONS"),
            one.ask(f"{START}/{one.net.make('odd path')}", one.key("openai")),
            one.tell(session, "ended", "shop", reason=one.net.make("reason")),
        )

    one.watched.redis.kill()
    await everything()
    one.watched.redis.start()
    with one.watched.database_gone():
        call.tell({"type": "input_audio_buffer.speech_started", "x": one.net.make("what is said")})
        await page.close()
        await everything()


async def going(one: Adversary) -> None:
    """The program is told to go while a socket is open."""
    page = await one.open(await one.ticket())
    one.watched.process.send_signal(signal.SIGTERM)
    await one.hear(page, "its end")
    await one.ask("/readyz")
    await one.ask("/api/voice-agent", one.cookie, {})
    one.watched.process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(one.watched.process.wait(), 15)
    await one.http.aclose()
