/** The last day of this verifier: how verdicts came out, why not, and how long they took. */
import * as api from "../api.ts";
import { Bars, Lines, type Plot } from "../charts.tsx";
import { Await, Reason, Section, Table, useLoaded } from "../parts.tsx";
import { Title } from "../router.tsx";
import { clock, duration, millis } from "../words.ts";
import { count } from "../receipt/words.ts";
import { Only } from "./signin.tsx";

const STEP_S = 900;
const DAY_S = 24 * 3600;
const REFRESH_MS = 30_000;
const UNVERIFIABLE = "unverifiable";

export function OverviewPage() {
  return (
    <>
      <Title lead="What this verifier judged in the last day, and how long it took. Numbers are of this process alone, and begin anew with it.">Overview</Title>
      <Only kinds={["operator"]} what="The numbers of a verifier are shown to its operator.">{() => <Day />}</Only>
    </>
  );
}

function Day() {
  const loaded = useLoaded(() => api.statistics(STEP_S), [], REFRESH_MS);
  return <Await loaded={loaded}>{(statistics) => <Shown day={dayOf(statistics)} />}</Await>;
}

interface Moment { at: number; granted: number; refused: number; unverifiable: number; latency: number[] }
interface Day { moments: Moment[]; bounds: number[]; reasons: [string, number][]; latency: number[] }

/** The steps of the last day, those without a verdict too. */
function dayOf({ as_of, steps, latency_bounds_us: bounds }: api.Statistics): Day {
  const last = Math.floor(millis(as_of) / 1000 / STEP_S) * STEP_S;
  const of = new Map(steps.map((step) => [millis(step.at) / 1000, step]));
  const times = Array.from({ length: DAY_S / STEP_S }, (_, at) => last - DAY_S + (at + 1) * STEP_S);
  const moments = times.map((at) => momentOf(at, of.get(at)));
  const reasons = new Map<string, number>();
  for (const { verdict, count } of steps.flatMap((step) => step.verdicts)) {
    if (verdict !== "granted") reasons.set(verdict, (reasons.get(verdict) ?? 0) + count);
  }
  const latency = steps.reduce((sums, step) => step.latency.map((count, at) => count + (sums[at] ?? 0)), [] as number[]);
  return { moments, bounds, reasons: [...reasons].sort(([, a], [, b]) => b - a), latency };
}

function momentOf(at: number, step: api.Step | undefined): Moment {
  const sum = (is: (verdict: string) => boolean) =>
    (step?.verdicts ?? []).filter(({ verdict }) => is(verdict)).reduce((sum, { count }) => sum + count, 0);
  return {
    at,
    granted: sum((verdict) => verdict === "granted"),
    refused: sum((verdict) => verdict !== "granted" && verdict !== UNVERIFIABLE),
    unverifiable: sum((verdict) => verdict === UNVERIFIABLE),
    latency: step?.latency ?? [],
  };
}

/** The bound under which this share of the verdicts came; what is beyond the last bound counts as twice that. */
function quantile(latency: number[], bounds: number[], of: number): number | undefined {
  const total = latency.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let below = 0;
  const at = latency.findIndex((count) => (below += count) >= of * total);
  return bounds[at] ?? 2 * (bounds.at(-1) ?? 0);
}

function Shown({ day }: { day: Day }) {
  const { moments, bounds, latency, reasons } = day;
  const total = (of: "granted" | "refused" | "unverifiable") => moments.reduce((sum, moment) => sum + moment[of], 0);
  const [granted, refused, unverifiable] = [total("granted"), total("refused"), total("unverifiable")];
  const all = granted + refused + unverifiable;
  const quick = (of: number) => {
    const bound = quantile(latency, bounds, of);
    return bound === undefined ? "–" : `≤ ${duration(bound)}`;
  };
  return (
    <>
      <ul class="figures">
        <Figure value={count(all)} name="verdicts" />
        <Figure value={all === 0 ? "–" : `${(100 * granted / all).toPrecision(3)} %`} name="granted" />
        <Figure value={quick(0.5)} name="half of them took" />
        <Figure value={quick(0.95)} name="95 of 100 took" />
      </ul>
      {all === 0 ? <p class="empty">Nothing was judged in the last day.</p> : (
        <>
          <Section title="Verdicts" id="verdicts"><Bars plot={verdicts(moments)} /></Section>
          <Section title="How long they took" id="latency" note="From the evidence being there to the verdict, with what had to be fetched for it.">
            <Lines plot={latencies(moments, bounds)} /></Section>
          <Section title="Why not" id="reasons">
            <Table label="Reasons" empty="Nothing was refused." columns={[["Reason", "left"], ["Times", "right"]]}
              rows={reasons.map(([code, times]) => [<Reason code={code} ofService />, count(times)])} />
          </Section>
          <Numbers day={day} />
        </>
      )}
    </>
  );
}

function Figure({ value, name }: { value: string; name: string }) {
  return <li><strong>{value}</strong><span class="muted">{name}</span></li>;
}

function verdicts(moments: Moment[]): Plot {
  return {
    label: "Verdicts in a quarter of an hour",
    times: moments.map(({ at }) => at),
    unit: count,
    series: [
      { name: "granted", style: "granted", values: moments.map(({ granted }) => granted) },
      { name: "refused", style: "refused", values: moments.map(({ refused }) => refused) },
      { name: "could not be judged", style: "unjudged", values: moments.map(({ unverifiable }) => unverifiable) },
    ],
  };
}

function latencies(moments: Moment[], bounds: number[]): Plot {
  const line = (of: number) => moments.map(({ latency }) => quantile(latency, bounds, of));
  return {
    label: "Time to a verdict, at most",
    times: moments.map(({ at }) => at),
    unit: duration,
    series: [
      { name: "half of them", style: "median", values: line(0.5) },
      { name: "95 of 100", style: "slow", values: line(0.95) },
    ],
  };
}

function Numbers({ day: { moments, bounds } }: { day: Day }) {
  const busy = moments.filter(({ granted, refused, unverifiable }) => granted + refused + unverifiable > 0).reverse();
  const took = (latency: number[], of: number) => {
    const bound = quantile(latency, bounds, of);
    return bound === undefined ? "" : duration(bound);
  };
  return (
    <details>
      <summary>The numbers as a table</summary>
      <Table label="The numbers" empty="" columns={[["From (UTC)", "left"], ["Granted", "right"], ["Refused", "right"], ["Not judged", "right"], ["Half took", "right"], ["95 of 100", "right"]]}
        rows={busy.map((one) => [clock(one.at).slice(0, 5), count(one.granted), count(one.refused), count(one.unverifiable), took(one.latency, 0.5), took(one.latency, 0.95)])} />
    </details>
  );
}
