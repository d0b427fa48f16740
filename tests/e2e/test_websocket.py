"""A call over one WebSocket, in a plain page against an endpoint that relays it: chosen, and where UDP is blocked by itself."""

from harness.browser import chromium, silence
from harness.served import served
from playwright.async_api import Page

from genmb_voice_widget import spoken

NO_UDP = "--webrtc-ip-handling-policy=disable_non_proxied_udp"
TOLD = """
window.told = { statuses: [], problems: [], turns: new Map() };
genmb.voice.onstatus = (status) => told.statuses.at(-1) === status || told.statuses.push(status);
genmb.voice.onerror = (problem) => told.problems.push(problem);
genmb.voice.ontranscript = (turn) => told.turns.set(turn.id, turn);
window.turns = (role) => [...told.turns.values()].filter((turn) => turn.role === role && turn.status !== "in_progress");
"""
TAP = """
// Everything that goes to the loudspeaker, sample by sample; and what went over the socket.
window.tap = { played: [], sent: [], received: new Map() };
const module = URL.createObjectURL(new Blob([`registerProcessor("tap", class extends AudioWorkletProcessor {
  process([[samples]]) { if (samples) this.port.postMessage(samples.slice()); return true; }
})`], { type: "text/javascript" }));
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...more) {
  if (to instanceof MediaStreamAudioDestinationNode)
    this.context.audioWorklet.addModule(module).then(() => {
      const node = new AudioWorkletNode(this.context, "tap");
      node.port.onmessage = ({ data }) => tap.played.push(...data);
      connect.call(this, node);
    });
  return connect.call(this, to, ...more);
};
const Real = WebSocket;
window.WebSocket = class extends Real {
  constructor(url) {
    super(url);
    this.addEventListener("message", ({ data }) => {
      const { type, item_id, delta } = JSON.parse(data);
      if (type !== "response.output_audio.delta") return;
      if (!tap.received.has(item_id)) tap.received.set(item_id, []);
      tap.received.get(item_id).push(delta);
    });
  }
  send(data) {
    const event = JSON.parse(data);
    if (event.type !== "input_audio_buffer.append") tap.sent.push(event);
    if (event.type === "conversation.item.truncate") tap.cutAt ??= tap.played.length;
    super.send(data);
  }
};
"""
HEARD = """() => {
  const { item_id, audio_end_ms } = tap.sent.find(({ type }) => type === "conversation.item.truncate");
  const decode = (delta) => Uint8Array.from(atob(delta), (character) => character.charCodeAt(0)).buffer;
  const received = tap.received.get(item_id).flatMap((delta) => [...new Int16Array(decode(delta))]);
  // Until 300 ms of silence about the time of the cut. A gap of the network's is silence too, so sounds are counted.
  let [sounds, gap] = [0, 0];
  for (let at = 0; at < tap.played.length && !(at > tap.cutAt - 4_800 && gap > 7_200); at += 1) {
    gap = tap.played[at] === 0 ? gap + 1 : 0;
    sounds += tap.played[at] === 0 ? 0 : 1;
  }
  let least = 0;
  for (let left = sounds; left > 0; least += 1) if (received[least] !== 0) left -= 1;
  let most = least;
  while (most < received.length && received[most] === 0) most += 1;
  return { told: audio_end_ms, least: least / 24, most: most / 24, whole: received.length / 24 };
}"""


async def open_page(browser, url: str) -> Page:
    page = await browser.new_page()
    await page.add_init_script(TAP)
    await page.goto(url)
    await page.evaluate(TOLD)
    return page


async def test_speaking_over_the_reply_truncates_it_at_what_was_really_played(tmp_path):
    sentences = ["Tell me a story.", "Who are you?"]
    speech = spoken(sentences, tmp_path / "speech.wav", lead_in=3.0, pause=6.0, tail=1.0)
    with served({}) as url:
        async with chromium(speech) as browser:
            page = await open_page(browser, url)
            await page.evaluate("genmb.voice.start({ transport: 'websocket' })")
            await page.wait_for_function("turns('assistant').length === 2", timeout=60_000)
            texts = await page.evaluate("turns('user').map(({ text }) => text)")
            first, second = await page.evaluate("turns('assistant')")
            heard = await page.evaluate(HEARD)
            print(heard)
            assert texts == sentences
            assert first["status"] == "interrupted" and first["text"].startswith(first["heard"])
            assert second["text"].startswith("I am the demo agent")
            assert heard["told"] < heard["whole"] - 1_000, "it was cut before its end"
            assert heard["least"] - 100 <= heard["told"] <= heard["most"] + 100
            await page.evaluate("genmb.voice.stop()")
            assert await page.evaluate("[told.statuses, told.problems]") == [
                ["connecting", "live", "ended"],
                [],
            ]


async def test_where_udp_is_blocked_the_call_comes_about_by_itself(tmp_path):
    question = spoken("Who are you?", tmp_path / "question.wav", lead_in=25.0, tail=1.0)
    with served({}) as url:
        async with chromium(question, flags=(NO_UDP,)) as browser:
            page = await open_page(browser, url)
            took = await page.evaluate(
                "(async () => { const at = performance.now(); await genmb.voice.start(); return performance.now() - at; })()"
            )
            print(took)
            await page.wait_for_function("turns('assistant').length === 1", timeout=60_000)
            assert await page.evaluate("turns('user').map(({ text }) => text)") == ["Who are you?"]
            assert await page.evaluate("[told.problems, tap.received.size]") == [[], 1]


async def test_push_to_talk_and_what_is_typed_work_over_a_socket_too(tmp_path):
    with served({}) as url:
        async with chromium(silence(tmp_path / "silence.wav")) as browser:
            page = await open_page(browser, url)
            await page.evaluate("genmb.voice.start({ transport: 'websocket', pushToTalk: true })")
            await page.evaluate("genmb.voice.say('Tell me a story.')")
            await page.wait_for_function(
                "told.statuses.at(-1) === 'live' && tap.played.some((sample) => sample !== 0)"
            )
            await page.evaluate("genmb.voice.talk(true)")
            await page.wait_for_function("turns('assistant')[0]?.status === 'interrupted'")
            sent = await page.evaluate("tap.sent.map(({ type }) => type)")
            assert "conversation.item.truncate" in sent and "input_audio_buffer.clear" in sent
            assert "output_audio_buffer.clear" not in sent, "it is WebRTC's alone"
            assert await page.evaluate("told.problems") == []
