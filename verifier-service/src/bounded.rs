//! Reads files up to a limit.

use std::fs::File;
use std::io::{self, Read};

/// Reads a file, at most one byte more than the limit, so that the reader can say that it is too large.
pub(crate) fn read_bounded(file: &mut File, limit: usize) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut content = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut content)?;
    Ok(content)
}
