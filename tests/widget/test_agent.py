"""The agent as a notebook uses it, with a page that is a list of messages."""

import asyncio
import threading

import ipywidgets
import pytest
import traitlets
from harness.tab import Tab, settled

from genmb_voice_widget import recording, widget
from genmb_voice_widget.conversation import Conversation
from genmb_voice_widget.errors import NoFrontEnd, VoiceError, WaitTimeout
from genmb_voice_widget.pages import Pages
from genmb_voice_widget.shell import Shell
from genmb_voice_widget.widget import VoiceAgent

TRAITS = ("status", "activity", "turns", "errors", "usage")


@pytest.fixture
def agent(endpoint, monkeypatch):
    """An agent in a notebook, whose endpoint is scripted."""
    monkeypatch.setattr(widget, "token_client", lambda address, key: endpoint.client)
    monkeypatch.setattr(widget, "this_shell", lambda deliver: Shell(has_pages=True, cells_hear=True))
    agent = VoiceAgent()
    yield agent
    agent.close()


@pytest.fixture
def tab(agent):
    tab = Tab(agent)
    tab.send("hello", proto=1, environment={})
    return tab


def item(item_id, role, text):
    kind = "input_text" if role == "user" else "output_text"
    body = {"id": item_id, "type": "message", "role": role, "status": "completed"}
    return "in", {
        "type": "conversation.item.done",
        "item": {**body, "content": [{"type": kind, "text": text}]},
    }


def test_an_option_that_does_not_exist_is_refused_with_the_list():
    with pytest.raises(VoiceError, match="bad_option") as caught:
        VoiceAgent(voise="marin")
    assert caught.value.detail.startswith(
        "Unknown: voise (did you mean voice?). Supported: provider, endpoint, key, transport, "
    )


def test_a_provider_that_there_cannot_be_is_refused_with_the_one_that_was_meant(monkeypatch, endpoint):
    with pytest.raises(VoiceError, match="unknown_provider") as caught:
        VoiceAgent(provider="azuer")
    assert caught.value.detail.startswith("Unknown: azuer (did you mean azure?). Here are: local, azure,")
    VoiceAgent(provider="shop", endpoint="http://localhost:8000").close()
    monkeypatch.setenv("GENMB_VOICE_ENDPOINT", "http://localhost:8000")
    VoiceAgent(provider="shop").close()


@pytest.mark.parametrize("unnamed", ["Be brief.", None])
def test_what_is_given_without_its_name_is_refused_with_how_it_is_given(unnamed):
    with pytest.raises(VoiceError, match="instructions=") as caught:
        VoiceAgent(unnamed)
    assert caught.value.code == "bad_option"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stauts", "'stauts'. Did you mean 'status'?"),
        ("vocie", "'vocie'. Did you mean 'voice'?"),
        ("key", "'key'. It is chosen when the agent is made: VoiceAgent(key=…)."),
        ("providr", "Did you mean 'provider'? It is chosen when the agent is made: VoiceAgent(provider=…)."),
        ("qqq", "VoiceAgent has no attribute 'qqq'."),
    ],
)
def test_an_attribute_that_does_not_exist_cannot_be_set_and_the_error_says_what_was_meant(agent, name, words):
    with pytest.raises(AttributeError) as caught:
        setattr(agent, name, "x")
    assert str(caught.value).endswith(words)
    assert not hasattr(agent, name)


def test_what_a_widget_has_or_gets_can_still_be_set(agent, tab):
    agent.layout = ipywidgets.Layout(width="50%")
    agent.add_traits(level=traitlets.Int())
    other = ipywidgets.IntText()
    traitlets.link((agent, "level"), (other, "value"))
    other.value = 3
    agent._mine = 1
    assert (agent.level, agent.layout.width) == (3, "50%")
    with agent.hold_trait_notifications(), agent.hold_sync():
        agent.level = 4
    assert other.value == 4
    agent.close()


def test_a_subclass_may_have_attributes_of_its_own_when_it_declares_them(agent):
    class Tutor(VoiceAgent):
        topic: str = "rivers"

    tutor = Tutor()
    tutor.topic = "seas"
    with pytest.raises(AttributeError, match="Did you mean 'topic'"):
        tutor.topik = "lakes"
    tutor.close()


