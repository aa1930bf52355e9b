//! The README's tables name every code and every claim.

use receipt::{
    ClaimsError, IssueError, JsonFault, JwkError, JwksError, Rejected, Shortfall, SignError,
};

use crate::kit::{parts, payload_of};

const README: &str = include_str!("../../README.md");

#[test]
fn every_code_is_documented() {
    let tables = [
        Rejected::CODES,
        JsonFault::CODES,
        ClaimsError::CODES,
        Shortfall::CODES,
        JwksError::CODES,
        JwkError::CODES,
        IssueError::CODES,
        SignError::CODES,
    ];
    for code in tables.concat() {
        assert!(README.contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn codes_are_snake_case_and_unique() {
    let tables = [
        Rejected::CODES,
        JsonFault::CODES,
        ClaimsError::CODES,
        Shortfall::CODES,
        JwksError::CODES,
        JwkError::CODES,
        IssueError::CODES,
        SignError::CODES,
    ];
    let mut codes = tables.concat();
    assert!(codes.iter().all(|code| {
        code.chars()
            .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    }));
    let all = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all);
}

#[test]
fn every_claim_is_documented() {
    let payload = payload_of(parts());
    let pogw = payload["pogw"].as_object().unwrap();
    for claim in payload.keys().chain(pogw.keys()) {
        assert!(README.contains(&format!("`{claim}`")), "{claim}");
    }
}
