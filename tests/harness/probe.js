// Watches, from outside, what a page does with the microphone and with the sound it receives.
// window.probe.microphones: every track that getUserMedia has given out.
// window.probe.asking: how many requests for one are not answered yet.
// window.probe.levels: {t, user, agent} RMS every 10 ms while a stream of that side exists (performance.now() ms).
(() => {
  const probe = { microphones: [], asking: 0, levels: [] };
  window.probe = probe;
  const AnalyserSource = (stream) => {
    probe.context ??= new AudioContext();
    const analyser = probe.context.createAnalyser();
    analyser.fftSize = 512;
    probe.context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    return () => {
      analyser.getFloatTimeDomainData(samples);
      let sum = 0;
      for (const sample of samples) sum += sample * sample;
      return Math.sqrt(sum / samples.length);
    };
  };
  let user = () => 0;
  let agent = () => 0;
  if (navigator.mediaDevices) {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (constraints) => {
      probe.asking += 1;
      const stream = await real(constraints).finally(() => (probe.asking -= 1));
      probe.microphones.push(...stream.getTracks());
      if (window.probeLevels) user = AnalyserSource(stream);
      return stream;
    };
  }
  probe.listen = () => {
    window.probeLevels = true;
    const describe = Object.getOwnPropertyDescriptor(RTCPeerConnection.prototype, "setRemoteDescription").value;
    RTCPeerConnection.prototype.setRemoteDescription = function (description) {
      this.addEventListener("track", (event) => {
        agent = AnalyserSource(new MediaStream([event.track]));
      });
      return describe.call(this, description);
    };
    const destination = AudioContext.prototype.createMediaStreamDestination;
    AudioContext.prototype.createMediaStreamDestination = function () {
      const node = destination.call(this);
      agent = AnalyserSource(node.stream); // what the page plays itself
      return node;
    };
    setInterval(() => probe.levels.push({ t: performance.now(), user: user(), agent: agent() }), 10);
  };
  probe.state = () =>
    probe.microphones.length === 0 ? "never opened" : (["closed", "open"][probe.openMicrophones()] ?? "twice open");
  probe.openMicrophones = () => probe.microphones.filter((track) => track.readyState === "live").length;
})();
