//! Issuing: claims in, a signed receipt out.

use std::fmt;

use crate::claims::Claims;
use crate::code::codes;
use crate::json;
use crate::limits::MAX_TOKEN_BYTES;
use crate::rejected::{Part, Rejected};
use crate::signer::{SignError, Signer};
use crate::token::{join, signing_input};

/// Why no receipt was issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The signature does not have the length of its algorithm; DER in the place of r and s is the usual cause.
    #[error("signature: expected {expected} bytes, got {actual}")]
    SignatureLength {
        /// The length of the algorithm, in bytes.
        expected: usize,
        /// The length given, in bytes.
        actual: usize,
    },
    /// Every validator would reject it; the code is theirs.
    #[error("every validator would reject it: {0}")]
    WouldBeRejected(Rejected),
    /// The signer did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

codes! { IssueError:
    SignatureLength = "issue_signature_length",
    ; IssueError::WouldBeRejected(rejected) => rejected.code()
    ; IssueError::Sign(error) => error.code()
}

/// A receipt we signed. Only [`issue`] makes one.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    token: String,
}

impl SignedReceipt {
    /// The compact JWS, as sent with `application/eat+jwt`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.token
    }

    /// The compact JWS.
    #[must_use]
    pub fn into_string(self) -> String {
        self.token
    }
}

/// Shows the length only: claims may name a device's lifelong identity, and logs are kept.
impl fmt::Debug for SignedReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedReceipt({} bytes)", self.token.len())
    }
}

/// Signs claims. The header is `alg`, `kid` and `typ`, all three ours.
///
/// The payload is written by the rules every validator reads by; that what can be written is read back as it was is
/// held by the types of the claims, and by a test over any claims there can be. The signature is not verified
/// afterwards: that would double the cost of a receipt to guard against faults in our own processor, which a
/// [`Signer`] on doubtful hardware can do for itself.
///
/// # Errors
/// [`IssueError`]; nothing has been signed unless it is [`IssueError::SignatureLength`] or a token grown too large.
pub fn issue(claims: &Claims, signer: &dyn Signer) -> Result<SignedReceipt, IssueError> {
    let part = Part::Payload;
    let payload = json::write(claims)
        .map_err(|fault| IssueError::WouldBeRejected(Rejected::Json { part, fault }))?;
    let key = signer.public_jwk();
    let signing_input = signing_input(key, &payload);
    let signature = signer.sign(signing_input.as_bytes())?;
    let expected = key.algorithm().signature_bytes();
    if signature.len() != expected {
        return Err(IssueError::SignatureLength {
            expected,
            actual: signature.len(),
        });
    }
    let token = join(signing_input, &signature);
    if token.len() > MAX_TOKEN_BYTES {
        return Err(IssueError::WouldBeRejected(Rejected::TokenTooLarge {
            limit: MAX_TOKEN_BYTES,
            actual: token.len(),
        }));
    }
    Ok(SignedReceipt { token })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forgery of the crate's docs, here where the field is visible: there it fails for privacy alone.
    #[test]
    fn forgery_names_what_exists() {
        fn forge(token: String) -> SignedReceipt {
            SignedReceipt { token }
        }
        assert_eq!(forge("a.b.c".to_owned()).as_str(), "a.b.c");
    }
}
