/** Made by the build from `docs/reasons.md` and the READMEs of `receipt` and `verifier-service`: code to meaning. */
declare module "virtual:reasons" {
  /** Of evidence, receipts and jobs. */
  export const reasons: Record<string, string>;
  /** Of answers of the service. */
  export const problems: Record<string, string>;
}
