/** Made by the build from `docs/reasons.md` and the README of the crate `receipt`: code to meaning. */
declare module "virtual:reasons" {
  const reasons: Record<string, string>;
  export default reasons;
}
