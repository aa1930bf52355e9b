/** The statement of a provider: what there was, what happened, what there is; and the same as CSV. */
import { useId, useState } from "preact/hooks";
import * as api from "../api.ts";
import { Await, Section, Table, Trouble, useLoaded } from "../parts.tsx";
import { Title } from "../router.tsx";
import type { Identity } from "../session.ts";
import { capital, money, short, spaced } from "../words.ts";
import { Only } from "./signin.tsx";

/** Most entries that are drawn: more take a phone too long. */
const MOST_SHOWN = 500;

export function StatementPage() {
  return (
    <>
      <Title lead="Every movement of money of a provider, with the balance after it. Amounts are booked within seconds and never changed.">Statement</Title>
      <Only kinds={["provider", "marketplace", "operator"]} what="A statement is shown to the provider, the marketplace and the operator.">
        {(identity) => <Chosen identity={identity} />}
      </Only>
    </>
  );
}

function Chosen({ identity }: { identity: Identity }) {
  const [of, from, to] = [useId(), useId(), useId()];
  const own = identity.kind === "provider" ? identity.id ?? "" : "";
  const [provider, setProvider] = useState(own);
  const [period, setPeriod] = useState({ from: "", to: "" });
  const query = new URLSearchParams(Object.entries(period).filter(([, day]) => day !== ""));
  return (
    <>
      <div class="panel"><div class="fields">
        {own === "" && <div><label for={of}>Provider</label>
          <input id={of} value={provider} spellcheck={false} placeholder="32 hexadecimal digits" onChange={(event) => setProvider(event.currentTarget.value.trim())} /></div>}
        <div><label for={from}>From</label>
          <input id={from} type="date" value={period.from} onChange={(event) => setPeriod({ ...period, from: event.currentTarget.value })} /></div>
        <div><label for={to}>To, exclusive</label>
          <input id={to} type="date" value={period.to} onChange={(event) => setPeriod({ ...period, to: event.currentTarget.value })} /></div>
      </div></div>
      {provider === "" ? <p class="empty">Name a provider to see its statement.</p> : <Shown key={`${provider}?${query}`} provider={provider} query={query} />}
    </>
  );
}

function Shown({ provider, query }: { provider: string; query: URLSearchParams }) {
  const loaded = useLoaded(() => api.statement(provider, query), []);
  const [trouble, setTrouble] = useState<unknown>();
  const download = async () => {
    setTrouble(undefined);
    await api.statementCsv(provider, query).then((text) => save(text, "statement.csv"), setTrouble);
  };
  return (
    <Await loaded={loaded}>
      {(statement) => (
        <>
          <div class="balances">
            <Balances title="Before" of={statement.opening} />
            <Balances title={query.has("to") ? "After" : "Now"} of={statement.closing} strong />
            <button type="button" onClick={download}>Download as CSV</button>
          </div>
          {trouble !== undefined && <Trouble error={trouble} />}
          <Section title="Entries" id="entries"><Entries of={statement.entries} /></Section>
        </>
      )}
    </Await>
  );
}

function Balances(props: { title: string; of: api.Money[]; strong?: boolean }) {
  const said = props.of.length === 0 ? "nothing" : props.of.map(({ amount, currency }) => money(amount, currency)).join(", ");
  return <p class={props.strong === true ? "balance strong" : "balance"}><span class="muted">{props.title}</span><span>{said}</span></p>;
}

function Entries({ of }: { of: api.Entry[] }) {
  const latestFirst = of.slice(-MOST_SHOWN).reverse();
  return (
    <>
    {of.length > MOST_SHOWN && <p class="note">The latest {MOST_SHOWN} of {of.length}. The CSV has all of them.</p>}
    <Table label="Entries" empty="Nothing happened in this time."
      columns={[["When (UTC)", "left"], ["What", "left"], ["Job or reference", "left"], ["Amount", "right"], ["Balance", "right"]]}
      rows={latestFirst.map((entry) => [
        <span class="nowrap">{short(entry.at)}</span>,
        KINDS[entry.kind] ?? capital(spaced(entry.kind)),
        entry.job !== undefined ? <code>{entry.job.slice(0, 12)}…</code> : <span class="reference">{entry.reference}</span>,
        <span class={entry.amount < 0 ? "less" : "more"}>{entry.amount > 0 ? "+" : ""}{money(entry.amount, entry.currency)}</span>,
        money(entry.balance, entry.currency),
      ])} />
    </>
  );
}

const KINDS: Record<string, string> = {
  stake: "Stake put down", return_stake: "Stake returned", slash: "Stake lost", pay: "Paid for a replica",
  payout: "Paid out of the treasury",
};

function save(text: string, name: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
