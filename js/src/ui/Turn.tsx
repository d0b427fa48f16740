/** One turn of the conversation as a caption. Draws itself again only when its turn has become another one. */
import { Component } from "preact";
import type { Turn } from "../fold/turn";
import { speaker, toolLine } from "./words";

export class Caption extends Component<{ turn: Turn }> {
  override shouldComponentUpdate(next: { turn: Turn }): boolean {
    return next.turn !== this.props.turn;
  }

  override render({ turn }: { turn: Turn }) {
    return (
      <li
        class={`gv-turn gv-${turn.role}`}
        data-testid="turn"
        data-role={turn.role}
        data-status={turn.status}
        aria-busy={turn.status === "in_progress"}
      >
        <span class="gv-who">{speaker[turn.role]}</span>
        {turn.role === "tool" ? <ToolText turn={turn} /> : <SpokenText turn={turn} />}
      </li>
    );
  }
}

function ToolText({ turn }: { turn: Turn }) {
  const line = toolLine(turn.call?.name ?? null, turn.call?.arguments ?? "");
  const output = turn.call?.output ?? null;
  return (
    <span class="gv-tool-line" title={output === null ? line : `${line} → ${output}`}>
      <code>{line}</code>
      {output === null ? " …" : ` → ${output}`}
    </span>
  );
}

function SpokenText({ turn }: { turn: Turn }) {
  const { text, status, heard } = turn;
  if (status === "interrupted") {
    const unheard = heard === null ? "" : text.slice(heard.length).trimStart();
    return (
      <p class="gv-text">
        {heard ?? text} {unheard && <s class="gv-unheard">{unheard}</s>}
        <span class="gv-tag">interrupted</span>
      </p>
    );
  }
  if (text) return <p class="gv-text">{text}</p>;
  if (status === "in_progress")
    return (
      <p class="gv-text gv-dots" role="img" aria-label="speaking">
        <i />
        <i />
        <i />
      </p>
    );
  return <p class="gv-text gv-wordless">{status === "failed" ? "could not be written down" : "no words"}</p>;
}
