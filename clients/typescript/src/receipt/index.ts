/**
 * The work receipt, as a stranger checks it: offline, by the rules and with the codes of the Rust crate `receipt`.
 *
 * Signatures are jose's; what a receipt may say is checked here. Nothing of Node is used: it runs in browsers too.
 * In scope: key sets, validation, what a validated receipt says. Out of scope: issuing, fetching keys, remembering what
 * was paid, the issuer's log.
 *
 * @module
 */

export { PROFILE } from "./claims.js";
export type {
  Appraisal,
  CertificateRevocation,
  Claims,
  Collateral,
  Device,
  Finding,
  Level,
  Output,
  ResultCheck,
  Source,
  Status,
  Tier,
  TrustVector,
  Work,
} from "./claims.js";
export { InvalidValue, JwksError, Rejected } from "./errors.js";
export { Jwks } from "./keys.js";
export type { PublishedKey } from "./keys.js";
export { DEFAULT_LEEWAY_S, Receipt, TYP, Validator } from "./validate.js";
export type { Demands } from "./validate.js";
