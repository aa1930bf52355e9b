/** A receipt as a person reads it: the verdict first, then what was asked, what came out, and what stands behind it. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Code, Facts, Mark, Pill, Section, Table, When, type Tone } from "../parts.tsx";
import { bytes, duration, spaced } from "../words.ts";
import { ChainOfTrust, chainOf } from "./chain.tsx";
import type { Claims, Device, Finding } from "./claims.ts";
import type { Judged, Outcome } from "./validate.ts";
import { count, doesNotProve, level, methodName, ofResult, outcome as resultOf, proves, rejection, source, strength } from "./words.ts";

/** Whether the verifier holds to it still, by its own word of a moment ago, and since when not. */
export interface Standing { status: "holds" | "provisional" | "revoked" | "unknown"; at: string | number | undefined }

/** What belongs right below the verdict is handed in as children. */
export function ReceiptView({ outcome, standing, children }: { outcome: Outcome; standing: Standing | undefined; children: ComponentChildren }) {
  return (
    <article class="receipt" aria-label="The receipt">
      <Verdict outcome={outcome} standing={standing} />
      {children}
      {outcome.verdict !== "unavailable" && <Said judged={outcome} standing={standing} />}
    </article>
  );
}

interface Judgement { tone: Tone; title: string; text: string }

/** That it was revoked comes before all that its token says: that validates as it did. */
function judgementWith(outcome: Outcome, standing: Standing | undefined): Judgement {
  const judgement = judgementOf(outcome);
  if (standing?.status === "revoked") {
    return { tone: "bad", title: "This receipt was revoked",
      text: "The verifier holds to it no more: the job that it came of found the work wrong after it was issued. Pay nothing for it. Its signature is good still." };
  }
  if (standing?.status === "provisional" && judgement.tone === "good") return { ...judgement, tone: "warn", title: "This receipt is valid so far" };
  if (standing?.status === "unknown" && outcome.verdict === "valid") {
    return { ...judgement, text: `${judgement.text} Whether it was revoked since is not known: this verifier did not say.` };
  }
  return judgement;
}

function judgementOf(outcome: Outcome): Judgement {
  if (outcome.verdict === "unavailable") {
    return { tone: "quiet", title: "Nothing can be said about this receipt", text: `It was not checked: ${outcome.detail}.` };
  }
  if (outcome.verdict === "valid") return good(outcome.claims);
  const { code, claims, detail } = outcome;
  if (code === "assurance_level_too_low" && claims !== undefined && isSimulated(claims)) {
    return { tone: "warn", title: "Simulated: this proves nothing about hardware",
      text: `The verifier signed it, and says itself that a device in it is software. Anybody can make one without a GPU. ${ofResult(claims)}` };
  }
  const exact = detail === "" || claims === undefined ? "" : ` ${detail.slice(0, 1).toUpperCase()}${detail.slice(1)}.`;
  return { tone: "bad", title: "This receipt is not valid", text: rejection(code) + exact };
}

function good(claims: Claims): Judgement {
  if (isSimulated(claims)) {
    return { tone: "warn", title: "Simulated: this proves nothing about hardware",
      text: `You asked for no assurance, and this receipt has none: a device in it is software. ${ofResult(claims)}` };
  }
  const { level: reached } = claims.pogw.assurance;
  const right = ofResult(claims);
  if (reached === "A0") return { tone: "warn", title: "Self-asserted: this proves nothing about hardware", text: `${level("A0")} ${right}` };
  return { tone: "good", title: "This receipt is valid", text: `${level(reached)} ${right}` };
}

function isSimulated(claims: Claims): boolean {
  return claims.pogw.devices.some((device) => device.simulated);
}

