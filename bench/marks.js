// The same stopwatch for every client: milliseconds since `marks.begin()` until the call stands and until sound arrives.
(() => {
  let began = 0;
  let done;
  const marks = (window.marks = {
    begin: () => {
      marks.connected = marks.channel = marks.audio = undefined;
      marks.finished = new Promise((resolve) => (done = resolve));
      began = performance.now();
    },
  });
  const mark = (name) => {
    marks[name] ??= performance.now() - began;
    if (marks.connected && marks.channel && marks.audio)
      done({ connected: Math.max(marks.connected, marks.channel), audio: marks.audio });
  };
  const create = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (...how) {
    const channel = create.apply(this, how);
    channel.addEventListener("open", () => mark("channel"));
    this.addEventListener("connectionstatechange", () => this.connectionState === "connected" && mark("connected"));
    this.addEventListener("track", ({ track }) =>
      track.muted ? track.addEventListener("unmute", () => mark("audio"), { once: true }) : mark("audio"),
    );
    return channel;
  };
})();
