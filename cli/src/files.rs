//! Reading what the command line names, within bounds.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::failure::Failure;

/// Reads a file of at most `limit` bytes, and one more, so that whoever judges the bytes can say that they are too
/// many.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| Failure::unreadable(path.display(), &error);
    let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}

/// Reads standard input, of at most `limit` bytes and one more.
pub(crate) fn read_stdin(limit: usize) -> Result<Vec<u8>, Failure> {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Failure::unreadable("standard input", &error))?;
    Ok(bytes)
}

/// Reads UTF-8 text.
pub(crate) fn read_text(path: &Path, limit: usize) -> Result<String, Failure> {
    String::from_utf8(read(path, limit)?)
        .map_err(|_| Failure::unreadable(path.display(), &"expected UTF-8 text"))
}

/// Reads a report in one of its forms: raw bytes, or hexadecimal text as people keep it (blanks, line breaks, `0x`,
/// `\x`; nvidia-evidence 11, form 7). A raw report is never text: it starts with 0x11 0xE0, which is not UTF-8. So text
/// that is not hexadecimal, or nothing at all, is no report in any form.
pub(crate) fn read_report(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    // Five characters a byte at most: `0x11 `.
    let bytes = read(path, limit.saturating_mul(5))?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => decode_hex(text).ok_or_else(|| {
            let expected = "expected a report, as raw bytes or as hexadecimal text";
            Failure::unreadable(path.display(), &expected)
        }),
        Err(_) => Ok(bytes),
    }
}

/// Reads a nonce: 32 bytes in hexadecimal, in either case, with or without `0x`.
pub(crate) fn parse_nonce(text: &str) -> Result<[u8; 32], Failure> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut nonce = [0; 32];
    hex::decode_to_slice(digits, &mut nonce).map_err(|_| {
        let length = digits.len();
        Failure::Usage(format!(
            "--nonce: expected 64 hexadecimal digits, got {length} characters"
        ))
    })?;
    Ok(nonce)
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text
        .replace("\\x", " ")
        .replace("0x", " ")
        .replace("0X", " ")
        .split_whitespace()
        .collect();
    hex::decode(digits).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_as_people_keep_it() {
        for text in ["11e0", "0x11e0", "0x11 0XE0", "\\x11\\xE0", " 11\nE0\n"] {
            assert_eq!(decode_hex(text), Some(vec![0x11, 0xe0]), "{text}");
        }
        for text in ["", " ", "11e", "-----BEGIN", "11:e0", "EeAB//8="] {
            assert_eq!(decode_hex(text), None, "{text}");
        }
    }

    #[test]
    fn nonces_are_32_bytes() {
        assert_eq!(
            parse_nonce(&format!("0x{}", "Ab".repeat(32))).unwrap(),
            [0xab; 32]
        );
        assert!(parse_nonce("").is_err() && parse_nonce(&"0".repeat(63)).is_err());
    }
}