def test_outside_a_notebook_there_is_no_page_to_start_in(endpoint):
    agent = VoiceAgent()
    with pytest.raises(NoFrontEnd):
        agent.start()
    agent.close()


def test_the_state_can_be_observed_but_not_set_and_is_never_synced(agent):
    for name in TRAITS:
        with pytest.raises(traitlets.TraitError):
            setattr(agent, name, getattr(agent, name))
    assert not set(TRAITS) & set(agent.keys)
    saved = ipywidgets.Widget.get_manager_state()["state"][agent.model_id]["state"]
    assert not set(TRAITS) & set(saved)


async def test_observers_see_every_status_in_order(agent, tab):
    seen = []
    agent.observe(lambda change: seen.append(change["new"]), "status")
    tab.become("connecting", "live", "reconnecting", "live", "ended")
    await agent.until("ended", timeout=5)
    await settled()
    assert seen == ["connecting", "live", "reconnecting", "live", "ended"]


async def test_an_observer_that_fails_does_not_stop_the_session(agent, tab):
    agent.observe(lambda change: 1 / 0, "status")
    tab.become("connecting", "live")
    await agent.until("live", timeout=5)
    assert agent.activity == "listening"


async def test_start_asks_the_page_and_is_done_when_the_session_is_live(agent, tab):
    asked = agent.start()
    tab.command("start")
    tab.become("connecting")
    assert agent.status != "live"
    tab.become("live")
    await asked
    assert agent.status == "live"
    with pytest.raises(VoiceError, match="already_live"):
        agent.start()


async def test_start_raises_what_the_page_failed_of(agent, tab):
    asked = agent.start()
    tab.command("start")
    tab.become("connecting")
    tab.tell(("own", {"type": "genmb.error", "code": "mic_denied"}))
    tab.become("failed", code="mic_denied")
    with pytest.raises(VoiceError, match="mic_denied"):
        await asked
    assert repr(agent) == "VoiceAgent(local · failed: mic_denied · 0 turns)"


async def test_a_start_that_no_page_obeys_fails_and_shows(agent, monkeypatch):
    monkeypatch.setattr("genmb_voice_widget.link.TICK", 0.01)
    with pytest.raises(NoFrontEnd):
        await agent.start()
    assert [error.code for error in agent.errors] == ["no_front_end"]


async def test_ask_sends_a_short_id_of_its_own_and_returns_the_reply(agent, tab):
    tab.become("connecting", "live")
    await agent.until("live", timeout=5)
    asking = asyncio.create_task(agent.ask("Who are you?", timeout=5))
    await asyncio.sleep(0)
    say = await asyncio.to_thread(tab.command, "say")
    assert say["text"] == "Who are you?" and 0 < len(say["item_id"]) <= 32
    tab.tell(item("before", "assistant", "Not this."))
    content = [{"type": "input_text", "text": say["text"]}]
    message = {"id": say["item_id"], "type": "message", "role": "user", "content": content}
    response = {"id": "r1", "conversation_id": "c1", "status": "completed"}
    tab.tell(
        ("out", {"type": "conversation.item.create", "item": message}),
        ("out", {"type": "response.create", "event_id": "e1"}),
        ("in", {"type": "response.created", "response": response}),
    )
    reply = item("after", "assistant", "A voice agent.")[1]["item"]
    tab.tell(("in", {"type": "response.done", "response": {**response, "output": [reply]}}))
    assert (await asking).text == "A voice agent."


async def test_ask_of_a_message_that_the_page_refuses_fails_at_once(agent, tab):
    tab.become("connecting", "live")
    await agent.until("live", timeout=5)
    asking = asyncio.create_task(agent.ask("x" * 300_000, timeout=5))
    item_id = (await asyncio.to_thread(tab.command, "say"))["item_id"]
    tab.tell(("own", {"type": "genmb.error", "code": "message_too_long", "item_id": item_id}))
    with pytest.raises(VoiceError, match="message_too_long"):
        await asking


