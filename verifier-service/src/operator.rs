//! Who may change policies, make parties and read statistics: whoever has the operator token.
//!
//! The token is read once, at start, and kept as a digest. Its file is made at first start with mode 0600, or is one
//! that the configuration names; in either case nobody else may have access to it.

use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::HeaderMap;
use evidence::crypto;
use evidence::work::Base64Url;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::bearer::{self, is_token};
use crate::private_files::{self, PrivateFileError};
use crate::problem::{Problem, ProblemCode};
use crate::random;

const REALM: &str = "operator";
/// Fewest characters: 32 of base64 hold 192 bits.
const MIN_CHARS: usize = 32;
/// Most characters: no HTTP server refuses a header of that size.
const MAX_CHARS: usize = 512;

/// Why there is no operator token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OperatorTokenError {
    /// The file is not ours alone, or cannot be made.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file cannot be read.
    #[error("cannot read operator token {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The configuration names a file that is not there.
    #[error("operator token {path} does not exist")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file does not hold a token.
    #[error(
        "operator token {path} must be one line of 32 to 512 letters, digits and -._~+/=, got something else"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// The token, as a digest.
#[derive(Clone, Copy)]
pub(crate) struct OperatorToken([u8; 32]);

impl OperatorToken {
    /// Reads the token in `configured`, or that at `own`, which is made if it is missing.
    ///
    /// # Errors
    /// See [`OperatorTokenError`]. A token others could have read is refused, not replaced: it may have been copied.
    pub(crate) fn open(own: &Path, configured: Option<&Path>) -> Result<Self, OperatorTokenError> {
        let path = configured.unwrap_or(own);
        private_files::create_if_missing(path, || match configured {
            Some(path) => Err(OperatorTokenError::Missing {
                path: path.to_owned(),
            }),
            None => Ok(generate()),
        })?;
        let text = std::fs::read_to_string(path).map_err(|source| OperatorTokenError::Read {
            path: path.to_owned(),
            source,
        })?;
        let text = Zeroizing::new(text);
        let token = text.strip_suffix('\n').unwrap_or(&text);
        match is_token(token) && (MIN_CHARS..=MAX_CHARS).contains(&token.len()) {
            true => Ok(Self(crypto::sha256(token.as_bytes()))),
            false => Err(OperatorTokenError::Malformed {
                path: path.to_owned(),
            }),
        }
    }

    /// Sees that a request carries the token (RFC 6750 2.1).
    ///
    /// # Errors
    /// 401.
    pub(crate) fn authorize(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let authorized = bearer::token(headers).and_then(|token| match self.is(token) {
            true => Ok(()),
            false => Err(ProblemCode::AuthorizationInvalid),
        });
        authorized.map_err(|code| bearer::refused(REALM, code))
    }

    /// Digests are compared, in constant time: neither length nor beginning of the token can be found out by trying.
    pub(crate) fn is(self, token: &str) -> bool {
        verify_slices_are_equal(&self.0, &crypto::sha256(token.as_bytes())).is_ok()
    }
}

/// 32 random bytes, on a line of their own.
fn generate() -> Zeroizing<String> {
    let secret = Zeroizing::new(random::bytes::<32>());
    Zeroizing::new(format!("{}\n", Base64Url(*secret)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use axum::http::{HeaderValue, header};

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_token_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator-token");
        let token = OperatorToken::open(&path, None).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(Base64Url::<32>::parse(text.trim_end()).is_some(), "{text}");
        let again = OperatorToken::open(&path, None).unwrap();
        assert_eq!(token.0, again.0);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = OperatorToken::open(&path, None).err().unwrap();
        assert!(matches!(refused, OperatorTokenError::File(_)), "{refused}");
    }

    #[test]
    fn a_configured_token_must_be_there_and_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let (own, path) = (folder.path().join("own"), folder.path().join("token"));
        let open = || OperatorToken::open(&own, Some(&path));
        assert!(matches!(open(), Err(OperatorTokenError::Missing { .. })));
        let (least, most) = ("a".repeat(32), "a".repeat(512));
        let table = [
            (least.clone(), true),
            (format!("{least}\n"), true),
            (most.clone(), true),
            (String::new(), false),
            ("a".repeat(31), false),
            (most + "a", false),
            (format!("{least}\n\n"), false),
            (format!(" {least}"), false),
            (format!("{least}\nsecond"), false),
            (format!("{least}\u{e9}"), false),
        ];
        for (text, good) in table {
            drop(std::fs::remove_file(&path));
            private_files::create(&path, text.as_bytes()).unwrap();
            assert_eq!(open().is_ok(), good, "{text:?}");
        }
        drop(std::fs::remove_file(&path));
        private_files::create(&path, &[0xff; 40]).unwrap();
        assert!(matches!(open(), Err(OperatorTokenError::Read { .. })));
        assert!(!own.exists());
    }

    #[test]
    fn forms_of_authorization() {
        let secret = "s3cret-".repeat(6);
        let token = OperatorToken(crypto::sha256(secret.as_bytes()));
        let code = |values: &[&str]| {
            let refused = token.authorize(&headers(values)).err();
            refused.map(|problem| problem.code())
        };
        let good = format!("Bearer {secret}");
        assert_eq!(code(&[&good]), None);
        assert_eq!(code(&[&format!("bearer  {secret}")]), None);
        assert_eq!(code(&[]), Some("authorization_missing"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            &secret,
            &format!("Basic {secret}"),
            &format!("Bearer {secret}x"),
            &format!("Bearer {secret} x"),
            &format!("Bearer {}", &secret[1..]),
            &format!("Bearer {}", secret.to_uppercase()),
        ] {
            assert_eq!(code(&[wrong]), Some("authorization_invalid"), "{wrong}");
        }
        // Two of them are none, even if both are right.
        assert_eq!(code(&[&good, &good]), Some("authorization_invalid"));
    }
}
