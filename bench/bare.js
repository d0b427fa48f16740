// The least a page can do to hold a call: microphone, offer, answer. The secret is already there.
window.connectBare = async (url, secret) => {
  marks.begin();
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const pc = new RTCPeerConnection();
  pc.createDataChannel("oai-events");
  pc.addTrack(microphone.getAudioTracks()[0], microphone);
  await pc.setLocalDescription();
  const headers = { Authorization: `Bearer ${secret}`, "Content-Type": "application/sdp" };
  const answer = await fetch(`${url}/v1/realtime/calls`, { method: "POST", headers, body: pc.localDescription.sdp });
  await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  const times = await marks.finished;
  pc.close();
  for (const track of microphone.getTracks()) track.stop();
  return times;
};
