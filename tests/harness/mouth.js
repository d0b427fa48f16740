// Gives each getUserMedia a microphone that hears what the test says, when it says it, and else silence.
// window.mouths: one for each, in order; `speak(index, wav)` says a WAV file, in base64, into one of them.
(() => {
  const mouths = (window.mouths = []);
  if (!navigator.mediaDevices) return;
  navigator.mediaDevices.getUserMedia = async () => {
    const context = new AudioContext({ sampleRate: 48_000 });
    const into = context.createMediaStreamDestination();
    mouths.push({ context, into });
    return into.stream;
  };
  window.speak = async (index, wav) => {
    const { context, into } = mouths[index];
    const source = context.createBufferSource();
    const bytes = Uint8Array.from(atob(wav), (character) => character.charCodeAt(0));
    source.buffer = await context.decodeAudioData(bytes.buffer);
    source.connect(into);
    source.start();
  };
})();