async def asked(agent, tab):
    """Ask in a live session of the page, which has said it and asked for the reply."""
    tab.become("connecting", "live")
    await agent.until("live", timeout=5)
    asking = asyncio.create_task(agent.ask("Who are you?", timeout=5))
    say = await asyncio.to_thread(tab.command, "say")
    content = [{"type": "input_text", "text": say["text"]}]
    message = {"id": say["item_id"], "type": "message", "role": "user", "content": content}
    tab.tell(
        ("out", {"type": "conversation.item.create", "item": message}),
        ("out", {"type": "response.create", "event_id": "e1"}),
    )
    return asking


async def test_ask_fails_at_once_when_the_service_refuses_to_reply(agent, tab):
    asking = await asked(agent, tab)
    error = {"type": "invalid_request_error", "code": "invalid_value", "event_id": "e1", "message": "No."}
    tab.tell(("in", {"type": "error", "error": error}))
    with pytest.raises(VoiceError) as caught:
        await asking
    assert (caught.value.code, caught.value.detail) == ("provider_error", "No.")
    assert agent.status == "live"


async def test_ask_fails_at_once_when_the_reply_is_cut_before_its_first_word(agent, tab):
    asking = await asked(agent, tab)
    response = {"id": "r1", "conversation_id": "c1"}
    tab.tell(("in", {"type": "response.created", "response": response}))
    tab.tell(("in", {"type": "response.done", "response": {**response, "status": "cancelled", "output": []}}))
    with pytest.raises(VoiceError, match="response_failed") as caught:
        await asking
    assert caught.value.detail == "It was interrupted before its first word."
    assert agent.turns[-1].role == "user" and agent.status == "live"


async def test_a_stop_right_after_start_ends_the_wait_for_both(agent, tab):
    starting = agent.start()
    await agent.stop()
    with pytest.raises(VoiceError, match="not_live"):
        async with asyncio.timeout(20):
            await starting
    tab.command("stop")
    assert (agent.status, agent.errors) == ("ended", ())


async def test_a_start_without_a_page_does_not_disturb_the_headless_one_after_it(agent, service, monkeypatch):
    monkeypatch.setattr("genmb_voice_widget.link.TICK", 0.01)
    monkeypatch.setattr("genmb_voice_widget.pages.APPEAR", 30)
    asked = agent.start()
    await settled()
    await agent.start(headless=True, speed=20)
    await asked
    while agent._link._bridge.starting:
        await settled()
    assert (agent.status, agent.errors) == ("live", ())
    await agent.stop()


async def test_a_start_without_a_page_is_refused_from_the_moment_that_a_page_opens_a_call(
    agent, tab, service, endpoint, tmp_path, talker
):
    talker(service)
    tab.send("call", id="1", method="open", params={"log": "log", "sdp": "v=0"})
    await settled()  # the page's log is still to come
    with pytest.raises(VoiceError, match="already_live"):
        agent.start(headless=True)
    with pytest.raises(VoiceError, match="already_live"):
        await agent.run(tmp_path / "one.wav", timeout=5)
    tab.become("connecting", "live")
    await agent.until("live", timeout=5)
    assert endpoint.paths() == ["/v1/sessions"]
    tab.become("ended")
    await agent.until("ended", timeout=5)
    assert len(await agent.run(tmp_path / "one.wav", speed=20, timeout=5)) == 2


@pytest.mark.parametrize("what", ["its call", "its log"])
async def test_of_a_page_and_a_start_without_one_at_the_same_moment_one_gets_the_call(
    agent, tab, service, endpoint, monkeypatch, what
):
    seen = []

    def start():
        try:
            agent.start(headless=True)
        except VoiceError as error:
            seen.append(error.code)

    starting = threading.Thread(target=start)

    def at_once(pages, *page):
        """Let the start come when the page has been let through, and before that is known."""
        starting.start()
        starting.join(0.2)
        return undisturbed(pages, *page)

    name = "claim" if what == "its call" else "begin"
    undisturbed = getattr(Pages, name)
    monkeypatch.setattr(Pages, name, at_once)
    if what == "its call":
        tab.send("call", id="1", method="open", params={"log": "log", "sdp": "v=0"})
    else:
        tab.become("connecting")
    await settled()
    await asyncio.to_thread(starting.join)
    assert seen == ["already_live"]
    assert not agent._conversation.log_id.startswith("headless")


