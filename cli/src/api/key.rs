//! The API key: from a file or from the environment, never from the command line, which other processes can read.

use std::env;
use std::path::Path;

use reqwest::header::HeaderValue;

use crate::failure::Failure;
use crate::files;

/// The variable that holds the key.
const VARIABLE: &str = "POGW_API_KEY";
/// Longest key file, in bytes: a key, or a token of an issuer.
const MAX_BYTES: usize = 16 * 1024;

/// The value of `Authorization`. It does not print.
pub(super) fn authorization(file: Option<&Path>) -> Result<HeaderValue, Failure> {
    let key = match file {
        Some(path) => files::read_text(path, MAX_BYTES)?,
        None => env::var(VARIABLE).map_err(|_| {
            Failure::Usage(format!(
                "no API key: set {VARIABLE}, or name a file with --api-key-file"
            ))
        })?,
    };
    bearer(key.trim())
}

fn bearer(key: &str) -> Result<HeaderValue, Failure> {
    let usable =
        !key.is_empty() && key.len() < MAX_BYTES && key.bytes().all(|b| b.is_ascii_graphic());
    let value = HeaderValue::try_from(format!("Bearer {key}"))
        .ok()
        .filter(|_| usable);
    let mut value = value.ok_or_else(|| Failure::Usage("the API key is not one".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_text_and_does_not_print() {
        let value = bearer("pogw_abcdefgh_secret").unwrap();
        assert_eq!(value.to_str().unwrap(), "Bearer pogw_abcdefgh_secret");
        assert!(!format!("{value:?}").contains("secret"));
        for wrong in ["", "a b", "a\nb", "ä", &"x".repeat(MAX_BYTES)] {
            let error = bearer(wrong).unwrap_err().to_string();
            assert!(!error.contains(wrong) || wrong.is_empty());
        }
    }
}
