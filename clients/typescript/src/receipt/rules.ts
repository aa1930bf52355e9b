/** What claims may not say at once, and which assurance level they support. One rule, one function, one code. */

import {
  LEVELS,
  RESULT_CHECKS,
  TIERS,
  isVendorClaim,
  type Appraisal,
  type Claims,
  type Device,
  type Finding,
  type Level,
  type Source,
  type Status,
  type Tier,
  type TrustVector,
  type Work,
} from "./claims.js";
import { Rejected, excerpt } from "./errors.js";
import { member } from "./json.js";

const HOST: readonly Source[] = ["provider_asserted", "guest_asserted"];
const HARDWARE: readonly Source[] = ["hardware", "provider_asserted"];
const RECOMPUTATION: readonly Source[] = ["recomputation"];

const SOURCES: ReadonlyMap<string, readonly Source[]> = new Map([
  ["device_report", HARDWARE],
  ["reference_measurements", HARDWARE],
  ["revocation", HARDWARE],
  ["guest_quote", HARDWARE],
  ["output_commitment", ["hardware", ...HOST]],
  ["audit", RECOMPUTATION],
  ["freivalds", RECOMPUTATION],
  ["sumcheck", RECOMPUTATION],
  ["replicas", ["replicas"]],
  ["timing", ["verifier_clock", ...HOST]],
  ["telemetry", HOST],
]);

/** Every rule, in the order of the Rust crate. Throws {@link Rejected} with the first one broken. */
export function check(claims: Claims): void {
  const work = claims.pogw;
  expiresAfterIssue(claims);
  countsAreBounded(work);
  devicesAndSubmodsMatch(claims);
  for (const device of work.devices) appraisalFitsDevice(appraisalOf(claims, device), device);
  isNoBetter(claims.ear_status, worst(Object.values(claims.submods).map((one) => one.ear_status)), "the receipt");
  areDistinct("output_duplicate", "output", work.outputs.map((output) => output.name));
  areDistinct("method_duplicate", "method", work.methods.map((finding) => finding.method));
  for (const finding of work.methods) findingHasMeaning(finding, work);
  revocationAgrees(work);
  workIsConsistent(work);
  resultsAreAffirmed(work);
  levelIsSupported(claims);
}

export function levelAtLeast(actual: Level, minimum: Level): boolean {
  return LEVELS.indexOf(actual) >= LEVELS.indexOf(minimum);
}

export function findingOf(work: Work, method: string): Finding | undefined {
  return work.methods.find((finding) => finding.method === method);
}

function refuse(code: string, message: string): never {
  throw new Rejected(code, message);
}

function expiresAfterIssue({ exp, iat, nbf }: Claims): void {
  if (exp !== undefined && exp <= Math.max(iat, nbf)) {
    refuse("expiry_not_after_issue", `exp ${exp} is not after both iat ${iat} and nbf ${nbf}`);
  }
}

function countsAreBounded(work: Work): void {
  const counts: readonly (readonly [string, number, number])[] = [
    ["devices", 128, work.devices.length],
    ["outputs", 256, work.outputs.length],
    ["methods", 32, work.methods.length],
    ["collateral", 512, work.collateral.length],
    ["revocation", 512, work.revocation.length],
    ["batch path", 32, work.batch?.path.length ?? 0],
  ];
  for (const [what, limit, actual] of counts) {
    if (actual > limit) refuse("too_many_entries", `${what}: expected at most ${limit}, got ${actual}`);
  }
}

/** The same things under the same names, so that neither list can hide one. */
function devicesAndSubmodsMatch(claims: Claims): void {
  const { devices } = claims.pogw;
  if (devices.length === 0) refuse("devices_missing", "no devices");
  const ids = new Set<string>();
  const submods = new Set<string>();
  for (const device of devices) {
    if (ids.has(device.id) || submods.has(device.submod)) {
      refuse("device_duplicate", `device ${device.id} shares its id or its submodule`);
    }
    ids.add(device.id);
    submods.add(device.submod);
    appraisalOf(claims, device);
  }
  const stray = Object.keys(claims.submods).find((name) => !submods.has(name));
  if (stray !== undefined) refuse("submod_without_device", `submodule ${stray} belongs to no device`);
}

function appraisalOf(claims: Claims, device: Device): Appraisal {
  const appraisal = Object.hasOwn(claims.submods, device.submod) ? claims.submods[device.submod] : undefined;
  return appraisal ?? refuse("device_submod_missing", `device ${device.id} has no submodule ${device.submod}`);
}

