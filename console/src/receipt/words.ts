/**
 * What the findings of a receipt mean, in plain words. DESIGN's table decides every sentence here: what an ingredient proves
 * and, as important, what it does not.
 */
import type { Tone } from "../parts.tsx";
import { chance, share } from "../words.ts";
import type { Claims, Finding, Level, ResultCheck, Source, Status } from "./claims.ts";
import { findingOf } from "./rules.ts";

interface Method { name: string; proves: string; doesNot: string }

const METHODS: Record<string, Method> = {
  device_report: {
    name: "Report of the device",
    proves: "A device with a key that its maker certified signed the state of its firmware and driver, after our challenge existed.",
    doesNot: "That a program ran on the device, where the device is, or that it is in the machine that did the work.",
  },
  reference_measurements: {
    name: "Firmware and driver",
    proves: "Firmware and driver equal the reference values that the maker published.",
    doesNot: "That firmware and driver are free of unknown faults, or that they stayed as they were after the report.",
  },
  revocation: {
    name: "Certificates not revoked",
    proves: "The certificates behind the report were not revoked at the time it was judged.",
    doesNot: "That none of the certificates was revoked later.",
  },
  output_commitment: {
    name: "Output fixed in the report",
    proves: "Whoever had the device sign its report had fixed job and output by then.",
    doesNot: "That this device computed the output.",
  },
  guest_quote: {
    name: "Confidential virtual machine",
    proves: "A measured guest image vouches for the statement.",
    doesNot: "That the code in the guest image is honest, unless the image is reviewed; that the GPU is in the same machine.",
  },
  audit: {
    name: "Points computed again",
    proves: "The verifier drew points of the output after it was fixed and computed them again.",
    doesNot: "That every single point is right, or the result of many steps that build on each other; which device computed it.",
  },
  freivalds: {
    name: "Matrix product checked",
    proves: "The verifier checked the whole product with random vectors (Freivalds): the output is right.",
    doesNot: "Which device computed the product.",
  },
  sumcheck: {
    name: "Proof of the product checked",
    proves: "The verifier checked a proof of the whole product (sumcheck): the output is right.",
    doesNot: "Which device computed the product.",
  },
  replicas: {
    name: "Replicas agree",
    proves: "Independent executions each fixed their result before any was revealed, and agree: right if one of them is honest.",
    doesNot: "Anything at all if all of the replicas collude.",
  },
  timing: {
    name: "Time it took",
    proves: "The time fits the class of hardware that was named.",
    doesNot: "Which device it was.",
  },
  telemetry: {
    name: "Counters of the driver",
    proves: "The counters fit the work. The host can forge every one of them.",
    doesNot: "Anything by itself: the host can forge every counter.",
  },
};

const SOURCES: Record<Source, string> = {
  hardware: "a key that the maker of the device certified",
  recomputation: "the verifier, which computed it again",
  replicas: "executions of different providers",
  verifier_clock: "the verifier's own clock",
  guest_asserted: "software in a measured guest",
  provider_asserted: "the provider, who could say anything",
};

const STATUSES: Record<Status, { word: string; tone: Tone }> = {
  affirmed: { word: "Held", tone: "good" },
  refuted: { word: "Failed", tone: "bad" },
  unverifiable: { word: "Could not be made", tone: "warn" },
  not_requested: { word: "Not asked for", tone: "quiet" },
};

const RESULTS: Record<ResultCheck, string> = {
  audit: "points of it were computed again",
  freivalds: "the whole product stood Freivalds' check",
  sumcheck: "the whole product stood a sumcheck proof",
  replicas: "replicas agree on it",
};

/** In a sentence whether anything speaks for the output itself. */
export function ofResult({ pogw }: Claims): string {
  const { results } = pogw.assurance;
  if (results.length === 0) return "Whether the output is right was not checked.";
  return `The output was checked: ${results.map((check) => RESULTS[check]).join(", ")}.`;
}

const LEVELS: Record<Level, string> = {
  A0: "Self-asserted or simulated: it proves nothing about hardware.",
  A1: "A genuine device, which reported after the challenge existed.",
  A2: "A genuine device, and the output was fixed in its report.",
  A3: "A genuine device, the output fixed in its report, and a confidential virtual machine that vouches for the statement.",
};

export function level(of: Level): string {
  return LEVELS[of];
}

