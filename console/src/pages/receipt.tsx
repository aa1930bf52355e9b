/** The first page: a receipt is pasted, dropped, chosen or opened by its name, and checked here, in the browser. */
import { useEffect, useId, useState } from "preact/hooks";
import * as api from "../api.ts";
import { Trouble, useLoaded } from "../parts.tsx";
import { LEVELS, type Level } from "../receipt/claims.ts";
import { CannotVerify, readKeys, type Key } from "../receipt/keys.ts";
import { Rejected } from "../receipt/rejected.ts";
import { LEEWAY_S, validate, type Outcome } from "../receipt/validate.ts";
import { ReceiptView, type Standing } from "../receipt/view.tsx";
import { go, href, Title } from "../router.tsx";
import { duration, millis } from "../words.ts";

interface Wanted { audience: string; minimumLevel: Level; job: string; nonce: string }

export function ReceiptPage({ id }: { id: string | undefined }) {
  const service = useLoaded(api.service, []);
  const [token, setToken] = useState("");
  const [wanted, setWanted] = useState<Wanted>({ audience: "", minimumLevel: "A1", job: "", nonce: "" });
  const [outcome, setOutcome] = useState<Outcome>();
  const [standing, setStanding] = useState<Standing>();
  const [trouble, setTrouble] = useState<unknown>();
  const known = service.value;

  const check = async (text: string) => {
    setTrouble(undefined);
    try {
      const facts = known ?? await api.service();
      const found = await judged(text.trim(), facts, wanted);
      setStanding(await standingOf(found));
      setOutcome(found);
    } catch (error) {
      setOutcome(undefined);
      setTrouble(error);
    }
  };
  const take = (text: string) => {
    setToken(text);
    void check(text);
  };
  const again = (kept: string) => {
    setToken(kept);
    setOutcome(undefined);
    if (kept === "" && id !== undefined) go(href(""));
  };
  useEffect(() => {
    if (id === undefined) return;
    setOutcome(undefined);
    api.receipt(id).then(take, setTrouble);
  }, [id]);

  return (
    <>
      <Title lead={outcome === undefined && <>Paste a receipt, drop its file anywhere on this page, or open one by its name. It is checked in this browser,
        against the keys that {known === undefined ? "this verifier" : <strong>{known.issuer}</strong>} publishes. Of what you paste only the name of the receipt is sent,
        to this verifier, which says whether it was revoked.</>}>
        {outcome === undefined ? "Check a work receipt" : "Work receipt"}
      </Title>
      {known !== undefined && <Clocks service={known} />}
      {service.error !== undefined && <Trouble error={service.error} again={service.reload} />}
      {trouble !== undefined && <Trouble error={trouble} />}
      {outcome === undefined && <Input token={token} onInput={setToken} onTake={take} onCheck={() => void check(token)} service={known}
        wanted={wanted} onWanted={setWanted} />}
      {outcome !== undefined && (
        <ReceiptView outcome={outcome} standing={standing}><Again onAnother={() => again("")} onChange={() => again(token)} /></ReceiptView>
      )}
    </>
  );
}

/** Whoever's clock is wrong reads wrong verdicts about times. */
function Clocks({ service }: { service: api.Service }) {
  const [apartS] = useState(Math.round(Math.abs(millis(service.now) - Date.now()) / 1000));
  if (apartS <= LEEWAY_S) return null;
  return <p class="notice">The clock of this machine and that of the verifier are {duration(apartS * 1e6)} apart. What is said below about times is by this machine's.</p>;
}

function Again({ onAnother, onChange }: { onAnother: () => void; onChange: () => void }) {
  return (
    <div class="actions again">
      <button type="button" onClick={onAnother}>Check another</button>
      <button type="button" onClick={onChange}>Expectations</button>
    </div>
  );
}

/** Checks a token against the keys of this verifier, as they are now. */
export async function judged(token: string, service: api.Service, wanted: Wanted): Promise<Outcome> {
  let keys: Key[];
  try {
    keys = await readKeys(await api.keySet());
  } catch (error) {
    if (error instanceof CannotVerify) return { verdict: "unavailable", detail: error.message };
    if (error instanceof Rejected) throw new Error(`The key set of this verifier cannot be used (${error.code}).`);
    throw error;
  }
  const said = (text: string) => text.trim() === "" ? undefined : text.trim();
  const expected = {
    issuer: service.issuer,
    audience: said(wanted.audience),
    minimumLevel: wanted.minimumLevel,
    job: said(wanted.job),
    nonce: said(wanted.nonce),
  };
  return validate(token, keys, expected, Math.floor(Date.now() / 1000));
}

const STANDINGS = ["holds", "provisional", "revoked"] as const;

/** What the verifier says now of a receipt that it signed; of any other there is nothing to ask. */
async function standingOf(outcome: Outcome): Promise<Standing | undefined> {
  if (outcome.verdict === "unavailable" || outcome.claims === undefined) return undefined;
  try {
    const { status, revoked_at: at } = await api.standing(outcome.claims.jti);
    const known = STANDINGS.find((one) => one === status);
    return { status: known ?? "unknown", at };
  } catch {
    return { status: "unknown", at: undefined };
  }
}

