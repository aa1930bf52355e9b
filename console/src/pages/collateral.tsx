/** The reference manifests at hand: which, how fresh, until when; and whether a device could be appraised. */
import { useId, useState } from "preact/hooks";
import * as api from "../api.ts";
import { Await, Mark, Pill, Reason, Section, Table, Trouble, useLoaded, When, type Tone } from "../parts.tsx";
import { Title } from "../router.tsx";
import { capital, distance, isNever, millis, spaced } from "../words.ts";

/** Most manifests that the verifier answers for at once. */
const AT_ONCE = 16;
const SOON_MS = 30 * 24 * 3600 * 1000;
const REFRESH_MS = 60_000;

const TONES: Record<string, Tone> = {
  available: "good", expired: "bad", not_yet_valid: "warn", refused: "bad", missing: "warn", unreachable: "warn",
};

const ROLES: Record<string, string> = { driver_rim: "driver", vbios_rim: "VBIOS", switch_bios_rim: "switch BIOS" };

export function CollateralPage() {
  const loaded = useLoaded(all, [], REFRESH_MS);
  return (
    <>
      <Title lead="Reference manifests: what firmware and drivers are compared with. A device without its manifest cannot be judged; that is no pass.">
        Collateral</Title>
      <Await loaded={loaded}>{(manifests) => <><Summary manifests={manifests} /><Manifests manifests={manifests} /></>}</Await>
      <Question />
    </>
  );
}

async function all(): Promise<api.Manifest[]> {
  const ids = await api.manifestIds();
  const manifests: api.Manifest[] = [];
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const query = new URLSearchParams(ids.slice(at, at + AT_ONCE).map((id) => ["rim", id]));
    manifests.push(...(await api.coverage(query)).manifests);
  }
  return manifests;
}

function Summary({ manifests }: { manifests: api.Manifest[] }) {
  const bad = manifests.filter((manifest) => manifest.status !== "available");
  const ends = manifests.flatMap(({ valid_until: until }) => until === null ? [] : [millis(until)]);
  const first = ends.length === 0 ? undefined : Math.min(...ends);
  const tone = manifests.length === 0 ? "warn" : bad.length > 0 ? "bad" : first !== undefined && first < Date.now() + SOON_MS ? "warn" : "good";
  const title = manifests.length === 0 ? "No manifests are at hand"
    : bad.length === 0 ? `All manifests at hand are good (${manifests.length})` : `${bad.length} of ${manifests.length} manifests cannot be used`;
  return (
    <div class={`verdict ${tone}`}>
      <Mark tone={tone} />
      <div>
        <h2>{title}</h2>
        {first !== undefined && isNever(first / 1000) && <p>None of their certificates has an end.</p>}
        {first !== undefined && !isNever(first / 1000) && <p>The first certificate among them expires {distance(first / 1000)}, <When at={Math.floor(first / 1000)} />.</p>}
        {manifests.length === 0 && <p>Others are fetched when a device asks for them, if a service is configured.</p>}
      </div>
    </div>
  );
}

function Manifests({ manifests }: { manifests: api.Manifest[] }) {
  return (
    <Section title="Manifests" id="manifests">
      <Table label="Manifests" empty="None." columns={[["Manifest", "left"], ["For", "left"], ["Status", "left"], ["Good until", "left"], ["Source", "left"]]}
        rows={manifests.map((manifest) => [
          <code>{manifest.id ?? "any board"}</code>,
          <>{ROLES[manifest.role] ?? spaced(manifest.role)}{manifest.simulated === true && <> <Pill tone="warn">Simulated</Pill></>}</>,
          <><Pill tone={TONES[manifest.status] ?? "quiet"}>{capital(spaced(manifest.status))}</Pill>
            {manifest.reasons.map(({ code }) => <div key={code}><Reason code={code} /></div>)}</>,
          manifest.valid_until === null ? "" : isNever(manifest.valid_until) ? "no end" : <>{distance(manifest.valid_until)}<br /><span class="muted"><When at={manifest.valid_until} /></span></>,
          manifest.source === null ? "" : spaced(manifest.source),
        ])} />
    </Section>
  );
}

function Question() {
  const [arch, driver, vbios] = [useId(), useId(), useId()];
  const [asked, setAsked] = useState({ arch: "HOPPER", driver: "", vbios: "" });
  const [answer, setAnswer] = useState<api.Coverage>();
  const [trouble, setTrouble] = useState<unknown>();
  const submit = async (event: Event) => {
    event.preventDefault();
    setTrouble(undefined);
    setAnswer(undefined);
    const stated = Object.entries(asked).filter(([, value]) => value.trim() !== "").map(([name, value]) => [name, value.trim()]);
    await api.coverage(new URLSearchParams(stated)).then(setAnswer, setTrouble);
  };
  return (
    <Section title="Could this device be judged?" id="question" note="Ask before you deploy a driver or flash a VBIOS.">
      <form class="panel" onSubmit={submit}>
        <div class="fields">
          <div><label for={arch}>Architecture</label>
            <select id={arch} value={asked.arch} onChange={(event) => setAsked({ ...asked, arch: event.currentTarget.value })}>
              {["HOPPER", "BLACKWELL", "LS10"].map((name) => <option key={name} value={name}>{capital(name.toLowerCase())}</option>)}
            </select></div>
          <div><label for={driver}>Driver</label>
            <input id={driver} placeholder="550.90.07" value={asked.driver} onInput={(event) => setAsked({ ...asked, driver: event.currentTarget.value })} /></div>
          <div><label for={vbios}>VBIOS</label>
            <input id={vbios} placeholder="96.00.9F.00.01" value={asked.vbios} onInput={(event) => setAsked({ ...asked, vbios: event.currentTarget.value })} /></div>
        </div>
        <div class="actions"><button type="submit" disabled={asked.driver === "" && asked.vbios === ""}>Ask</button></div>
      </form>
      <div role="status">
        {answer !== undefined && <p class="answer"><Mark tone={answer.covered ? "good" : "warn"} />{" "}
          {answer.covered ? "Yes: every manifest it would ask for is at hand and good." : "No: something it would ask for is not at hand or not good."}</p>}
      </div>
      {answer !== undefined && <Answered manifests={answer.manifests} />}
      {trouble !== undefined && <Trouble error={trouble} />}
    </Section>
  );
}

function Answered({ manifests }: { manifests: api.Manifest[] }) {
  return (
    <ul class="plain">{manifests.map((manifest) => (
      <li key={manifest.id}><code>{manifest.id ?? "any board"}</code> <Pill tone={TONES[manifest.status] ?? "quiet"}>{capital(spaced(manifest.status))}</Pill></li>
    ))}</ul>
  );
}
