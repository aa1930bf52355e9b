/**
 * The chain of trust as a drawing: from whoever is trusted to begin with, down to the reader. Each link is a claim of the
 * receipt: solid where it holds, dashed where it is somebody's mere word or was not made, cut where it failed. The list
 * beside the drawing says the same in words.
 */
import type { Tone } from "../parts.tsx";
import { chance, spaced } from "../words.ts";
import type { Claims, Device, Finding } from "./claims.ts";
import { findingOf } from "./rules.ts";
import type { Judged } from "./validate.ts";
import type { Standing } from "./view.tsx";
import { methodName, outcome, rejection } from "./words.ts";

export interface Node { title: string; note: string; tone: Tone }
export interface Tie { text: string; tone: Tone }
/** A tie below each node but the last. */
export interface Chain { nodes: Node[]; ties: Tie[] }

const [WIDTH, BOX, GAP, LINE] = [340, 56, 52, 14];

/** The last tie is what this browser found, and what the verifier says of the receipt now; the others are its claims. */
export function chainOf(claims: Claims, kid: string, judged: Judged, standing: Standing | undefined): Chain {
  const { pogw } = claims;
  const simulated = pogw.devices.some((device) => device.simulated);
  const begun: Node = simulated
    ? { title: "Root made by software", note: "trusted here for trying things out", tone: "warn" }
    : { title: "Root of NVIDIA", note: "pinned by the verifier", tone: "good" };
  const rest: Node[] = [
    { title: devices(pogw.devices), note: models(claims), tone: simulated ? "warn" : "good" },
    { title: "Statement of the work", note: `job, challenge, ${plural(pogw.outputs.length, "output")}`, tone: "quiet" },
    { title: "Verifier", note: claims.iss, tone: "quiet" },
    { title: "This receipt", note: `policy ${pogw.policy.id}, level ${pogw.assurance.level}`, tone: "quiet" },
    { title: "You", note: judged.audience ?? "unnamed", tone: "quiet" },
  ];
  return {
    nodes: [begun, ...rest],
    ties: [
      certified(claims),
      committed(claims),
      result(claims),
      { text: `signed by key ${kid.slice(0, 8)}…`, tone: "good" },
      checked(judged, standing),
    ],
  };
}

export function ChainOfTrust({ chain }: { chain: Chain }) {
  const { nodes, ties } = chain;
  const height = nodes.length * BOX + ties.length * GAP + 2;
  return (
    <div class="chain">
      <svg viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-labelledby="chain-title" aria-describedby="chain-text" class="drawing">
        <title id="chain-title">Chain of trust, from {nodes[0]?.title} to you</title>
        <desc id="chain-text">{chain.nodes.map((node, at) => sentence(node, ties[at])).join(" ")}</desc>
        {ties.map((tie, at) => <Line key={at} tie={tie} y={(at + 1) * BOX + at * GAP + 1} />)}
        {nodes.map((node, at) => <Box key={at} node={node} y={at * (BOX + GAP) + 1} />)}
      </svg>
      <ol class="links">
        {nodes.map((node, at) => (
          <li key={at}>
            <strong>{node.title}</strong> <span class="muted">{node.note}</span>
            {ties[at] !== undefined && <span class={`link ${ties[at].tone}`}>{STATES[ties[at].tone]}: {ties[at].text}</span>}
          </li>
        ))}
      </ol>
    </div>
  );
}

const STATES: Record<Tone, string> = { good: "Holds", bad: "Broken", warn: "Not proven", quiet: "Not made" };

function Box({ node, y }: { node: Node; y: number }) {
  return (
    <g class={`node ${node.tone}`}>
      <rect x="1" y={y} width={WIDTH - 2} height={BOX} rx="10" />
      <text x="18" y={y + 24} class="name">{cut(node.title, 38)}</text>
      <text x="18" y={y + 43} class="what">{cut(node.note, 46)}</text>
    </g>
  );
}

function Line({ tie, y }: { tie: Tie; y: number }) {
  const [x, middle] = [34, y + GAP / 2];
  const lines = wrapped(tie.text, 42);
  const first = middle + 4 - (lines.length - 1) * LINE / 2;
  return (
    <g class={`tie ${tie.tone}`}>
      <path d={`M${x} ${y} V${y + GAP - 7}`} class="stem" />
      <path d={`M${x - 5} ${y + GAP - 8} L${x} ${y + GAP - 1} L${x + 5} ${y + GAP - 8} Z`} class="head" />
      {tie.tone === "bad" && <path d={`M${x - 7} ${middle - 7} l14 14 m0 -14 l-14 14`} class="cut" />}
      <text>{lines.map((line, at) => <tspan key={at} x={x + 18} y={first + at * LINE}>{line}</tspan>)}</text>
    </g>
  );
}

