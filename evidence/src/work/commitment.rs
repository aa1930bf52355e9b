//! The salted commitment: what a replica hands in before anything is revealed, and nobody can copy.
//!
//! In scope: the derivation and the form in which it travels. The salt and the keyed digest hide the result until it is
//! opened; the keyed digest, under a key of this replica alone, is what a copier of digests cannot compute.
//!
//! Out of scope: drawing the salt, computing the keyed digest (BLAKE3, `kernels::KeyedDigest`), and who is asked when.

use serde::{Deserialize, Serialize};

use super::encoding::Base64Url;
use super::statement::CanonicalStatement;
use crate::crypto;

const COMMITMENT_CONTEXT: &[u8] = b"pogw/1 commitment\n";

/// What opens a commitment, beside the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// 32 random bytes, drawn by the agent for this commitment alone.
    pub salt: Base64Url<32>,
    /// BLAKE3, keyed with the key of this replica, over the outputs in the order of the statement and the digests of the
    /// trace.
    pub keyed: Base64Url<32>,
}

/// The body of a commitment, `{"commitment": …}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultCommitment {
    /// SHA-256("pogw/1 commitment\n" ‖ salt ‖ SHA-256(JCS(statement)) ‖ keyed).
    pub commitment: Base64Url<32>,
}

impl ResultCommitment {
    /// Commits to a statement.
    #[must_use]
    pub fn to(statement: &CanonicalStatement, secrets: &Secrets) -> Self {
        let digest = crypto::sha256(statement.as_bytes());
        let parts: [&[u8]; 4] = [
            COMMITMENT_CONTEXT,
            &secrets.salt.0,
            &digest,
            &secrets.keyed.0,
        ];
        let commitment = Base64Url(crypto::sha256_of(&parts));
        Self { commitment }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commitment(statement: &[u8], salt: u8, keyed: u8) -> ResultCommitment {
        let secrets = Secrets {
            salt: Base64Url([salt; 32]),
            keyed: Base64Url([keyed; 32]),
        };
        ResultCommitment::to(&CanonicalStatement::of_bytes(statement), &secrets)
    }

    #[test]
    fn it_binds_all_that_goes_into_it() {
        let right = commitment(b"{}", 1, 2);
        assert_eq!(commitment(b"{}", 1, 2), right);
        for other in [
            commitment(b"{ }", 1, 2),
            commitment(b"{}", 2, 2),
            commitment(b"{}", 1, 1),
            commitment(b"{}", 2, 1),
        ] {
            assert_ne!(other, right);
        }
    }

    #[test]
    fn its_form_has_one_member() {
        let json = serde_json::to_string(&commitment(b"{}", 1, 2)).unwrap();
        assert!(serde_json::from_str::<ResultCommitment>(&json).is_ok());
        let more = json.replace('}', ",\"salt\":\"\"}");
        for wrong in [
            more.as_str(),
            "{}",
            r#"{"commitment":"AA"}"#,
            r#"{"commitment":null}"#,
        ] {
            assert!(
                serde_json::from_str::<ResultCommitment>(wrong).is_err(),
                "{wrong}"
            );
        }
    }
}