function Verdict({ outcome, standing }: { outcome: Outcome; standing: Standing | undefined }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const { tone, title, text } = judgementWith(outcome, standing);
  useEffect(() => heading.current?.focus(), [outcome]);
  const judged = outcome.verdict === "unavailable" ? undefined : outcome;
  const [claims, audience] = [judged?.claims, judged?.audience];
  return (
    <div class={`verdict ${tone}`}>
      <Mark tone={tone} />
      <div>
        <h2 ref={heading} tabIndex={-1}>{title}</h2>
        <p>{text}</p>
        {standing?.status === "provisional" && <p>Provisional: the job that it came of is not over, and may find the work wrong yet. Pay nothing for it before it holds.</p>}
        {standing?.status === "revoked" && standing.at !== undefined && <p>Revoked <When at={standing.at} />.</p>}
        {claims !== undefined && audience === undefined && (
          <p>Whether it is for you was not checked, as you did not say who you are. It names {claims.aud.join(", ")}.</p>
        )}
        {claims !== undefined && (
          <p class="muted">Signed by {claims.iss}{audience !== undefined && ` for ${claims.aud.join(", ")}`}. Issued <When at={claims.iat} />
            {claims.exp === undefined ? "; it does not expire." : <>, expires <When at={claims.exp} />.</>}</p>
        )}
        {outcome.verdict === "rejected" && <p class="codes">Code <code>{outcome.code}</code></p>}
      </div>
      {claims !== undefined && <p class="level"><span class="unseen">Assurance </span><span class="muted">level</span> {claims.pogw.assurance.level}</p>}
    </div>
  );
}

/** What the verifier signed, and nothing else. */
function Said({ judged, standing }: { judged: Judged; standing: Standing | undefined }) {
  const { claims, kid } = judged;
  if (kid === undefined) return <p class="note">Nothing in it was signed by this verifier as it stands, so nothing of it is shown.</p>;
  if (claims === undefined) return <p class="note">A key of this verifier signed it, but it cannot be read as a receipt, so nothing of it is shown.</p>;
  return (
    <>
      {isSimulated(claims) && <p class="simulated"><strong>Simulated evidence.</strong> A device below is software. Nothing here speaks for a GPU.</p>}
      <div class="pair">
        <Asked claims={claims} />
        <CameOut claims={claims} />
      </div>
      <Devices claims={claims} />
      <Section title="What was checked" id="checks" note="Each check, how it came out, on whose word, and how strong it is.">
        <ul class="checks">{claims.pogw.methods.map((finding) => <Check key={finding.method} finding={finding} />)}</ul>
      </Section>
      <Section title="What this does not prove" id="open">
        <ul class="open">{doesNotProve(claims).map((text) => <li key={text}>{text}</li>)}</ul>
      </Section>
      <Section title="Chain of trust" id="chain" note="From what is trusted to begin with, down to you.">
        <ChainOfTrust chain={chainOf(claims, kid, judged, standing)} />
      </Section>
      <Particulars claims={claims} kid={kid} />
    </>
  );
}