function certified(claims: Claims): Tie {
  const report = tie(findingOf(claims, "device_report"), "report signed, certificates traced", "no report");
  const revocation = findingOf(claims, "revocation")?.status;
  if (report.tone !== "good") return report;
  if (revocation === "refuted") return { text: "a certificate is revoked", tone: "bad" };
  return { text: revocation === "affirmed" ? "report signed, no certificate revoked" : "report signed, revocation not known", tone: "good" };
}

function committed(claims: Claims): Tie {
  const commitment = tie(findingOf(claims, "output_commitment"), "report commits to it", "nothing commits to it");
  const guest = findingOf(claims, "guest_quote");
  const isVouched = guest !== undefined && outcome(guest).tone === "good";
  return isVouched ? { ...commitment, text: `${commitment.text}, and a measured guest vouches for it` } : commitment;
}

function result(claims: Claims): Tie {
  const failed = claims.pogw.methods.find((finding) => isOfResult(finding) && finding.status === "refuted");
  if (failed !== undefined) return { text: `${methodName(failed.method).toLowerCase()}, and failed`, tone: "bad" };
  const held = claims.pogw.methods.find((finding) => isOfResult(finding) && finding.status === "affirmed");
  if (held === undefined) return { text: "evidence judged, result not checked", tone: "warn" };
  const said = { text: methodName(held.method).toLowerCase(), tone: "good" as const };
  if (held.agreeing !== undefined) return { ...said, text: `${held.agreeing} replicas agree` };
  return held.log2_error === undefined ? said : { ...said, text: `${said.text}, missed at most ${chance(held.log2_error)}` };
}

/** What keeps a receipt from the reader, even one whose claims all hold. */
function checked(judged: Judged, standing: Standing | undefined): Tie {
  const code = judged.verdict === "rejected" ? judged.code : undefined;
  if (standing?.status === "revoked") {
    const rejected = code === undefined ? "" : `; rejected too (${spaced(code)})`;
    return { text: `revoked, as the job found the work wrong${rejected}`, tone: "bad" };
  }
  const mayFail = standing?.status === "provisional" ? "provisional, as the job may find the work wrong yet" : undefined;
  if (code !== undefined) {
    const why = mayFail === undefined ? `, as ${clause(rejection(code))}` : `; ${mayFail}`;
    return { text: `rejected (${spaced(code)})${why}`, tone: "bad" };
  }
  const open = [
    mayFail,
    standing?.status === "unknown" && "whether it was revoked is not known",
    judged.audience === undefined && "whether it is for you was not checked",
  ].filter(Boolean);
  return open.length === 0 ? { text: "checked in this browser", tone: "good" } : { text: open.join("; "), tone: "warn" };
}

/** A sentence as a part of another. */
function clause(sentence: string): string {
  return sentence.slice(0, 1).toLowerCase() + sentence.slice(1).replace(/\.$/, "");
}

function isOfResult({ method }: Finding): boolean {
  return ["audit", "freivalds", "sumcheck", "replicas"].includes(method);
}

function tie(finding: Finding | undefined, holds: string, lacks: string): Tie {
  if (finding === undefined || finding.status === "not_requested") return { text: lacks, tone: "quiet" };
  const { tone, word } = outcome(finding);
  if (tone === "good") return { text: holds, tone };
  const said = finding.status === "affirmed" ? "on the host's word alone" : word.toLowerCase();
  return { text: `${said} (${holds})`, tone };
}

function devices(of: Device[]): string {
  const kinds = { gpu: "GPU", nvswitch: "switch", cpu_tee: "confidential machine" };
  const counted = Object.entries(kinds).map(([kind, name]) => [of.filter((device) => device.kind === kind).length, name] as const);
  const said = counted.filter(([count]) => count > 0).map(([count, name]) => count === 1 ? name : `${count} × ${name}`);
  const simulated = of.some((device) => device.simulated) ? "Simulated " : "";
  const text = simulated + said.join(", ");
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function models(claims: Claims): string {
  const named = claims.pogw.devices.map((device) => claims.submods[device.submod]?.vendor["hwmodel"] ?? device.arch);
  return [...new Set(named)].join(", ");
}

function plural(count: number, what: string): string {
  return count === 1 ? `one ${what}` : `${count} ${what}s`;
}

function sentence(node: Node, tie: Tie | undefined): string {
  const below = tie === undefined ? "" : ` ${STATES[tie.tone]}: ${tie.text}.`;
  return `${node.title}, ${node.note}.${below}`;
}

/** In lines of at most so many letters, broken between words. */
function wrapped(text: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= most) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(cut(word, most));
  }
  return lines;
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
