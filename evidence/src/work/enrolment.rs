//! How an agent shows, when it enrols, that it holds the key it enrols with.

use super::Base64Url;
use crate::crypto;

const CONTEXT: &[u8] = b"pogw/1 enrolment\n";

/// What the agent key signs: "pogw/1 enrolment\n" ‖ SHA-256(enrolment token, as text) ‖ agent key. A proof is good for one
/// token and one key.
#[must_use]
pub fn enrolment_message(token: &str, agent_key: &Base64Url<32>) -> Vec<u8> {
    let parts = [CONTEXT, &crypto::sha256(token.as_bytes()), &agent_key.0];
    parts.concat()
}

/// Whether `proof` is by the agent key, over this token.
#[must_use]
pub fn is_enrolment_proof(token: &str, agent_key: &Base64Url<32>, proof: &Base64Url<64>) -> bool {
    crypto::ed25519(&agent_key.0, &enrolment_message(token, agent_key), &proof.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by a second implementation (Python, hashlib and cryptography) from the seed 00 01 … 1f.
    #[test]
    fn a_proof_of_another_implementation() {
        let token = "pogwe_abcdefgh_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let key = Base64Url::parse("A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg").unwrap();
        let proof = Base64Url::parse("UsDv2cUejmO2jRsqOBHWjp4koJqENeomNi-J-EE7ip9KM9Vag5N9hIP3FPE5-ubOWxzZoOuJ9Zn9n88P1NOiDg").unwrap();
        assert!(is_enrolment_proof(token, &key, &proof));
        assert!(!is_enrolment_proof(
            &token.replace("ab", "ba"),
            &key,
            &proof
        ));
        assert!(!is_enrolment_proof(token, &Base64Url([7; 32]), &proof));
        assert!(!is_enrolment_proof(token, &key, &Base64Url([0; 64])));
    }
}
