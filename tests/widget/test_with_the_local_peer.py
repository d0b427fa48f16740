"""Headless sessions with the real local peer: real speech in, a real recogniser, real replies."""

import asyncio

import pytest
from harness.desk import desk
from harness.served import run_app_command, served

from genmb_voice_widget import VoiceAgent, VoiceError, spoken
from genmb_voice_widget.peer.launch import PeerProcess
from genmb_voice_widget.peer.testing import running_peer
from genmb_voice_widget.service import Plan, Rate, in_process
from genmb_voice_widget.wav import read_wav

pytestmark = pytest.mark.speech


@pytest.fixture(scope="module")
def question(tmp_path_factory):
    return spoken("Who are you?", tmp_path_factory.mktemp("speech") / "question.wav", lead_in=0.1, tail=0.1)


@pytest.fixture
def agent():
    agent = VoiceAgent(instructions="Answer briefly.")
    yield agent
    agent.close()


@pytest.mark.fault("secret_expired_headless")
async def test_a_secret_that_has_expired_ends_the_session_and_gives_the_credits_back(fault):
    with running_peer("expire") as address, desk(address) as endpoint:
        agent = VoiceAgent(endpoint=endpoint.url)
        with pytest.raises(VoiceError):
            await agent.start(headless=True)
        entries = await endpoint.settled()
        codes = [error.code for error in agent.errors]
        fault("secret_expired_headless", status=agent.status, codes=codes, microphone="none", entries=entries)
        agent.close()


async def test_a_spoken_question_is_written_down_and_answered(agent, question, tmp_path):
    turns = await agent.run([question, question], speed=8, timeout=30)
    assert [(turn.role, turn.status) for turn in turns] == [
        ("user", "completed"),
        ("assistant", "completed"),
    ] * 2
    assert [turn.text for turn in turns[::2]] == ["Who are you?"] * 2
    assert turns[1].text and agent.usage.responses == 2
    assert (agent.status, agent.errors) == ("ended", ())
    replayed = VoiceAgent.replay(agent.save(tmp_path / "talk.jsonl"))
    assert (replayed.turns, replayed.usage, repr(replayed)) == (agent.turns, agent.usage, repr(agent))


async def test_a_spoken_question_is_answered_with_what_a_function_of_the_notebook_gave_back(agent, tmp_path):
    @agent.tool
    def get_weather(city: str) -> dict:
        return {"sky": "clear", "in": city}

    question = spoken("What is the weather in Rome?", tmp_path / "question.wav", lead_in=0.1, tail=0.1)
    turns = await agent.run(question, speed=8, timeout=30)
    assert [turn.role for turn in turns] == ["user", "tool", "assistant"]
    assert turns[2].text == "In Rome it is sky clear, in Rome."
    assert agent.errors == ()


async def test_speaking_over_the_reply_cuts_it_and_the_words_heard_are_known(agent, question):
    await agent.start(headless=True, speed=2)
    agent.say("Who are you?")
    await agent.until("speaking", timeout=30)
    session = agent._link.headless
    await session.clock.until(session.clock.now() + 1500)
    session._talk.speak(read_wav(question))
    await agent.until(lambda agent: agent.turns[1].heard is not None, timeout=30)
    cut = agent.turns[1]
    assert cut.status == "interrupted" and cut.text.startswith(cut.heard)
    assert 0 < len(cut.heard) < len(cut.text)
    truncate = [e.event for e in agent.events if e.event["type"] == "conversation.item.truncate"]
    assert [event["item_id"] for event in truncate] == [cut.id]
    await agent.stop()
    assert agent.errors == ()


async def test_two_agents_talk_at_the_same_time(question):
    agents = [VoiceAgent(), VoiceAgent()]
    both = await asyncio.gather(*(agent.run(question, speed=4, timeout=30) for agent in agents))
    assert [[turn.role for turn in turns] for turns in both] == [["user", "assistant"]] * 2
    for agent in agents:
        agent.close()


async def test_the_proxies_of_the_environment_are_not_asked_for_the_local_peer(agent, question, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    turns = await agent.run(question, speed=8, timeout=30)
    assert [turn.role for turn in turns] == ["user", "assistant"]


async def test_one_ask_after_another_does_not_cut_the_reply_before_it(agent):
    await agent.start(headless=True, speed=8)
    replies = [await agent.ask("Who are you?", timeout=30) for _ in range(2)]
    await agent.stop()
    assert [turn.status for turn in agent.turns if turn.role == "assistant"] == ["completed"] * 2
    assert replies[0].id != replies[1].id


async def test_a_notebooks_own_plan_counts_its_sessions_and_refuses_the_one_too_many(question):
    agent = VoiceAgent(endpoint=in_process(plan=Plan("class", rate=Rate(1)), credits=12))
    await agent.run(question, speed=8, timeout=30)
    left = await agent.allowance()
    assert (left.sessions.remaining, left.credits) == (0, 7)
    with pytest.raises(VoiceError, match=r"Possible again in \d+ min.*rate_limited"):
        await agent.start(headless=True)
    agent.close()


async def test_a_served_endpoint_knows_the_agent_by_its_apps_key(question, tmp_path):
    variables = {
        "GENMB_VOICE_ACCESS": "apps",
        "GENMB_VOICE_DATABASE": str(tmp_path / "voice.db"),
        "GENMB_VOICE_HAND_OUT_SECRETS": "true",
    }
    key = run_app_command(variables, "add", "shop", "--owner", "alice", "--plan", "pro")
    run_app_command(variables, "credit", "shop", "12")
    with served(variables) as url:
        agent, stranger = VoiceAgent(endpoint=url, key=key), VoiceAgent(endpoint=url, key=f"{key}x")
        await agent.run(question, speed=8, timeout=30)
        left = await agent.allowance()
        with pytest.raises(VoiceError, match="unauthorized"):
            await stranger.allowance()
    assert repr(left) == "Allowance(pro · 19 of 20 sessions left this hour · 7 credits, 5 a session)"
    agent.close()
    stranger.close()


async def test_a_server_of_ones_own_is_reached_by_its_address_and_key(question, monkeypatch):
    peer = PeerProcess()
    address = await peer.start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"{address.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", address.secret.reveal())
    monkeypatch.setenv("GENMB_VOICE_OPENAI_COMPATIBLE_TRANSCRIPTION", "local")
    agent = VoiceAgent(provider="openai-compatible", model="local", instructions="Answer briefly.")
    turns = await agent.run(question, speed=8, timeout=30)
    assert [(turn.role, turn.status) for turn in turns] == [("user", "completed"), ("assistant", "completed")]
    assert (turns[0].text, agent.errors) == ("Who are you?", ())
    updates = [each.event["session"] for each in agent.events if each.event["type"] == "session.updated"]
    assert updates[0]["instructions"] == "Answer briefly.", "the socket was not told with a secret"
    agent.close()
    await peer.stop()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"voice": "marine"}, "does not offer this voice. It offers 'alloy', "),
        ({"language": "de"}, "does not offer this language. It offers 'en'."),
        (
            {"model": "gpt-9"},
            "does not offer this model. It offers 'local', its script's name, or the name of a hosted model.",
        ),
    ],
)
async def test_a_voice_language_or_model_that_there_is_not_ends_the_start_with_those_there_are(
    options, sentence
):
    agent = VoiceAgent(**options)
    with pytest.raises(VoiceError, match="bad_option") as caught:
        await agent.start(headless=True)
    assert sentence in caught.value.detail
    assert (agent.status, [error.detail for error in agent.errors]) == ("failed", [caught.value.detail])
    agent.close()
