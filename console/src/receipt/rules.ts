/** What claims may not say at once, in the order and by the codes of the crate `receipt` (`claims/rules.rs`). */
import {
  LEVELS, own, RESULT_CHECKS, TIERS,
  type Appraisal, type Claims, type Device, type Finding, type Level, type ResultCheck, type Source, type Status, type Tier,
} from "./claims.ts";
import { Rejected } from "./rejected.ts";

const COUNTS = { devices: 128, outputs: 256, methods: 32, collateral: 512, revocation: 512 } as const;
const MAX_INCLUSION_PATH = 32;

const HOST: readonly Source[] = ["provider_asserted", "guest_asserted"];
const ON_HARDWARE: readonly Source[] = ["hardware", "provider_asserted"];
const SOURCES_OF: Record<string, readonly Source[]> = {
  device_report: ON_HARDWARE,
  reference_measurements: ON_HARDWARE,
  revocation: ON_HARDWARE,
  guest_quote: ON_HARDWARE,
  output_commitment: ["hardware", ...HOST],
  audit: ["recomputation"],
  freivalds: ["recomputation"],
  sumcheck: ["recomputation"],
  replicas: ["replicas"],
  timing: ["verifier_clock", ...HOST],
  telemetry: HOST,
};

/** Throws the first rule broken. */
export function check(claims: Claims): void {
  expiresAfterIssue(claims);
  countsAreBounded(claims);
  devicesAndSubmodsMatch(claims);
  for (const device of claims.pogw.devices) appraisalFits(of(claims, device), device);
  isNoBetter(claims.ear_status, worst(Object.values(claims.submods).map((appraisal) => appraisal.ear_status)), "the receipt");
  areDistinct(claims.pogw.outputs.map((output) => output.name), "output_duplicate");
  areDistinct(claims.pogw.methods.map((finding) => finding.method), "method_duplicate");
  for (const finding of claims.pogw.methods) findingHasMeaning(finding, claims);
  revocationAgrees(claims);
  theRestHolds(claims);
  resultsAreAffirmed(claims);
  levelIsSupported(claims);
}

export function findingOf(claims: Claims, method: string): Finding | undefined {
  return claims.pogw.methods.find((finding) => finding.method === method);
}

/** The tier of one value of a trust vector: negative values are a verifier's own reasons within the same tiers. */
export function tierOf(value: number): Tier {
  const size = value < 0 ? -value - 1 : value;
  if (size <= (value < 0 ? 0 : 1)) return "none";
  if (size <= 31) return "affirming";
  return size <= 95 ? "warning" : "contraindicated";
}

/** The highest level devices and findings support, and why not the next one. */
export function supportedLevel(claims: Claims): { level: Level; lacks?: string } {
  const a1 = shortOfGenuine(claims);
  if (a1 !== undefined) return { level: "A0", lacks: a1 };
  if (!byHardware(claims, "output_commitment")) return { level: "A1", lacks: "output_not_committed" };
  if (!byHardware(claims, "guest_quote")) return { level: "A2", lacks: "guest_not_quoted" };
  return { level: "A3" };
}

function of(claims: Claims, device: Device): Appraisal {
  const appraisal = claims.submods[device.submod];
  if (appraisal === undefined) throw new Rejected("device_submod_missing", device.submod);
  return appraisal;
}

function expiresAfterIssue({ exp, iat, nbf }: Claims): void {
  if (exp !== undefined && exp <= Math.max(iat, nbf)) throw new Rejected("expiry_not_after_issue");
}

function countsAreBounded({ pogw }: Claims): void {
  for (const [name, limit] of Object.entries(COUNTS)) {
    if (pogw[name as keyof typeof COUNTS].length > limit) throw new Rejected("too_many_entries", name);
  }
  if ((pogw.batch?.path.length ?? 0) > MAX_INCLUSION_PATH) throw new Rejected("too_many_entries", "batch path");
}

function devicesAndSubmodsMatch(claims: Claims): void {
  const { devices } = claims.pogw;
  if (devices.length === 0) throw new Rejected("devices_missing");
  const [ids, named] = [new Set<string>(), new Set<string>()];
  for (const device of devices) {
    if (ids.has(device.id) || named.has(device.submod)) throw new Rejected("device_duplicate", device.id);
    ids.add(device.id);
    named.add(device.submod);
    of(claims, device);
  }
  const alone = Object.keys(claims.submods).find((name) => !named.has(name));
  if (alone !== undefined) throw new Rejected("submod_without_device", alone);
}

function appraisalFits(appraisal: Appraisal, device: Device): void {
  const vector = appraisal.ear_trustworthiness_vector;
  const hardware = tierOf(vector.hardware);
  if (appraisal.ear_appraisal_policy_ids.length === 0) throw new Rejected("policy_ids_missing", device.submod);
  if (device.simulated && [appraisal.ear_status, hardware].includes("affirming")) {
    throw new Rejected("simulated_device_affirmed", device.submod);
  }
  if (device.simulated) namesNothingGenuine(appraisal);
  if (device.kind !== "cpu_tee" && vector.executables === 2) throw new Rejected("executables_overstated", device.submod);
  if (appraisal.vendor["measres"] === "fail" && tierOf(vector.executables) === "affirming") {
    throw new Rejected("measurement_contradiction", device.submod);
  }
  const claimed = Object.values(vector).filter((value) => value !== 0).map(tierOf);
  isNoBetter(appraisal.ear_status, worst(claimed), device.submod);
}

