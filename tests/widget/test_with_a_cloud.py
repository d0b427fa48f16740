"""An agent and its own endpoint in this process, set up from the environment, with the cloud's services standing in."""

import asyncio
import wave

import pytest
from harness.lookalikes import Lookalike
from harness.upstream import (
    ANSWER,
    AZURE_KEY,
    DEPLOYMENT,
    ENDPOINT,
    OPENAI,
    OPENAI_KEY,
    RESOURCE,
    cloud_at,
    error,
)

from genmb_voice_widget import VoiceAgent, VoiceError
from genmb_voice_widget.calls import Calls
from genmb_voice_widget.endpoint import token_client
from genmb_voice_widget.loop import submit
from genmb_voice_widget.protocol import problem
from genmb_voice_widget.service import in_process
from genmb_voice_widget.service.app import shut_down
from genmb_voice_widget.session import Session
from genmb_voice_widget.settings import Settings

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
AZURE = {
    "AZURE_OPENAI_ENDPOINT": ENDPOINT,
    "AZURE_OPENAI_API_KEY": AZURE_KEY,
    "AZURE_OPENAI_DEPLOYMENT": DEPLOYMENT,
    "AZURE_OPENAI_TRANSCRIPTION_DEPLOYMENT": "my-whisper",
}
NAMES = [*AZURE, "OPENAI_API_KEY", "OPENAI_BASE_URL"]


