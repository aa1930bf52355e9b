/** The jobs of a tenant, and one of them with its replicas as things happen. */
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api.ts";
import { Await, Code, Facts, Mark, Pill, Reason, Section, Table, Trouble, Turn, useLoaded, usePages, When, type Tone } from "../parts.tsx";
import { href, Link, Title } from "../router.tsx";
import { useIdentity } from "../session.ts";
import { capital, chance, clock, distance, money, share, spaced } from "../words.ts";
import { Only } from "./signin.tsx";

const REFRESH_MS = 10_000;
const RECONNECT_MS = 3000;

export function JobsPage({ id }: { id: string | undefined }) {
  return id === undefined ? <AllJobs /> : <OneJob id={id} />;
}

function AllJobs() {
  const isMarketplace = useIdentity()?.kind === "marketplace";
  return (
    <>
      <Title lead={isMarketplace ? "All jobs, latest first, and what became of them." : "What you asked for, latest first, and what became of it."}>Jobs</Title>
      <Only kinds={["tenant", "marketplace"]} what="Jobs are shown to their tenant and to the marketplace.">
        {({ kind }) => <List empty={kind === "tenant" ? "No jobs yet. `pogw job submit job.json` offers one." : "No jobs yet."} />}
      </Only>
    </>
  );
}

function List({ empty }: { empty: string }) {
  const pages = usePages();
  const loaded = useLoaded(() => api.jobs(pages.cursor), [pages.cursor], REFRESH_MS);
  return (
    <Await loaded={loaded}>
      {({ jobs, next }) => (
        <>
          <Table label="Jobs" empty={empty}
            columns={[["Job", "left"], ["Status", "left"], ["Offered", "left"], ["Digest", "left"]]}
            rows={jobs.map((job) => [
              <Link to={href("jobs", job.id)}>{job.id.slice(0, 12)}…</Link>,
              <StatusPill status={job.status} />,
              <time title={distance(job.created_at)}>{distance(job.created_at)}</time>,
              <code>{job.digest.slice(0, 16)}…</code>,
            ])} />
          <Turn pages={pages} next={next} />
        </>
      )}
    </Await>
  );
}

const TONES: Record<string, Tone> = {
  settled: "good", accepted: "good", paid: "good", upheld: "good", judged: "good",
  failed: "bad", refused: "bad", slashed: "bad", disputed: "warn", expired: "warn",
};

function toneOf(status: string): Tone {
  return TONES[status] ?? "quiet";
}

function StatusPill({ status }: { status: string }) {
  return <Pill tone={toneOf(status)}>{capital(spaced(status))}</Pill>;
}

const MEANINGS: Record<string, string> = {
  open: "It is offered to agents, who commit to results. Nobody sees a result before all are in.",
  opening: "All commitments are in. The results are being opened and judged.",
  judging: "The results are being judged.",
  disputed: "The results differ. The referee asks who is right.",
  accepted: "The results are accepted. Until the dispute window ends, they can be audited again.",
  settled: "The results are accepted, and everybody has what is theirs.",
  failed: "Nothing came of it, and the price is back with the tenant.",
  cancelled: "The tenant took it back before anybody had committed.",
};

function OneJob({ id }: { id: string }) {
  const [name, setName] = useState("Job");
  return (
    <>
      <Title kicker={<><Link to={href("jobs")}>Jobs</Link> / <code>{id}</code></>}>{name}</Title>
      <Only kinds={["tenant", "marketplace"]} what="A job is shown to its tenant and to the marketplace.">{() => <Live id={id} onName={setName} />}</Only>
    </>
  );
}

function Live({ id, onName }: { id: string; onName: (name: string) => void }) {
  const job = useLoaded(() => api.job(id), [id]);
  const spec = job.value?.spec;
  useEffect(() => { if (spec !== undefined) onName(spec.label ?? spec.kernel ?? "Job"); }, [spec]);
  const receipts = useLoaded(() => api.jobReceipts(id), [id]);
  const history = useHistory(id, () => {
    job.reload();
    receipts.reload();
  });
  return (
    <Await loaded={job}>
      {(value) => (
        <>
          <div class={`verdict ${toneOf(value.status)}`}>
            <Mark tone={toneOf(value.status)} />
            <div>
              <h2>{capital(spaced(value.status))} {history.isLive && <span class="live"><span aria-hidden="true" /> live</span>}</h2>
              <p>{MEANINGS[value.status] ?? capital(spaced(value.status))}</p>
              {value.code !== undefined && <p><Reason code={value.code} /></p>}
              {value.settle_at !== undefined && <p class="muted">The dispute window ends {distance(value.settle_at)}.</p>}
            </div>
          </div>
          <Offer job={value} />
          <Replicas job={value} receipts={receipts.value?.receipts ?? []} />
          <History events={history.events} error={history.error} />
        </>
      )}
    </Await>
  );
}

