/** Small things that several pages are made of. */
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { Failure } from "./api.ts";
import { capital, distance, meaning, moment, spaced } from "./words.ts";

export type Tone = "good" | "bad" | "warn" | "quiet";

const MARKS: Record<Tone, string> = {
  good: "M4 8.5 7 11.5 12.5 5",
  bad: "M4.5 4.5 11.5 11.5 M11.5 4.5 4.5 11.5",
  warn: "M8 3.6 V9 M8 12 V12.4",
  quiet: "M4.5 8 H11.5",
};

/** A sign beside words that say the same; it is not read out. */
export function Mark({ tone }: { tone: Tone }) {
  return (
    <svg class={`mark ${tone}`} viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="8" />
      <path d={MARKS[tone]} />
    </svg>
  );
}

export function Pill(props: { tone: Tone; children: ComponentChildren }) {
  return <span class={`pill ${props.tone}`}>{props.children}</span>;
}

/** A digest or a name: whole, to be copied, broken where it must be. */
export function Code({ children }: { children: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(children);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <span class="code">
      <code>{children}</code>
      {navigator.clipboard !== undefined && <button type="button" class="copy" onClick={copy} aria-label={`Copy ${children.slice(0, 12)}`}>{copied ? "copied" : "copy"}</button>}
    </span>
  );
}

export function When({ at }: { at: string | number }) {
  return <time title={distance(at)}>{moment(at)}</time>;
}

export function Section(props: { title: string; id: string; note?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section aria-labelledby={props.id}>
      <h2 id={props.id}>{props.title}</h2>
      {props.note !== undefined && <p class="note">{props.note}</p>}
      {props.children}
    </section>
  );
}

/** Terms and what is said under them. What is not there is left out. */
export function Facts({ of }: { of: [string, ComponentChildren][] }) {
  const there = of.filter(([, value]) => value !== undefined && value !== null && value !== false && value !== "");
  return (
    <dl class="facts">
      {there.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}

/**
 * A table that scrolls by itself where it is wider than the screen. On a phone each row is a small card, each cell under its
 * column's name; the roles are stated, since a browser drops them from what is no longer laid out as a table.
 */
export function Table(props: { label: string; columns: [string, "left" | "right"][]; rows: ComponentChildren[][]; empty: string }) {
  if (props.rows.length === 0) return <p class="empty">{props.empty}</p>;
  return (
    <div class="scroll" role="group" aria-label={props.label} tabIndex={0}>
      <table role="table">
        <thead role="rowgroup">
          <tr role="row">{props.columns.map(([name, side]) => <th key={name} role="columnheader" scope="col" class={side}>{name}</th>)}</tr>
        </thead>
        <tbody role="rowgroup">
          {props.rows.map((row, at) => (
            <tr key={at} role="row">{row.map((cell, column) => (
              <td key={column} role="cell" class={props.columns[column]?.[1]} data-label={props.columns[column]?.[0]}><div>{cell}</div></td>
            ))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The way through a list that comes in pages, latest first. */
export function usePages() {
  const [cursors, setCursors] = useState<(string | undefined)[]>([undefined]);
  return {
    cursor: cursors.at(-1),
    isFirst: cursors.length === 1,
    later: () => setCursors(cursors.slice(0, -1)),
    earlier: (next: string) => setCursors([...cursors, next]),
  };
}

export function Turn({ pages, next }: { pages: ReturnType<typeof usePages>; next: string | null }) {
  if (pages.isFirst && next === null) return null;
  return (
    <div class="actions">
      {!pages.isFirst && <button type="button" onClick={pages.later}>Later</button>}
      {next !== null && <button type="button" onClick={() => pages.earlier(next)}>Earlier</button>}
    </div>
  );
}

/** A code and, where it is known, what it means. */
export function Reason({ code, ofService }: { code: string; ofService?: boolean }) {
  const text = meaning(code, ofService);
  return <><span class="reason">{spaced(code)}</span>{text !== undefined && <span class="muted"> {capital(text)}</span>}</>;
}

export function Trouble({ error, again }: { error: unknown; again?: () => void }) {
  const said = error instanceof Error ? error.message : String(error);
  const code = error instanceof Failure ? error.code : undefined;
  return (
    <div class="notice bad" role="alert">
      <p><strong>That did not work.</strong> {said}{code !== undefined && <span class="muted"> ({spaced(code)})</span>}</p>
      {again !== undefined && <button type="button" onClick={again}>Try again</button>}
    </div>
  );
}

export interface Loaded<T> { value: T | undefined; error: unknown; reload: () => void }

/** Asks for something, and again every so often if told to. What is there stays while it is asked for anew. */
export function useLoaded<T>(ask: () => Promise<T>, of: unknown[], everyMs?: number): Loaded<T> {
  const [state, setState] = useState<{ value: T | undefined; error: unknown }>({ value: undefined, error: undefined });
  const [round, setRound] = useState(0);
  useEffect(() => {
    let isWanted = true;
    const load = () => ask().then(
      (value) => { if (isWanted) setState({ value, error: undefined }); },
      (error: unknown) => { if (isWanted) setState(({ value }) => ({ value, error })); },
    );
    void load();
    const timer = everyMs === undefined ? undefined : setInterval(() => { if (!document.hidden) void load(); }, everyMs);
    return () => {
      isWanted = false;
      clearInterval(timer);
    };
  }, [...of, round]);
  return { ...state, reload: useCallback(() => setRound((round) => round + 1), []) };
}

/** What was asked for, or that it is on its way, or why it did not come. */
export function Await<T>(props: { loaded: Loaded<T>; children: (value: T) => ComponentChildren }) {
  const { value, error, reload } = props.loaded;
  return (
    <>
      {error !== undefined && <Trouble error={error} again={reload} />}
      {value !== undefined ? props.children(value) : error === undefined && <p class="empty" role="status">One moment…</p>}
    </>
  );
}