function namesNothingGenuine({ vendor }: Appraisal): void {
  const tells = (value: unknown) => typeof value === "string" && value.split(/\s+/).includes("SIMULATED");
  const genuine = Object.entries(vendor).find(([name, value]) => name !== "hwmodel" || !tells(value));
  if (genuine !== undefined) throw new Rejected("simulated_vendor_claim", genuine[0]);
}

function worst(tiers: Tier[]): Tier {
  return TIERS.find((tier) => tiers.includes(tier)) ?? "none";
}

function isNoBetter(actual: Tier, bound: Tier, place: string): void {
  if (TIERS.indexOf(actual) > TIERS.indexOf(bound)) throw new Rejected("ear_status_too_good", place);
}

function areDistinct(names: string[], code: string): void {
  const repeated = names.find((name, at) => names.indexOf(name) !== at);
  if (repeated !== undefined) throw new Rejected(code, repeated);
}

function findingHasMeaning(finding: Finding, claims: Claims): void {
  const { method, status, source, log2_error, wrong_ppm, chain, agreeing } = finding;
  const allowed = own(SOURCES_OF, method);
  if (allowed !== undefined && !allowed.includes(source)) throw new Rejected("method_source_not_allowed", method);
  if (isAffirmedBy(finding, "hardware") && simulatedSubject(method, claims)) {
    throw new Rejected("simulated_hardware_source", method);
  }
  if (log2_error !== undefined && !isAffirmedBy(finding, "recomputation")) throw new Rejected("strength_not_allowed", method);
  const isShared = method === "audit" && log2_error !== undefined;
  if ((wrong_ppm !== undefined) !== isShared) throw new Rejected("strength_share", method);
  if (chain !== undefined && wrong_ppm === undefined) throw new Rejected("strength_chain", method);
  const isCounted = method === "replicas" && status === "affirmed";
  if ((agreeing !== undefined) !== isCounted) throw new Rejected("agreeing_count", method);
}

function isAffirmedBy(finding: Finding | undefined, source: Source): boolean {
  return finding?.status === "affirmed" && finding.source === source;
}

function simulatedSubject(method: string, { pogw }: Claims): boolean {
  const isSubject = (device: Device) => (method === "guest_quote") === (device.kind === "cpu_tee");
  return pogw.devices.some((device) => isSubject(device) && device.simulated);
}

function revocationAgrees(claims: Claims): void {
  const status = findingOf(claims, "revocation")?.status;
  const certificates = claims.pogw.revocation;
  if (status === "not_requested" && certificates.length > 0) throw new Rejected("revocation_not_requested");
  if (status !== "affirmed") return;
  if (certificates.length === 0) throw new Rejected("revocation_unshown");
  const other = certificates.find((certificate) => !["good", "on_hold"].includes(certificate.status));
  if (other !== undefined) throw new Rejected("revocation_contradiction", other.subject);
}

function theRestHolds(claims: Claims): void {
  const { pogw } = claims;
  const commitment = findingOf(claims, "output_commitment")?.status;
  if (commitment === "affirmed" && pogw.outputs.length === 0) throw new Rejected("outputs_missing");
  if (pogw.kernel !== undefined && pogw.program !== undefined) throw new Rejected("program_beside_kernel");
  for (const name of ["program", "executor", "module_digest"] as const) {
    const source = pogw[name]?.source;
    if (source !== undefined && !HOST.includes(source)) throw new Rejected("asserted_source_not_allowed", name);
  }
  const { timings, batch } = pogw;
  if (timings !== undefined && !(HOST.includes(timings.source) && timings.started_unix_ms <= timings.finished_unix_ms)) {
    throw new Rejected("timings_invalid");
  }
  if (batch !== undefined && batch.index >= batch.size) throw new Rejected("batch_index_out_of_range");
}

function resultsAreAffirmed(claims: Claims): void {
  const claimed = claims.pogw.assurance.results;
  const has = (check: ResultCheck, status: Status) => findingOf(claims, check)?.status === status;
  const unfounded = claimed.find((check) => !has(check, "affirmed"));
  if (unfounded !== undefined) throw new Rejected("assurance_result_not_affirmed", unfounded);
  const refuted = RESULT_CHECKS.find((check) => has(check, "refuted"));
  if (refuted !== undefined && claimed.length > 0) throw new Rejected("assurance_result_contradicted", refuted);
}

function levelIsSupported(claims: Claims): void {
  const claimed = claims.pogw.assurance.level;
  const { level, lacks } = supportedLevel(claims);
  if (LEVELS.indexOf(claimed) > LEVELS.indexOf(level)) throw new Rejected("assurance_level_unsupported", lacks ?? "");
}

/** A1: every GPU and every switch is genuine on the word of its own fresh report, and there is a GPU. */
function shortOfGenuine(claims: Claims): string | undefined {
  const { devices } = claims.pogw;
  if (devices.some((device) => device.simulated)) return "simulated";
  if (!devices.some((device) => device.kind === "gpu")) return "gpu_missing";
  for (const device of devices.filter(({ kind }) => kind !== "cpu_tee")) {
    const appraisal = of(claims, device);
    if (tierOf(appraisal.ear_trustworthiness_vector.hardware) !== "affirming") return "hardware_not_affirmed";
    if (appraisal.eat_nonce === undefined) return "evidence_nonce_missing";
  }
  if (!byHardware(claims, "device_report")) return "report_not_affirmed";
  return findingOf(claims, "revocation")?.status === "refuted" ? "revoked" : undefined;
}

function byHardware(claims: Claims, method: string): boolean {
  return isAffirmedBy(findingOf(claims, method), "hardware");
}