@pytest.fixture
async def cloud(tmp_path, monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    async with cloud_at(tmp_path, monkeypatch) as cloud:
        cloud.deployments |= {"my-whisper", "gpt-realtime-2.1-mini"}
        yield cloud
        assert cloud.names.astray == set()


@pytest.fixture
def agent(cloud):
    """Make agents of one endpoint, which is closed in the end."""
    app, made = in_process(), []

    def make(provider="azure", **options):
        made.append(VoiceAgent(provider=provider, endpoint=app, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
    submit(shut_down(app)).result(5)


@pytest.fixture
def wav(tmp_path):
    """As long as the stand-in's user speaks in one turn."""
    path = tmp_path / "turn.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(b"\x10\x10" * 4_800)
    return path


def set_up(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


async def test_a_session_without_a_browser_is_opened_with_a_short_lived_secret_and_talks(
    cloud, agent, wav, monkeypatch
):
    set_up(monkeypatch, **AZURE)
    made = agent(instructions="Be brief.")
    turns = await made.run([wav, wav], speed=20)

    assert [(turn.role, turn.text) for turn in turns] == [("user", "Hello."), ("assistant", "Good day.")] * 2
    assert (made.status, made.errors) == ("ended", ())
    [mint, socket] = cloud.requests
    assert (mint.headers["api-key"], socket.headers.get("api-key")) == (AZURE_KEY, None)
    assert socket.path == f"/openai/v1/realtime?model={DEPLOYMENT}"
    assert socket.headers["authorization"].startswith("Bearer ek_")
    asked = cloud.minted[0]["session"]
    assert (asked["model"], asked["instructions"]) == (DEPLOYMENT, "Be brief.")
    assert asked["audio"]["input"]["transcription"] == {"model": "my-whisper"}


async def test_openai_needs_its_key_alone(cloud, agent, wav, monkeypatch):
    set_up(monkeypatch, OPENAI_API_KEY=f"{OPENAI_KEY}\n", OPENAI_BASE_URL="https://api.openai.com/v1/")
    turns = await agent("openai", transcription=None).run(wav, speed=20)

    assert [turn.role for turn in turns] == ["user", "assistant"]
    assert {request.host for request in cloud.requests} == {OPENAI}


async def test_an_agents_own_model_wins_over_the_environments_deployment(cloud, agent, monkeypatch):
    set_up(monkeypatch, **AZURE)
    await agent(model="gpt-realtime-1.5").start(headless=True)

    assert cloud.minted[0]["session"]["model"] == "gpt-realtime-1.5"


async def opened_for_a_page(provider, **options):
    """What a page is answered that asks for a call."""
    app, answered = in_process(), asyncio.Queue()
    calls = Calls(
        token_client(app), Settings(provider, Session(**options)), answered.put_nowait, lambda *heard: None
    )
    calls.take("page", "1", "open", {"sdp": OFFER}, None)
    reply = await asyncio.wait_for(answered.get(), 10)
    await shut_down(app)
    return reply


@pytest.mark.parametrize("provider", ["azure", "openai"])
async def test_a_pages_offer_is_relayed_and_the_page_gets_no_secret(cloud, monkeypatch, provider):
    set_up(monkeypatch, **AZURE, OPENAI_API_KEY=OPENAI_KEY)
    reply = await opened_for_a_page(provider)

    assert (reply["result"]["sdp"], reply["result"]["provider"]) == (ANSWER, provider)
    shown = str(reply)
    assert not [each for each in ("ek_", AZURE_KEY, OPENAI_KEY, RESOURCE) if each in shown]


async def test_a_server_of_ones_own_is_told_the_session_over_its_socket(cloud, agent, wav, monkeypatch):
    async with Lookalike(key="canary-key").listening() as server:
        set_up(monkeypatch, OPENAI_BASE_URL=server.base, OPENAI_API_KEY="canary-key")
        made = agent("openai-compatible", instructions="Be brief.")
        turns = await made.run(wav, speed=20)

    assert [(turn.role, turn.text) for turn in turns] == [("user", "Hello."), ("assistant", "Good day.")]
    [session] = server.sessions
    assert session.session["instructions"] == "Be brief."
    assert (made.errors, cloud.requests) == ((), [])
    assert "canary-key" not in str(made.events)


async def test_a_page_is_given_what_it_must_tell_such_a_server(cloud, monkeypatch):
    async with Lookalike(signaling="sdp").listening() as server:
        set_up(monkeypatch, GENMB_VOICE_OPENAI_COMPATIBLE_BASE_URL=server.base)
        set_up(monkeypatch, GENMB_VOICE_OPENAI_COMPATIBLE_SIGNALING="sdp")
        reply = await opened_for_a_page("openai-compatible", instructions="Be brief.")

    assert (reply["result"]["sdp"], reply["result"]["update"]["instructions"]) == (ANSWER, "Be brief.")


def refusing(status, *headers):
    return lambda cloud, _: cloud.replies.update(client_secrets=error(status, "x", RESOURCE, *headers))


def setting(**variables):
    return lambda _, monkeypatch: set_up(monkeypatch, **variables)


def without(name):
    return lambda _, monkeypatch: monkeypatch.delenv(name)


ERRORS = {
    "no endpoint": (without("AZURE_OPENAI_ENDPOINT"), "provider_not_set_up", "Set AZURE_OPENAI_ENDPOINT to"),
    "no deployment": (without("AZURE_OPENAI_DEPLOYMENT"), "provider_not_set_up", "Set AZURE_OPENAI_DEPLOYMENT to"),
    "region": (refusing(403), "provider_region", "The resource is the one in AZURE_OPENAI_ENDPOINT."),
    "deployment": (setting(AZURE_OPENAI_DEPLOYMENT="nobodys"), "deployment_missing", "AZURE_OPENAI_DEPLOYMENT"),
    "key": (setting(AZURE_OPENAI_API_KEY="wrong"), "provider_key_refused", "the key in AZURE_OPENAI_API_KEY."),
    "limit": (refusing(429, "Retry-After: 17"), "provider_busy", "HTTP status 429."),
}  # fmt: skip
FIXES = {
    "provider_not_set_up": "os.environ and getpass()",
    "provider_region": "Use a resource in a region that has realtime voice",
    "deployment_missing": "the name is the deployment's, not the model's",
    "provider_key_refused": "Give a valid key or, where no key but an identity was shown, give that",
    "provider_busy": "look at the account's quota",
    "secret_expired": "Press Start again",
    "transcription_deployment_missing": "AZURE_OPENAI_TRANSCRIPTION_DEPLOYMENT or VoiceAgent(transcription=…)",
}


@pytest.mark.parametrize("case", ERRORS)
async def test_what_is_wrong_comes_out_of_start_with_its_fix_and_stands_in_the_cell(
    cloud, agent, monkeypatch, case
):
    arrange, code, detail = ERRORS[case]
    set_up(monkeypatch, **AZURE)
    arrange(cloud, monkeypatch)
    made = agent()
    with pytest.raises(VoiceError) as caught:
        await made.start(headless=True)

    assert (caught.value.code, made.status) == (code, "failed")
    assert detail in caught.value.detail
    assert FIXES[code] in caught.value.fix
    assert [(each.code, each.detail) for each in made.errors] == [(code, caught.value.detail)]
    said = str(caught.value) + str(made.errors)
    assert not [each for each in (AZURE_KEY, RESOURCE, "wrong", "nobodys") if each in said]
    if case == "limit":
        assert "Possible again in 17 s." in caught.value.detail


@pytest.mark.parametrize("case", ERRORS)
async def test_a_page_that_starts_is_told_the_same(cloud, monkeypatch, case):
    arrange, code, detail = ERRORS[case]
    set_up(monkeypatch, **AZURE)
    arrange(cloud, monkeypatch)
    told = (await opened_for_a_page("azure"))["problem"]

    assert detail in told["detail"]
    assert told | {"detail": None, "retry_after": None} == problem(code).to_json() | {"retry_after": None}


async def test_a_secret_that_has_expired_before_the_socket_opens_is_made_anew_and_the_next_says_to_start_again(
    cloud, agent, monkeypatch
):
    set_up(monkeypatch, **AZURE)
    cloud.expired, made = 1, agent()
    await made.start(headless=True)
    assert (made.status, made.errors) == ("live", ())
    await made.stop()

    cloud.expired = 2
    with pytest.raises(VoiceError) as caught:
        await made.start(headless=True)
    assert (caught.value.code, caught.value.retryable) == ("secret_expired", True)
    assert FIXES["secret_expired"] in caught.value.fix

    await made.start(headless=True)
    assert made.status == "live"


async def test_a_transcription_deployment_that_is_missing_is_told_once_and_the_conversation_goes_on(
    cloud, agent, wav, monkeypatch
):
    set_up(monkeypatch, **AZURE)
    cloud.deployments.remove("my-whisper")
    made = agent()
    turns = await made.run([wav, wav, wav], speed=20)

    assert [turn.text for turn in turns if turn.role == "assistant"] == ["Good day."] * 3
    [error] = made.errors
    assert error.code == "transcription_deployment_missing"
    assert FIXES[error.code] in error.fix


async def test_an_agent_is_made_without_any_of_it(agent):
    assert [agent(provider).status for provider in ("azure", "openai")] == ["idle"] * 2
