//! Issuing: claims in, a signed receipt out.

use std::fmt;

use crate::claims::{Claims, ClaimsParts};
use crate::code::codes;
use crate::limits::MAX_TOKEN_BYTES;
use crate::rejected::{Part, Rejected};
use crate::signer::{SignError, Signer};
use crate::token::{Compact, join, signing_input};

/// Why no receipt was issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The claims do not survive being written and read: a validator would see others.
    #[error("the claims read back differ from those given")]
    Unfaithful,
    /// The signature does not have the length of its algorithm; DER in the place of r and s is the usual cause.
    #[error("signature: expected {expected} bytes, got {actual}")]
    SignatureLength {
        /// The length of the algorithm, in bytes.
        expected: usize,
        /// The length given, in bytes.
        actual: usize,
    },
    /// The claims cannot be written as JSON.
    #[error("claims: {reason}")]
    Unwritable {
        /// What the writer says.
        reason: String,
    },
    /// Every validator would reject it; the code is theirs.
    #[error("every validator would reject it: {0}")]
    WouldBeRejected(Rejected),
    /// The signer did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

codes! { IssueError:
    Unfaithful = "issue_unfaithful",
    SignatureLength = "issue_signature_length",
    Unwritable = "issue_unwritable",
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
/// The payload is read back before it is signed, by the reader every validator uses. The signature is not verified
/// afterwards: that would double the cost of a receipt to guard against faults in our own processor, which a
/// [`Signer`] on doubtful hardware can do for itself.
///
/// # Errors
/// [`IssueError`]; nothing has been signed unless it is [`IssueError::SignatureLength`] or a token grown too large.
pub fn issue(claims: &Claims, signer: &dyn Signer) -> Result<SignedReceipt, IssueError> {
    let payload = serde_json::to_vec(claims).map_err(|error| IssueError::Unwritable {
        reason: error.to_string(),
    })?;
    reads_back_the_same(claims, &payload)?;
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
    let token = join(&signing_input, &signature);
    if token.len() > MAX_TOKEN_BYTES {
        return Err(IssueError::WouldBeRejected(Rejected::TokenTooLarge {
            limit: MAX_TOKEN_BYTES,
            actual: token.len(),
        }));
    }
    Ok(SignedReceipt { token })
}

fn reads_back_the_same(claims: &Claims, payload: &[u8]) -> Result<(), IssueError> {
    let read = Compact::members(Part::Payload, payload).and_then(ClaimsParts::read);
    match read {
        Ok(read) if read == **claims => Ok(()),
        Ok(_) => Err(IssueError::Unfaithful),
        Err(rejected) => Err(IssueError::WouldBeRejected(rejected)),
    }
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
