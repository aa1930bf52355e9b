/** Why a token is no receipt: the codes of the crate `receipt`, whose README explains them. */
export class Rejected extends Error {
  constructor(
    readonly code: string,
    readonly detail = "",
  ) {
    super(detail === "" ? code : `${code}: ${detail}`);
  }
}