async def test_the_pages_hear_at_once_that_a_session_without_a_browser_is_held(
    agent, tab, service, monkeypatch
):
    monkeypatch.setattr("genmb_voice_widget.link.TICK", 3600)
    agent.start(headless=True, speed=20)
    await asyncio.to_thread(tab.arrived, "beat")
    assert [message for message in tab.sent if message["op"] == "beat"] == [{"op": "beat", "holder": None}]
    await agent.stop()


async def test_a_mute_before_a_headless_session_holds_in_it(agent, service, tmp_path, talker):
    talker(service)
    agent.mute()
    with pytest.raises(WaitTimeout):
        await agent.run(tmp_path / "one.wav", speed=20, timeout=0.1)
    assert service.received == []
    agent.mute(False)
    assert len(await agent.run(tmp_path / "one.wav", speed=20, timeout=5)) == 2


async def test_a_log_with_a_resync_in_it_is_saved_and_replayed(agent, tab, tmp_path):
    tab.become("connecting", "live")
    tab.seq = 5
    tab.tell(item("late", "assistant", "After the gap."))
    await asyncio.to_thread(tab.arrived, "resync")
    shown = Conversation()
    shown.begin("log")
    shown.feed(*agent.events)
    shown.append(item("lost", "user", "In the gap.")[1], "in")
    shown.append(item("late", "assistant", "After the gap.")[1], "in")
    tab.send("snapshot", log="log", seq=6, state={**shown.state.to_json(), "seq": 6})
    tab.become("ended")
    await agent.until("ended", timeout=5)
    replayed = VoiceAgent.replay(agent.save(tmp_path / "talk.jsonl"))
    assert [turn.text for turn in replayed.turns] == ["In the gap.", "After the gap."]
    assert (replayed.status, replayed.events) == ("ended", agent.events)


async def test_ask_ends_when_the_session_does(agent, tab):
    tab.become("connecting", "live")
    await agent.until("live", timeout=5)
    asking = asyncio.create_task(agent.ask("Hello?", timeout=5))
    await asyncio.to_thread(tab.command, "say")
    tab.become("ended")
    with pytest.raises(VoiceError, match="not_live"):
        await asking


async def test_what_is_said_while_the_connection_is_away_is_the_pages_to_keep_and_to_answer_for(agent, tab):
    tab.become("connecting", "live", "reconnecting")
    await agent.until("reconnecting", timeout=5)
    agent.say("Hello?")
    assert (await asyncio.to_thread(tab.command, "say"))["text"] == "Hello?"
    with pytest.raises(VoiceError, match="not_live"):
        agent.respond()
    asking = asyncio.create_task(agent.ask("Anybody?", timeout=5))
    await asyncio.sleep(0)
    await settled()
    said = tab.command("say")
    assert said["text"] == "Anybody?"
    kept = {"code": "connection_lost", "detail": 'Not sent: "Anybody?"', "item_id": said["item_id"]}
    tab.tell(("own", {"type": "genmb.error", **kept}))
    with pytest.raises(VoiceError, match="connection_lost") as caught:
        await asking
    assert caught.value.detail == 'Not sent: "Anybody?"'


async def test_nothing_can_be_said_when_nobody_listens(agent, tab):
    with pytest.raises(VoiceError, match="not_live"):
        agent.say("Hello?")
    with pytest.raises(VoiceError, match="not_live"):
        await agent.ask("Hello?")


async def test_until_takes_a_function_of_the_agent(agent, tab):
    tab.become("connecting", "live")
    waiting = asyncio.create_task(agent.until(lambda a: len(a.turns) == 2, timeout=5))
    tab.tell(item("u", "user", "Hello?"), item("a", "assistant", "Hello!"))
    await waiting
    assert [turn.text for turn in agent.turns] == ["Hello?", "Hello!"]


async def test_until_fails_in_time(agent, tab):
    with pytest.raises(WaitTimeout):
        await agent.until("live", timeout=0.05)


async def test_mute_interrupt_and_stop_reach_the_page(agent, tab):
    tab.become("connecting", "live")
    await agent.until("live", timeout=5)
    agent.mute()
    agent.interrupt()
    stopping = agent.stop()
    assert tab.command("mute")["muted"] is True
    assert tab.command("interrupt") and tab.command("stop")
    tab.become("ended")
    await stopping


