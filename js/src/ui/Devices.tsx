/** Which microphone and which loudspeaker: a small menu, whose lists are read when it is opened and as devices come and go. */
import { useEffect, useState } from "preact/hooks";
import { ANY, canChoose, choose, chosen, type Device, type Kind, list } from "../devices";
import { Icon } from "./Icon";

const LABELS: ReadonlyArray<readonly [Kind, string]> = [
  ["audioinput", "Microphone"],
  ["audiooutput", "Speaker"],
];

export function Devices() {
  const [open, setOpen] = useState(false);
  return (
    <details class="gv-devices" data-testid="devices" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary class="gv-button" aria-label="Choose microphone and speaker" title="Microphone and speaker">
        <SlidersIcon />
      </summary>
      {open && (
        <div class="gv-devices-menu">
          {LABELS.filter(([kind]) => canChoose(kind)).map(([kind, label]) => (
            <Choice key={kind} kind={kind} label={label} />
          ))}
        </div>
      )}
    </details>
  );
}

function Choice({ kind, label }: { kind: Kind; label: string }) {
  const [devices, setDevices] = useState<readonly Device[]>([]);
  const [choice, setChoice] = useState(chosen(kind));
  useEffect(() => {
    const look = () => void list(kind).then(setDevices);
    look();
    navigator.mediaDevices?.addEventListener("devicechange", look);
    return () => navigator.mediaDevices?.removeEventListener("devicechange", look);
  }, [kind]);
  // What is chosen but not there is not what is used.
  const shown = devices.some(({ id }) => id === choice) ? choice : ANY;
  return (
    <label class="gv-choice">
      <span>{label}</span>
      <select
        class="gv-input"
        data-testid={kind}
        value={shown}
        onChange={({ currentTarget: { value } }) => {
          setChoice(value);
          choose(kind, value);
        }}
      >
        <option value={ANY}>The browser's choice</option>
        {devices.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function SlidersIcon() {
  return (
    <Icon>
      <path d="M2 5h7M13 5h1M2 11h1M7 11h7" />
      <circle cx="11" cy="5" r="1.75" />
      <circle cx="5" cy="11" r="1.75" />
    </Icon>
  );
}
