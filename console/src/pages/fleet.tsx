/** The agents of a provider: who is there, what each says of itself, and what its last evidence showed. */
import * as api from "../api.ts";
import { Await, Code, Facts, Pill, Turn, useLoaded, usePages, When, type Tone } from "../parts.tsx";
import { Title } from "../router.tsx";
import { capital, distance, spaced } from "../words.ts";
import { Only } from "./signin.tsx";

const REFRESH_MS = 10_000;

export function FleetPage() {
  return (
    <>
      <Title lead="Your agents: who is there, what each says of itself, and what the verifier found in the last evidence that got a receipt.">Fleet</Title>
      <Only kinds={["provider"]} what="A fleet is shown to the provider it belongs to.">{() => <Agents />}</Only>
    </>
  );
}

function Agents() {
  const pages = usePages();
  const loaded = useLoaded(() => api.agents(pages.cursor), [pages.cursor], REFRESH_MS);
  return (
    <Await loaded={loaded}>
      {({ agents, next }) => {
        const present = agents.filter((agent) => agent.present).length;
        const isAll = pages.isFirst && next === null;
        return (
          <>
            <p class="figure"><strong>{present}</strong> of {agents.length} present{isAll ? "" : " on this page"}</p>
            {agents.length === 0 && <p class="empty">No agents yet. An enrolment token lets one in.</p>}
            <ul class="cards">{agents.map((agent) => <AgentCard key={agent.id} agent={agent} />)}</ul>
            <Turn pages={pages} next={next} />
          </>
        );
      }}
    </Await>
  );
}

function AgentCard({ agent }: { agent: api.Agent }) {
  const appraised = useLoaded(() => api.appraised(agent.id), [agent.id, agent.seen_at]);
  const { declared } = agent;
  return (
    <li class="card">
      <h2 class="h3">{agent.name ?? `Agent ${agent.id.slice(0, 8)}`}</h2>
      <p>{agent.present ? <Pill tone="good">Present</Pill> : <Pill tone="bad">Away</Pill>}{" "}
        <span class="muted">{agent.seen_at === undefined ? "never heard of" : `heard of ${distance(agent.seen_at)}`}</span></p>
      <h3>It says</h3>
      {declared === undefined ? <p class="empty">Nothing yet.</p> : (
        <>
          <ul class="plain">{declared.devices.map((device, at) => (
            <li key={at}>{capital(device.architecture.toLowerCase())}, at most {device.assurance}
              {device.simulated && <> <Pill tone="warn">Simulated</Pill></>}</li>
          ))}</ul>
          <Facts of={[["Executors", declared.executors.join(", ")], ["Jobs at once", declared.capacity.toString()]]} />
        </>
      )}
      <h3>The verifier found</h3>
      <Found appraised={appraised} />
      <details>
        <summary>Names and keys</summary>
        <Facts of={[["Enrolled", <When at={agent.enrolled_at} />], ["Name", <Code>{agent.id}</Code>], ["Key", <Code>{agent.agent_key}</Code>]]} />
      </details>
    </li>
  );
}

const TONES: Record<string, Tone> = { affirming: "good", none: "quiet", warning: "warn", contraindicated: "bad" };

function Found({ appraised }: { appraised: ReturnType<typeof useLoaded<api.Appraised>> }) {
  return (
    <Await loaded={appraised}>
      {({ appraised_at, devices }) => devices.length === 0 ? <p class="empty">No receipt yet, so nothing.</p> : (
        <>
          {devices.map((device) => (
            <div key={device.id}>
              <p>{device.model ?? capital(device.architecture)}{" "}
                {device.simulated ? <Pill tone="warn">Simulated: no firmware</Pill>
                  : <Pill tone={TONES[device.status] ?? "quiet"}>{capital(spaced(device.status))}</Pill>}</p>
              <Facts of={[
                ["Driver", device.driver],
                ["Firmware", device.firmware],
                ["Measurements", device.measurements && (device.measurements === "different" ? "differ from the references" : "equal the references")],
              ]} />
            </div>
          ))}
          {appraised_at !== undefined && <p class="muted">As of <When at={appraised_at} /></p>}
        </>
      )}
    </Await>
  );
}