async def test_an_answer_is_asked_for_only_of_a_session_that_is_live(agent, tab):
    with pytest.raises(VoiceError, match="not_live"):
        agent.respond()
    tab.become("connecting", "live")
    await agent.until("live", timeout=5)
    agent.respond()
    assert tab.command("respond") == {"op": "command", "client": "tab", "do": "respond"}


async def test_every_change_of_the_turn_detection_is_shown_to_the_page_also_in_a_call(agent, tab):
    def told():
        return [m["settings"]["push_to_talk"] for m in tab.sent if m["op"] == "settings"]

    agent.turn_detection = None
    await settled()
    agent.turn_detection = "server_vad"
    tab.become("connecting", "live")
    await agent.until("live", timeout=5)
    agent.turn_detection = None
    update = tab.command("update")
    assert update["session"]["audio"]["input"] == {"turn_detection": None}
    assert told() == [True, False, True]
    last = max(at for at, message in enumerate(tab.sent) if message["op"] == "settings")
    assert last < tab.sent.index(update), "the microphone closes before the service finds no turns any more"


async def test_closing_the_agent_ends_the_call_in_the_page_and_at_the_endpoint(agent, tab, endpoint):
    tab.become("connecting")
    tab.send("call", id="1", method="open", params={"sdp": "v=0"})
    tab.become("live")
    await agent.until("live", timeout=5)
    while not any(message["op"] == "reply" for message in tab.sent):
        await settled()
    agent.close()
    tab.command("stop")
    while len(endpoint.asked) < 2:
        await settled()
    assert endpoint.asked[-1] == ("/v1/sessions/vs_1/ended", {"reason": "closed"})


async def test_from_the_moment_that_a_page_opens_a_call_its_model_stays(agent, tab, endpoint):
    agent.model = "gpt-realtime"
    tab.send("call", id="1", method="open", params={"log": "log", "sdp": "v=0"})
    await settled()  # the page's log is still to come
    with pytest.raises(VoiceError, match="model cannot change"):
        agent.model = "gpt-realtime-mini"
    agent.language = "de"
    await asyncio.to_thread(tab.arrived, "reply")
    assert endpoint.asked[0][1]["session"]["model"] == "gpt-realtime"
    tab.become("connecting", "live")
    tab.send("call", id="2", method="connected", params={"session": "vs_1"})
    assert (await asyncio.to_thread(tab.command, "update"))["session"].keys() == {"type", "audio"}


def test_two_options_that_two_threads_set_at_the_same_moment_are_both_set(agent):
    other = threading.Thread(target=setattr, args=(agent, "instructions", "Be brief."))

    class Words(list):
        def __iter__(self):  # the vocabulary is being read: the other change comes in the midst of this one
            if other.ident is None:
                other.start()
                other.join(0.2)
            return super().__iter__()

    agent.vocabulary = Words(["Ida"])
    other.join(5)
    assert (agent.vocabulary, agent.instructions) == (("Ida",), "Be brief.")


async def test_a_stop_in_the_moment_in_which_a_page_opens_a_call_reaches_it(agent, tab):
    tab.send("call", id="1", method="open", params={"log": "log", "sdp": "v=0"})
    await agent.stop()
    await asyncio.to_thread(tab.command, "stop")


@pytest.mark.parametrize("answered", [True, False])
async def test_closing_the_agent_in_the_moment_in_which_a_page_opens_a_call_ends_what_comes_of_it(
    agent, tab, endpoint, answered
):
    tab.send("call", id="1", method="open", params={"log": "log", "sdp": "v=0"})
    await (asyncio.to_thread(tab.arrived, "reply") if answered else settled())
    agent.close()
    async with asyncio.timeout(20):
        while len(endpoint.asked) < 2:
            await settled()
    assert endpoint.asked[1:] == [("/v1/sessions/vs_1/ended", {"reason": "closed"})]


