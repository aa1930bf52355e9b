//! A stranger's text in an error: its beginning, never all of it.
//!
//! In scope: the cut. Out of scope: escaping, which the error's own format does (`{:?}`).

/// The first 64 characters of a name.
pub(crate) fn name(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The first 256 characters of a message that may quote a stranger's text.
pub(crate) fn message(text: &str) -> String {
    text.chars().take(256).collect()
}
