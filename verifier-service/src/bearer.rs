//! Bearer tokens in requests (RFC 6750): where they are, and what is answered when they are not valid.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::problem::{Problem, ProblemCode};

/// The token of `Authorization: Bearer TOKEN`, the only form taken.
///
/// # Errors
/// [`ProblemCode::AuthorizationMissing`], [`ProblemCode::AuthorizationInvalid`]; two of them are none.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, ProblemCode> {
    let mut stated = headers.get_all(header::AUTHORIZATION).iter();
    let value = stated.next().ok_or(ProblemCode::AuthorizationMissing)?;
    let is_only = stated.next().is_none();
    let token = value.to_str().ok().filter(|_| is_only).and_then(bearer);
    token.ok_or(ProblemCode::AuthorizationInvalid)
}

/// The answer to a request whose token is missing (which is no error, RFC 6750 3.1) or of no use.
pub(crate) fn refused(realm: &str, code: ProblemCode) -> Problem {
    let challenge = match code {
        ProblemCode::AuthorizationMissing => format!(r#"Bearer realm="{realm}""#),
        _ => format!(r#"Bearer realm="{realm}", error="invalid_token""#),
    };
    challenged(code, &challenge)
}

/// The answer to a request whose token is good and does not go far enough.
pub(crate) fn out_of_scope(realm: &str, scope: &str) -> Problem {
    let challenge =
        format!(r#"Bearer realm="{realm}", error="insufficient_scope", scope="{scope}""#);
    challenged(ProblemCode::ScopeMissing, &challenge)
}

/// `b64token` of RFC 6750 2.1, also with `=` elsewhere than at its end.
pub(crate) fn is_token(text: &str) -> bool {
    let of_token = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    !text.is_empty() && text.bytes().all(of_token)
}

/// The token in `Bearer TOKEN`; the scheme's case does not matter.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    let token = token.trim_start_matches(' ');
    (is_bearer && is_token(token)).then_some(token)
}

fn challenged(code: ProblemCode, challenge: &str) -> Problem {
    let problem = Problem::new(code);
    match HeaderValue::from_str(challenge) {
        Ok(challenge) => problem.challenge(challenge),
        // Realms and scopes are words of ours.
        Err(_) => problem,
    }
}