interface InputProps {
  token: string; onInput: (text: string) => void; onTake: (text: string) => void; onCheck: () => void;
  service: api.Service | undefined; wanted: Wanted; onWanted: (wanted: Wanted) => void;
}

function Input(props: InputProps) {
  const field = useId();
  const over = useDrop(props.onTake);
  // Whoever comes back from a verdict with the token wants to say what was not said.
  const [isAgain] = useState(props.token !== "");
  const submit = (event: Event) => {
    event.preventDefault();
    props.onCheck();
  };
  const paste = (event: ClipboardEvent) => {
    const text = event.clipboardData?.getData("text") ?? "";
    if (text.split(".").length !== 3) return;
    event.preventDefault();
    props.onTake(text.trim());
  };
  return (
    <div class={over ? "panel over" : "panel"}>
      <form onSubmit={submit}>
        <label for={field}>Receipt <span class="muted">(a token that begins with eyJ)</span></label>
        <textarea id={field} rows={4} spellcheck={false} autocomplete="off" value={props.token} placeholder="eyJhbGciOiJFUzM4NCIs…"
          onPaste={paste} onInput={(event) => props.onInput(event.currentTarget.value)} />
        <Expected isOpen={isAgain} service={props.service} wanted={props.wanted} onWanted={props.onWanted} />
        <div class="actions">
          <button type="submit" class="primary" disabled={props.token.trim() === ""}>Check receipt</button>
          <FileButton onTake={props.onTake} />
        </div>
      </form>
      <ByName />
    </div>
  );
}

interface ExpectedProps { isOpen: boolean; service: api.Service | undefined; wanted: Wanted; onWanted: (wanted: Wanted) => void }

function Expected({ isOpen, service, wanted, onWanted }: ExpectedProps) {
  const [audience, least, job, nonce, names] = [useId(), useId(), useId(), useId(), useId()];
  const change = (part: Partial<Wanted>) => onWanted({ ...wanted, ...part });
  return (
    <details class="expected" open={isOpen}>
      <summary>What you expect of it</summary>
      <div class="fields">
        <div>
          <label for={audience}>You are (audience)</label>
          <input id={audience} list={names} value={wanted.audience} placeholder={service?.audience.join(" or ")}
            onInput={(event) => change({ audience: event.currentTarget.value })} />
          <datalist id={names}>{service?.audience.map((name) => <option key={name} value={name} />)}</datalist>
        </div>
        <div>
          <label for={least}>Assurance, at least</label>
          <select id={least} value={wanted.minimumLevel} onChange={(event) => change({ minimumLevel: event.currentTarget.value as Level })}>
            {LEVELS.map((level) => <option key={level} value={level}>{level}{level === "A0" ? " (simulated too)" : ""}</option>)}
          </select>
        </div>
        <div>
          <label for={job}>About this job <span class="muted">(digest)</span></label>
          <input id={job} value={wanted.job} spellcheck={false} onInput={(event) => change({ job: event.currentTarget.value })} />
        </div>
        <div>
          <label for={nonce}>Answering this challenge</label>
          <input id={nonce} value={wanted.nonce} spellcheck={false} onInput={(event) => change({ nonce: event.currentTarget.value })} />
        </div>
      </div>
    </details>
  );
}

function FileButton({ onTake }: { onTake: (text: string) => void }) {
  const field = useId();
  const choose = async (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    const file = input.files?.[0];
    if (file !== undefined) onTake((await file.text()).trim());
    input.value = "";
  };
  return (
    <span class="file">
      <input id={field} type="file" accept=".jwt,.txt,.token,application/eat+jwt,text/plain" onChange={choose} />
      <label for={field}>Choose a file</label>
    </span>
  );
}

function ByName() {
  const field = useId();
  const [name, setName] = useState("");
  const open = (event: Event) => {
    event.preventDefault();
    if (name.trim() !== "") go(href("receipts", name.trim()));
  };
  return (
    <form class="by-name" onSubmit={open}>
      <label for={field}>Or open one by its name</label>
      <div class="actions">
        <input id={field} value={name} spellcheck={false} autocomplete="off" placeholder="32 hexadecimal digits"
          onInput={(event) => setName(event.currentTarget.value)} />
        <button type="submit">Open</button>
      </div>
    </form>
  );
}

/** Takes a file or a text that is dropped anywhere on the page; says whether something hovers. */
function useDrop(onTake: (text: string) => void): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const drag = (event: DragEvent) => {
      event.preventDefault();
      setOver(true);
    };
    const leave = () => setOver(false);
    const drop = async (event: DragEvent) => {
      event.preventDefault();
      setOver(false);
      const file = event.dataTransfer?.files[0];
      const text = file === undefined ? event.dataTransfer?.getData("text") : await file.text();
      if (text !== undefined && text.trim() !== "") onTake(text.trim());
    };
    addEventListener("dragover", drag);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", drag);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  });
  return over;
}