/** The tier of one value of a vector (AR4SI section 2.3.2). */
function tierOf(value = 0): Tier {
  if (value >= -1 && value <= 1) return "none";
  if (value >= -32 && value <= 31) return "affirming";
  if (value >= -96 && value <= 95) return "warning";
  return "contraindicated";
}

function worst(tiers: readonly Tier[]): Tier {
  return TIERS.find((tier) => tiers.includes(tier)) ?? "none";
}

/** The best status a vector allows: the tier of its worst claim. */
function bound(vector: TrustVector): Tier {
  return worst(Object.values(vector).filter((value) => value !== 0).map((value) => tierOf(value)));
}

function appraisalFitsDevice(appraisal: Appraisal, { submod, kind, simulated }: Device): void {
  const vector = appraisal.ear_trustworthiness_vector;
  if (appraisal.ear_appraisal_policy_ids.length === 0) {
    refuse("policy_ids_missing", `submodule ${submod} names no policy`);
  }
  if (simulated) {
    if (appraisal.ear_status === "affirming" || tierOf(vector.hardware) === "affirming") {
      refuse("simulated_device_affirmed", `submodule ${submod} affirms a simulated device`);
    }
    saysItIsSimulated(appraisal, submod);
  }
  if (kind !== "cpu_tee" && vector.executables === 2) {
    refuse("executables_overstated", `submodule ${submod} says executables 2, expected 3 at best`);
  }
  if (member(appraisal.vendor, "measres") === "fail" && tierOf(vector.executables) === "affirming") {
    refuse("measurement_contradiction", `submodule ${submod} affirms executables although measres is fail`);
  }
  isNoBetter(appraisal.ear_status, bound(vector), submod);
}

/** Whoever reads NVIDIA's names alone must not take software for a device. */
function saysItIsSimulated(appraisal: Appraisal, submod: string): void {
  for (const [name, value] of Object.entries(appraisal.vendor)) {
    const words = name === "hwmodel" && typeof value === "string" ? value.split(/\s+/) : [];
    if (isVendorClaim(name) && !words.includes("SIMULATED")) {
      refuse("simulated_vendor_claim", `submodule ${submod} states ${excerpt(name)} for a simulated device`);
    }
  }
}

function isNoBetter(actual: Tier, best: Tier, place: string): void {
  if (TIERS.indexOf(actual) > TIERS.indexOf(best)) {
    refuse("ear_status_too_good", `ear_status of ${place}: expected at best ${best}, got ${actual}`);
  }
}

function areDistinct(code: string, what: string, names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) refuse(code, `${what} ${twice} occurs twice`);
}

function findingHasMeaning(finding: Finding, work: Work): void {
  const { method, status, source } = finding;
  const sources = SOURCES.get(method);
  if (sources !== undefined && !sources.includes(source)) {
    refuse("method_source_not_allowed", `method ${method} cannot rest on ${source}`);
  }
  if (isAffirmedBy(finding, "hardware") && isAboutSimulated(method, work)) {
    refuse("simulated_hardware_source", `method ${method} cannot rest on hardware: a device is simulated`);
  }
  const hasStrength = finding.log2_error !== undefined;
  if (hasStrength && !isAffirmedBy(finding, "recomputation")) {
    refuse("strength_not_allowed", `method ${method} is ${status}: it has no log2_error`);
  }
  const hasShare = finding.wrong_ppm !== undefined;
  if (hasShare !== (method === "audit" && hasStrength)) {
    refuse("strength_share", `method ${method}: an audit states log2_error and wrong_ppm together`);
  }
  if (finding.chain !== undefined && !hasShare) {
    refuse("strength_chain", `method ${method}: chain stands beside the wrong_ppm of an audit alone`);
  }
  if ((finding.agreeing !== undefined) !== (method === "replicas" && status === "affirmed")) {
    refuse("agreeing_count", `method ${method}: affirmed replicas state how many agree`);
  }
}

function isAboutSimulated(method: string, work: Work): boolean {
  const ofCpu = method === "guest_quote";
  return work.devices.some((device) => (device.kind === "cpu_tee") === ofCpu && device.simulated);
}

function isAffirmedBy(finding: Finding | undefined, source: Source): boolean {
  return finding?.status === "affirmed" && finding.source === source;
}

function isAffirmedByHardware(work: Work, method: string): boolean {
  return isAffirmedBy(findingOf(work, method), "hardware");
}