function Offer({ job }: { job: api.Job }) {
  const { price, stake, replicas, audit } = job.terms;
  return (
    <Section title="What was asked" id="asked">
      <Facts of={[
        ["Kernel", job.spec.kernel],
        ["Command", job.spec.command !== undefined && "a program of the tenant's"],
        ["Replicas", replicas?.count.toString()],
        ["Price of a replica", price && money(price.amount, price.currency)],
        ["Stake", price && stake !== undefined && money(stake, price.currency)],
        ["Audit", audit && `${share(audit.wrong_ppm)} or more of wrong points stay unseen with a chance of at most ${chance(audit.log2_miss)}`],
        ["Offered", <When at={job.created_at} />],
        ["Ended", job.ended_at && <When at={job.ended_at} />],
        ["Digest", <Code>{job.digest}</Code>],
      ]} />
    </Section>
  );
}

function Replicas({ job, receipts }: { job: api.Job; receipts: api.JobReceipt[] }) {
  const agree = job.agreeing < 2 ? undefined : `${job.agreeing} replicas agree: right if one of them is honest.`;
  return (
    <Section title="Replicas" id="replicas" note={agree}>
      <Table label="Replicas" 
        empty={job.ended_at === undefined ? "Nobody is named before all commitments are in." : "Nobody is named: it ended before all commitments were in."}
        columns={[["Replica", "left"], ["Provider", "left"], ["Status", "left"], ["Receipt", "left"]]}
        rows={job.assignments.map((replica) => {
          const receipt = receipts.find(({ assignment }) => assignment === replica.id);
          return [
            <code>{replica.id.slice(0, 12)}…</code>,
            <code>{replica.provider.slice(0, 12)}…</code>,
            <><StatusPill status={replica.status} /> {replica.code !== undefined && <Reason code={replica.code} />}</>,
            receipt === undefined ? "" : receipt.revoked_at !== undefined ? "revoked"
              : <Link to={href("receipts", receipt.id)}>Look at the receipt</Link>,
          ];
        })} />
    </Section>
  );
}

function History({ events, error }: { events: api.JobEvent[]; error: unknown }) {
  return (
    <Section title="What happened" id="history">
      {error !== undefined && <Trouble error={error} />}
      <ol class="history" aria-live="polite" aria-relevant="additions">
        {events.map((event) => (
          <li key={event.number}>
            <time>{clock(event.at)}</time>
            <span>{capital(spaced(event.kind))}{event.assignment !== undefined && <> <code class="muted">{event.assignment.slice(0, 8)}</code></>}
              {event.code !== undefined && <>: <Reason code={event.code} /></>}</span>
          </li>
        ))}
      </ol>
    </Section>
  );
}

/** Follows the events of a job as they are made; a connection that breaks is taken up where it was. */
function useHistory(id: string, onEvent: () => void) {
  const identity = useIdentity();
  const [events, setEvents] = useState<api.JobEvent[]>([]);
  const [isLive, setLive] = useState(false);
  const [error, setError] = useState<unknown>();
  const tell = useRef(onEvent);
  tell.current = onEvent;
  useEffect(() => {
    const ended = new AbortController();
    const follow = async () => {
      let last = "";
      setEvents([]);
      while (!ended.signal.aborted) {
        try {
          for await (const event of api.events(id, last, ended.signal)) {
            last = event.number;
            setError(undefined);
            setLive(true);
            setEvents((events) => [...events, event]);
            tell.current();
            if (ENDS.includes(event.kind)) return;
          }
        } catch (error) {
          // What the verifier refuses it refuses again; a connection that broke is worth another.
          if (ended.signal.aborted || (error instanceof api.Failure && error.status >= 400 && error.status < 500)) throw error;
          setError(error);
        }
        setLive(false);
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
      }
    };
    follow().catch((error: unknown) => { if (!ended.signal.aborted) setError(error); }).finally(() => setLive(false));
    return () => ended.abort();
  }, [id, identity]);
  return { events, isLive, error };
}

const ENDS = ["job_settled", "job_failed", "job_cancelled"];
