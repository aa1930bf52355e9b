//! Secrets that are handed out once and known by their digest afterwards: API keys and enrolment tokens.
//!
//! `pogw_abcdefgh_…`: a word that says what it is, so that scanners of code find secrets left in it; eight characters
//! by which its digest is found; 256 random bits. One SHA-256 is enough: nobody can try out 256 bits, so a slow hash
//! would only slow this service.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use evidence::crypto;
use evidence::work::Base64Url;
use zeroize::Zeroizing;

use crate::random;

/// What a secret opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretKind {
    /// The interface, for a party.
    ApiKey,
    /// The door, for one new agent.
    Enrolment,
}

/// A secret as its bearer has it. Never printed.
pub(crate) struct Secret {
    text: Zeroizing<String>,
    prefix: String,
}

/// RFC 4648 section 6, in lower case: five bits a character.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const PREFIX_CHARS: usize = 8;

impl SecretKind {
    const fn word(self) -> &'static str {
        match self {
            Self::ApiKey => "pogw_",
            Self::Enrolment => "pogwe_",
        }
    }

    /// Whether a text says that it is of this kind, well formed or not.
    pub(crate) fn claims(self, text: &str) -> bool {
        text.starts_with(self.word())
    }
}

impl Secret {
    /// A new one.
    pub(crate) fn random(kind: SecretKind) -> Self {
        let prefix: String = random::bytes::<PREFIX_CHARS>().map(letter).iter().collect();
        let secret = Zeroizing::new(random::bytes::<32>());
        Self {
            text: Zeroizing::new(format!("{}{prefix}_{}", kind.word(), Base64Url(*secret))),
            prefix,
        }
    }

    /// Reads the one spelling.
    pub(crate) fn parse(kind: SecretKind, text: &str) -> Option<Self> {
        let rest = text.strip_prefix(kind.word())?;
        let (prefix, secret) = rest.split_at_checked(PREFIX_CHARS)?;
        let is_prefix = prefix.bytes().all(|b| ALPHABET.contains(&b));
        let is_secret = secret.strip_prefix('_').and_then(Base64Url::<32>::parse);
        (is_prefix && is_secret.is_some()).then(|| Self {
            text: Zeroizing::new(text.to_owned()),
            prefix: prefix.to_owned(),
        })
    }

    /// The text, to be shown once.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What finds its digest.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What is kept of it.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        crypto::sha256(self.text.as_bytes())
    }

    /// Whether it is the one of which this was kept; the time taken says nothing about how close it came.
    pub(crate) fn is(&self, sha256: &[u8; 32]) -> bool {
        verify_slices_are_equal(&self.sha256(), sha256).is_ok()
    }
}

fn letter(byte: u8) -> char {
    ALPHABET[usize::from(byte) % ALPHABET.len()].into()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({}…)", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_of_each_kind() {
        for (kind, len) in [(SecretKind::ApiKey, 57), (SecretKind::Enrolment, 58)] {
            let secret = Secret::random(kind);
            let text = secret.text();
            assert_eq!(
                text.len(),
                len,
                "word, 8 characters, underscore, 43 characters"
            );
            let again = Secret::parse(kind, text).unwrap();
            assert_eq!(again.prefix(), secret.prefix());
            assert!(again.is(&secret.sha256()) && kind.claims(text));
            assert!(!Secret::random(kind).is(&secret.sha256()));
            assert!(
                !format!("{secret:?}").contains(&text[15..]),
                "never printed"
            );
            let wrong = [
                String::new(),
                text[1..].to_owned(),
                text[..len - 1].to_owned(),
                format!("{text}A"),
                format!("{text}="),
                text.to_uppercase(),
                text.replacen('_', "-", 1),
                format!("{}ü{}", &text[..7], &text[9..]),
            ];
            for wrong in wrong {
                assert!(Secret::parse(kind, &wrong).is_none(), "{wrong}");
            }
        }
        let key = Secret::random(SecretKind::ApiKey);
        assert!(Secret::parse(SecretKind::Enrolment, key.text()).is_none());
    }
}