async def test_a_saved_session_replayed_is_the_same_session(agent, tab, tmp_path):
    tab.become("connecting", "live")
    tab.tell(item("u", "user", "Hello?"), item("a", "assistant", "Hello!"))
    tab.become("ended")
    await agent.until("ended", timeout=5)
    replayed = VoiceAgent.replay(agent.save(tmp_path / "talk.jsonl"))
    assert replayed._conversation.state.to_json() == agent._conversation.state.to_json()
    assert [getattr(replayed, name) for name in TRAITS] == [getattr(agent, name) for name in TRAITS]
    assert replayed.events == agent.events
    assert repr(replayed) == "VoiceAgent(local · ended · 2 turns)"


async def test_a_replayed_session_can_be_looked_at_but_not_continued(agent, tab, tmp_path):
    tab.become("connecting")
    await agent.until("connecting", timeout=5)
    replayed = VoiceAgent.replay(agent.save(tmp_path / "talk.jsonl"))
    await replayed.until("connecting")
    for attempt in (replayed.start, replayed.ask("Hello?"), replayed.until("live")):
        with pytest.raises(VoiceError, match="read_only"):
            await attempt if asyncio.iscoroutine(attempt) else attempt()


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("no address", None),
        ("https://voice.example", "two words"),
        ("http://voice.example", "key_canary_77"),
    ],
)
def test_a_replay_asks_no_endpoint_so_a_bad_one_in_the_environment_is_no_matter(
    tmp_path, envelope, monkeypatch, address, key
):
    file = recording.save(tmp_path / "talk.jsonl", [envelope(1, type="genmb.status", status="connecting")])
    monkeypatch.setenv("GENMB_VOICE_ENDPOINT", address)
    if key is not None:
        monkeypatch.setenv("GENMB_VOICE_KEY", key)
    with pytest.raises(VoiceError):
        VoiceAgent()
    assert VoiceAgent.replay(file).status == "connecting"


async def test_run_speaks_each_file_and_returns_the_turns_of_this_run(agent, service, tmp_path, talker):
    talker(service)
    turns = await agent.run([tmp_path / "one.wav", tmp_path / "two.wav"], speed=20, timeout=5)
    assert [(turn.role, turn.text) for turn in turns] == [
        ("user", "Turn 1"),
        ("assistant", "Reply 1"),
        ("user", "Turn 2"),
        ("assistant", "Reply 2"),
    ]
    assert (agent.status, repr(agent)) == ("ended", "VoiceAgent(local · ended · 4 turns)")


async def test_run_leaves_a_session_live_that_was(agent, service, tmp_path, talker):
    talker(service)
    await agent.start(headless=True, speed=20)
    assert len(await agent.run(tmp_path / "one.wav", timeout=5)) == 2
    assert agent.status == "live"
    assert [turn.text for turn in await agent.run(tmp_path / "two.wav", timeout=5)] == ["Turn 2", "Reply 2"]
    await agent.stop()
    assert agent.status == "ended"


async def test_run_without_speech_in_the_file_says_that_no_reply_came(agent, service, tmp_path, talker):
    talker(service, replies=False)
    with pytest.raises(WaitTimeout):
        await agent.run(tmp_path / "one.wav", speed=20, timeout=0.1)
    assert agent.status == "ended"


async def test_a_run_interrupted_while_its_session_starts_leaves_none_live(agent, service, tmp_path, talker):
    talker(service)
    service.silent = True
    running = asyncio.create_task(agent.run(tmp_path / "one.wav", speed=20, timeout=5))
    await asyncio.wait_for(service.accepted.wait(), 20)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert agent.status == "ended"


async def test_a_bad_file_fails_before_a_session_begins(agent, endpoint, tmp_path):
    with pytest.raises(VoiceError, match="bad_audio"):
        await agent.run(tmp_path / "absent.wav")
    assert endpoint.asked == [] and agent.status == "idle"


async def test_a_headless_session_can_be_asked_like_any_other(agent, service, talker, monkeypatch):
    monkeypatch.setenv("GENMB_VOICE_HEADLESS", "1")
    talker(service)
    await agent.start(speed=20)
    assert (await agent.ask("Who are you?", timeout=5)).text == "Reply 1"
    await agent.stop()


@pytest.fixture
async def headless(agent, service):
    """A live session of that agent without a browser."""
    await agent.start(headless=True, speed=20)
    yield agent
    await agent.stop()