function hasStatus(work: Work, method: string, status: Status): boolean {
  return findingOf(work, method)?.status === status;
}

/** Where `revocation` is affirmed something was asked, and nothing was found that refutes. */
function revocationAgrees(work: Work): void {
  const certificates = work.revocation;
  if (certificates.length > 0 && hasStatus(work, "revocation", "not_requested")) {
    refuse("revocation_not_requested", "revocation lists certificates although nobody asked");
  }
  if (!hasStatus(work, "revocation", "affirmed")) return;
  if (certificates.length === 0) {
    refuse("revocation_unshown", "revocation is affirmed without a certificate that was asked about");
  }
  const bad = certificates.find(({ status }) => status !== "good" && status !== "on_hold");
  if (bad !== undefined) {
    refuse("revocation_contradiction", `revocation is affirmed although a certificate is ${bad.status}`);
  }
}

function workIsConsistent(work: Work): void {
  if (hasStatus(work, "output_commitment", "affirmed") && work.outputs.length === 0) {
    refuse("outputs_missing", "output_commitment is affirmed without outputs");
  }
  if (work.kernel !== undefined && work.program !== undefined) {
    refuse("program_beside_kernel", "pogw: expected a kernel or a program, got both");
  }
  for (const claim of ["program", "executor", "module_digest"] as const) {
    const said = work[claim];
    if (said !== undefined && !HOST.includes(said.source)) {
      refuse("asserted_source_not_allowed", `${claim}: expected the provider's or guest's word, got ${said.source}`);
    }
  }
  timingsRunForward(work);
  const { batch } = work;
  if (batch !== undefined && batch.index >= batch.size) {
    refuse("batch_index_out_of_range", `batch: index ${batch.index} is not below size ${batch.size}`);
  }
}

function timingsRunForward({ timings }: Work): void {
  if (timings === undefined) return;
  if (!HOST.includes(timings.source) || timings.started_unix_ms > timings.finished_unix_ms) {
    refuse("timings_invalid", "timings: expected an end after the start on the provider's or guest's word");
  }
}

/** Affirmed checks only, and none while another says that the output is wrong. */
function resultsAreAffirmed(work: Work): void {
  const claimed = work.assurance.results;
  const unmade = RESULT_CHECKS.find((one) => claimed.includes(one) && !hasStatus(work, one, "affirmed"));
  if (unmade !== undefined) {
    refuse("assurance_result_not_affirmed", `assurance claims ${unmade}, which is not affirmed`);
  }
  const failed = RESULT_CHECKS.find((one) => hasStatus(work, one, "refuted"));
  if (failed !== undefined && claimed.length > 0) {
    refuse("assurance_result_contradicted", `assurance claims result checks although ${failed} is refuted`);
  }
}

function levelIsSupported(claims: Claims): void {
  const claimed = claims.pogw.assurance.level;
  const [supported, shortfall] = supportedLevel(claims);
  if (!levelAtLeast(supported, claimed)) {
    refuse(
      "assurance_level_unsupported",
      `assurance level: expected at most ${supported}, got ${claimed}: ${shortfall ?? ""}`,
    );
  }
}

/** The highest level devices and findings support, and what the next one lacks. */
export function supportedLevel(claims: Claims): readonly [Level, string | undefined] {
  const shortfall = shortOfA1(claims);
  if (shortfall !== undefined) return ["A0", shortfall];
  if (!isAffirmedByHardware(claims.pogw, "output_commitment")) return ["A1", "output_not_committed"];
  if (!isAffirmedByHardware(claims.pogw, "guest_quote")) return ["A2", "guest_not_quoted"];
  return ["A3", undefined];
}

/** Every GPU and every switch is genuine on the word of its own fresh report, and there is a GPU. */
function shortOfA1(claims: Claims): string | undefined {
  const { devices } = claims.pogw;
  if (devices.some((device) => device.simulated)) return "simulated";
  if (!devices.some((device) => device.kind === "gpu")) return "gpu_missing";
  for (const device of devices.filter((one) => one.kind !== "cpu_tee")) {
    const appraisal = appraisalOf(claims, device);
    if (tierOf(appraisal.ear_trustworthiness_vector.hardware) !== "affirming") return "hardware_not_affirmed";
    if (appraisal.eat_nonce === undefined) return "evidence_nonce_missing";
  }
  if (!isAffirmedByHardware(claims.pogw, "device_report")) return "report_not_affirmed";
  return hasStatus(claims.pogw, "revocation", "refuted") ? "revoked" : undefined;
}
