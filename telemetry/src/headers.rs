//! What the collector is sent beside spans, such as a token: from a file, because neither a settings file nor the environment
//! of a service is a place for secrets.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use reqwest::header::{HeaderName, HeaderValue};
use thiserror::Error;

/// No server is known to take more.
const MAX_BYTES: u64 = 16 * 1024;

/// Why there are no headers. What stands in the file is never said.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HeadersError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line is no header.
    #[error("{}: line {line}: expected a header such as `Authorization: Bearer …`", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
}

/// One header a line, `Name: value`; empty lines are passed over.
pub(crate) fn read(path: &Path) -> Result<HashMap<String, String>, HeadersError> {
    let unreadable = |source| HeadersError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    let len = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    if len.map_err(unreadable)? as u64 > MAX_BYTES {
        let why = format!("expected at most {MAX_BYTES} bytes");
        return Err(unreadable(io::Error::other(why)));
    }
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let headers = lines.map(|(at, line)| {
        header(line).ok_or_else(|| HeadersError::Malformed {
            path: path.to_owned(),
            line: at + 1,
        })
    });
    headers.collect()
}

fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let (name, value) = (name.trim(), value.trim());
    let name = HeaderName::try_from(name).ok()?;
    HeaderValue::try_from(value).ok()?;
    Some((name.as_str().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &[u8]) -> Result<HashMap<String, String>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_line_is_a_header() {
        let read = said(b"Authorization: Bearer a:b\n\nX-Scope-OrgID:  tenant \n").unwrap();
        assert_eq!(read["authorization"], "Bearer a:b");
        assert_eq!(read["x-scope-orgid"], "tenant");
        assert_eq!(read.len(), 2);
        assert!(said(b"").unwrap().is_empty());
    }

    #[test]
    fn what_is_none_is_refused_without_a_word_of_it() {
        for text in ["secret", "good: 1\nsec ret: 2", "name: se\u{7f}cret"] {
            let refused = said(text.as_bytes()).unwrap_err();
            assert!(refused.contains("expected a header"), "{refused}");
            assert!(!refused.contains("ret"), "{refused}");
        }
        assert!(said(&[0xff]).unwrap_err().contains("cannot read"));
        let large = vec![b'\n'; 16 * 1024 + 1];
        assert!(said(&large).unwrap_err().contains("at most 16384"));
        read(Path::new("/nonexistent/headers")).unwrap_err();
    }
}