export function methodName(method: string): string {
  return METHODS[method]?.name ?? method.replaceAll("_", " ");
}

export function proves(method: string): string {
  return METHODS[method]?.proves ?? "A check that this page does not know. It counts for nothing here.";
}

export function source(of: Source): string {
  return SOURCES[of];
}

/** How a check came out. What rests on the host's own word is never shown as proven. */
export function outcome({ status, source }: Finding): { word: string; tone: Tone } {
  const isMereWord = source === "provider_asserted" || source === "guest_asserted";
  if (status === "affirmed" && isMereWord) return { word: "Stated, not proven", tone: "warn" };
  return STATUSES[status];
}

/** How strong a check is, where there is a number. */
export function strength(finding: Finding): string[] {
  const said: string[] = [];
  const { log2_error: log2, wrong_ppm: ppm, chain, agreeing } = finding;
  if (log2 !== undefined && ppm === undefined) {
    said.push(`A wrong output would pass this check with a probability of at most ${chance(log2)} (2^${log2}), for one attempt.`);
  }
  if (log2 !== undefined && ppm !== undefined) {
    said.push(`If ${share(ppm)} or more of the points of an output were wrong, that would go unnoticed with a probability of at most `
      + `${chance(log2)} (2^${log2}), for one attempt. Fewer wrong points may well go unnoticed.`);
  }
  if (chain !== undefined) {
    const found = 1 - (1 - 1 / chain.points) ** chain.drawn;
    said.push(`Up to ${count(chain.steps)} points build on one another. A single made-up one among ${count(chain.points)} would be `
      + `found with a probability of ${(100 * found).toPrecision(2)} %.`);
  }
  if (agreeing !== undefined) said.push(`${agreeing} executions agree.`);
  return said;
}

/** What this receipt leaves open, by the claims that are in it. */
export function doesNotProve(claims: Claims): string[] {
  const { pogw } = claims;
  const simulated = pogw.devices.some((device) => device.simulated);
  const said: string[] = [];
  if (simulated) said.push("Anything about hardware: a device in it is software that plays one. Anybody can make such a receipt without a GPU.");
  for (const finding of pogw.methods.filter(({ status }) => status === "affirmed")) {
    const method = METHODS[finding.method];
    if (method !== undefined) said.push(method.doesNot);
  }
  if (pogw.assurance.results.length === 0) said.push("That the output is right: no check of the result was affirmed.");
  if (findingOf(claims, "output_commitment")?.status !== "affirmed") said.push("That the output was fixed when the device reported.");
  if (pogw.program !== undefined) said.push("That the program ran or did what its name says: that is the provider's word, and nobody can recompute it.");
  if (pogw.executor !== undefined || pogw.timings !== undefined) said.push("Where the work ran and how long it took: both are the host's word.");
  said.push("Time on a GPU. No receipt says so.");
  return [...new Set(said)];
}

export function count(of: number): string {
  return of.toLocaleString("en-GB");
}

/** Codes of a rejected token that a person may meet, in a sentence each. */
const REJECTIONS: Record<string, string> = {
  signature_invalid: "The signature does not hold: the token was forged, or changed after it was signed.",
  key_unknown: "It names a key that this verifier does not publish: another issuer signed it, or nobody did, or the key was withdrawn because it leaked.",
  algorithm_mismatch: "It claims another algorithm than its key has. That is how tokens are forged.",
  expired: "It has expired.",
  not_yet_valid: "It does not count yet.",
  issued_in_future: "It says it was issued in the future.",
  audience_mismatch: "It is meant for somebody else.",
  issuer_mismatch: "It names another issuer than this verifier.",
  key_retired: "It says it was issued after its key was retired.",
  assurance_level_too_low: "It has less assurance than you ask for.",
  job_mismatch: "It is about another job than the one you ask for.",
  nonce_mismatch: "It answers another challenge than the one you ask for.",
  token_parts: "This is no token: one has three parts with dots between them.",
  token_too_large: "This is too long for a token.",
  base64url_malformed: "This is no token: a part of it is not base64url.",
  json_malformed: "This is no receipt: a part of the token is not JSON.",
  typ_mismatch: "This is a token, and none of the type of a receipt.",
  profile_mismatch: "This is a token of the issuer, and no receipt.",
};

export function rejection(code: string): string {
  return REJECTIONS[code] ?? "It breaks a rule that every receipt has to obey.";
}