async def test_a_headless_ask_fails_at_once_when_the_service_refuses_to_reply(headless, service):
    asking = asyncio.create_task(headless.ask("Who are you?", timeout=5))
    [request] = await service.got("response.create")
    error = {"code": "rate_limit_exceeded", "event_id": request["event_id"], "message": "Too many."}
    await service.send({"type": "error", "error": error})
    with pytest.raises(VoiceError) as caught:
        await asking
    assert (caught.value.code, caught.value.detail) == ("provider_error", "Too many.")


async def test_a_headless_ask_fails_at_once_when_it_is_interrupted_before_the_first_word(headless, service):
    asking = asyncio.create_task(headless.ask("Who are you?", timeout=5))
    await service.got("response.create")
    response = {"id": "r1", "conversation_id": "c1"}
    await service.send({"type": "response.created", "response": response})
    await headless.until(lambda agent: agent._conversation.state.responses, timeout=5)
    headless.interrupt()
    await service.got("response.cancel")
    await service.send({"type": "response.done", "response": {**response, "status": "cancelled"}})
    with pytest.raises(VoiceError, match="response_failed") as caught:
        await asking
    assert caught.value.detail == "It was interrupted before its first word."


def test_a_speed_that_is_none_is_refused(agent):
    with pytest.raises(VoiceError, match="bad_option"):
        agent.start(headless=True, speed=0)
    assert agent.status == "idle"


@pytest.fixture
async def finished(agent, tab, service):
    """That agent after a session without a browser, in a kernel that shows its page."""
    await agent.start(headless=True, speed=20)
    await agent.stop()
    assert agent.status == "ended"
    return agent


async def test_after_a_headless_session_mute_start_and_stop_are_the_pages_again(finished, tab):
    finished.mute()
    finished.start()
    stopping = finished.stop()
    assert await asyncio.to_thread(tab.command, "stop")
    await stopping
    assert [m["do"] for m in tab.sent if m["op"] == "command"] == ["mute", "start", "stop"]


async def test_after_a_headless_session_a_kernel_that_cannot_hear_says_so(finished):
    finished._link._shell = Shell(has_pages=True, cells_hear=False)
    with pytest.raises(VoiceError, match="wait_impossible"):
        await finished.until("live", timeout=5)
    with pytest.raises(VoiceError, match="not_live"):
        await finished.ask("Hello?", timeout=5)


async def test_a_mute_in_a_headless_session_holds_in_the_pages_session_after_it(headless, tab):
    headless.mute()
    await headless.stop()
    headless.start(headless=False)
    await asyncio.to_thread(tab.command, "start")
    assert [m["do"] for m in tab.sent if m["op"] == "command"] == ["mute", "start"]


async def test_a_wait_for_the_end_of_a_headless_session_never_finds_that_nobody_can_be_heard(headless):
    headless._link._shell = Shell(has_pages=False, cells_hear=False)
    entered, over = threading.Event(), threading.Event()

    def linger(change):
        entered.set()
        over.wait(5)

    headless.observe(linger, "status")
    stopping = headless.stop()
    await asyncio.to_thread(entered.wait, 5)
    threading.Timer(0.05, over.set).start()
    await stopping
    assert headless.status == "ended"


async def test_start_stop_start_in_one_cell_is_live_when_the_page_is(agent, tab):
    first = agent.start()
    agent.stop()
    second = asyncio.create_task(asyncio.wait_for(asyncio.shield(_awaited(agent.start())), 5))
    with pytest.raises(VoiceError, match="not_live"):
        await first
    await settled()
    ended = [own("connecting"), own("ended")]
    tab.send("events", log="log-1", events=[{**each, "seq": seq} for seq, each in enumerate(ended, 1)])
    tab.become("connecting", "live")
    await second
    assert agent.status == "live"


def own(status):
    return {"t": 0, "dir": "own", "event": {"type": "genmb.status", "status": status}}


async def _awaited(asked):
    await asked


async def test_a_session_that_is_over_before_run_can_speak_says_why(agent, service, tmp_path, talker):
    talker(service)

    def end(change):
        if change["new"] == "live":
            agent._link.headless.stop()

    agent.observe(end, "status")
    with pytest.raises(VoiceError, match="not_live"):
        await agent.run(tmp_path / "one.wav", speed=20, timeout=5)