function Asked({ claims }: { claims: Claims }) {
  const { kernel, program, job_digest } = claims.pogw;
  return (
    <Section title="What was asked" id="asked">
      <Facts of={[
        ["Kernel", kernel && <strong>{kernel.name}</strong>],
        ["Program", program && <><strong>{program.value.name}</strong>, ended with {program.value.exit_code} <Pill tone="warn">the provider's word</Pill></>],
        ["Job", <Code>{job_digest}</Code>],
        ["Specification", kernel && <Code>{kernel.digest}</Code>],
      ]} />
    </Section>
  );
}

function CameOut({ claims }: { claims: Claims }) {
  const { outputs, trace, timings } = claims.pogw;
  return (
    <Section title="What came out" id="came-out">
      {outputs.length === 0 && <p class="empty">No output was stated.</p>}
      {outputs.map((output) => (
        <Facts key={output.name} of={[
          ["Output", <><strong>{output.name}</strong>, {bytes(output.len)}</>],
          ["BLAKE3", <Code>{output.blake3}</Code>],
        ]} />
      ))}
      <Facts of={[
        ["States on the way", trace && count(trace.entries)],
        ["Time", timings && <>{duration((timings.finished_unix_ms - timings.started_unix_ms) * 1000)} <Pill tone="warn">the host's word</Pill></>],
      ]} />
    </Section>
  );
}

function Devices({ claims }: { claims: Claims }) {
  const { devices, executor } = claims.pogw;
  return (
    <Section title="Which device" id="devices" note="Whose evidence came with the work. It does not say where the work ran.">
      <ul class="cards">{devices.map((device) => <DeviceCard key={device.id} device={device} claims={claims} />)}</ul>
      <Facts of={[["Executor", executor && <>{executor.value} <Pill tone="warn">the host's word</Pill></>]]} />
    </Section>
  );
}

const KINDS = { gpu: "GPU", nvswitch: "NVSwitch", cpu_tee: "Confidential virtual machine" };

function DeviceCard({ device, claims }: { device: Device; claims: Claims }) {
  const vendor = claims.submods[device.submod]?.vendor ?? {};
  const text = (name: string) => {
    const value = vendor[name];
    return typeof value === "string" ? value : undefined;
  };
  return (
    <li class={device.simulated ? "card striped" : "card"}>
      <h3>{KINDS[device.kind]} <span class="muted">{device.arch}</span></h3>
      {device.simulated ? <Pill tone="warn">Simulated: software</Pill> : <Appraised claims={claims} device={device} />}
      <Facts of={[
        ["Model", text("hwmodel")],
        ["Driver", text("x-nvidia-gpu-driver-version")],
        ["VBIOS", text("x-nvidia-gpu-vbios-version") ?? text("x-nvidia-switch-bios-version")],
        ["Measurements", text("measres") && (text("measres") === "success" ? "equal the references" : "differ from the references")],
        ["Debugging", text("dbgstat")],
        ["Pseudonym", <Code>{device.id}</Code>],
      ]} />
    </li>
  );
}

function Appraised({ claims, device }: { claims: Claims; device: Device }) {
  const status = claims.submods[device.submod]?.ear_status;
  const tones: Record<string, Tone> = { affirming: "good", none: "quiet", warning: "warn", contraindicated: "bad" };
  return <Pill tone={tones[status ?? "none"] ?? "quiet"}>{status === "affirming" ? "Genuine" : spaced(status ?? "none")}</Pill>;
}

function Check({ finding }: { finding: Finding }) {
  const { word, tone } = resultOf(finding);
  const wasMade = finding.status === "affirmed" || finding.status === "refuted";
  return (
    <li class={`check ${tone}`}>
      <Mark tone={tone} />
      <div>
        <h3>{methodName(finding.method)} <Pill tone={tone}>{word}</Pill></h3>
        {finding.status === "affirmed" && tone === "good" && <p>{proves(finding.method)}</p>}
        {finding.status === "affirmed" && tone !== "good" && <p>Nobody but the host says so. With hardware behind it, it would mean: {proves(finding.method)}</p>}
        {finding.status === "refuted" && <p>The check was made, and what it should show is not so.</p>}
        {finding.status === "unverifiable" && <p>It was wanted, and what it needs was not at hand. That is no pass.</p>}
        {finding.status === "not_requested" && <p class="muted">Nobody asked for this check, so it says nothing.</p>}
        {strength(finding).map((text) => <p key={text}>{text}</p>)}
        {wasMade && <p class="muted">On the word of {source(finding.source)}.</p>}
      </div>
    </li>
  );
}

function Particulars({ claims, kid }: { claims: Claims; kid: string }) {
  const { pogw } = claims;
  return (
    <Section title="Particulars" id="particulars">
      <Facts of={[
        ["Receipt", <Code>{claims.jti}</Code>],
        ["Whose work", <Code>{claims.sub}</Code>],
        ["Judged as of", <When at={pogw.as_of} />],
        ["Policy", <>{pogw.policy.id} <Code>{pogw.policy.sha256}</Code></>],
        ["Signing key", <Code>{kid}</Code>],
        ["Agent's key", <Code>{claims.cnf.jkt}</Code>],
        ["Challenge", <Code>{claims.eat_nonce}</Code>],
        ["Evidence", <Code>{pogw.evidence_digest}</Code>],
        ["Place in the log", pogw.log_index?.toString()],
        ["Software", claims.ear_verifier_id.build],
      ]} />
      <details>
        <summary>Reference manifests ({pogw.collateral.length})</summary>
        <Table label="Reference manifests" empty="None was compared with." columns={[["Manifest", "left"], ["Got from its source", "left"]]}
          rows={pogw.collateral.map((rim) => [rim.id, <When at={rim.as_of} />])} />
      </details>
      <details>
        <summary>Certificates asked about ({pogw.revocation.length})</summary>
        <Table label="Certificates asked about" empty="Nobody asked." columns={[["Certificate", "left"], ["Status", "left"], ["Known at", "left"]]}
          rows={pogw.revocation.map((one) => [one.subject, spaced(one.status), one.this_update === undefined ? "" : <When at={one.this_update} />])} />
      </details>
      <details>
        <summary>All claims, as they were signed</summary>
        <pre tabIndex={0} aria-label="All claims">{JSON.stringify(claims, null, 2)}</pre>
      </details>
    </Section>
  );
}
