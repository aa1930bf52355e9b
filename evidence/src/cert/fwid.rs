//! The firmware id (FWID) that a leaf certificate carries (nvidia-evidence 4.5; TCG DICE Attestation Architecture).
//!
//! Hopper and LS10 write a compound of a public key and the FWID under OID 2.23.133.5.4.1; Blackwell writes a
//! DiceTcbInfo under 2.23.133.5.4.1.1. Both are read strictly: SHA-384, 48 bytes, one extension.

use thiserror::Error;
use x509_parser::der_parser::ber::BerObjectContent;
use x509_parser::der_parser::der::{DerObject, parse_der};
use x509_parser::prelude::X509Certificate;

use crate::bytes::Reader;

const OID_DICE_COMPOUND: &str = "2.23.133.5.4.1";
const OID_DICE_TCB_INFO: &str = "2.23.133.5.4.1.1";

/// DER of `OBJECT IDENTIFIER id-sha384, OCTET STRING (48 bytes)` without the bytes themselves.
const SHA384_FWID_PREFIX: [u8; 13] = [
    0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x04, 0x30,
];

/// Context tag of `fwids` in DiceTcbInfo.
const TCB_INFO_FWIDS_TAG: u32 = 6;

/// A firmware id: the SHA-384 digest of the firmware layer that holds the leaf key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fwid(pub [u8; 48]);

/// Why an FWID extension could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FwidError {
    /// The extension's value is not the DER the profile describes.
    #[error("fwid extension is not the expected DER")]
    Malformed,
    /// More than one FWID extension: which one counts would be a guess.
    #[error("fwid extension occurs {0} times")]
    Repeated(usize),
}

/// The FWID of a certificate's extensions, if it has one.
pub(super) fn of_extensions(x509: &X509Certificate<'_>) -> Result<Option<Fwid>, FwidError> {
    let mut found = x509.extensions().iter().filter_map(|extension| {
        match extension.oid.to_id_string().as_str() {
            OID_DICE_COMPOUND => Some(compound(extension.value)),
            OID_DICE_TCB_INFO => Some(tcb_info(extension.value)),
            _ => None,
        }
    });
    let first = found.next().transpose();
    match found.count() {
        0 => first,
        more => Err(FwidError::Repeated(more.saturating_add(1))),
    }
}

/// `SEQUENCE { …, SEQUENCE { id-sha384, OCTET STRING } }` whose last bytes are the digest.
fn compound(value: &[u8]) -> Result<Fwid, FwidError> {
    let (rest, object) = parse_der(value).map_err(|_| FwidError::Malformed)?;
    let is_sequence = matches!(object.content, BerObjectContent::Sequence(_));
    if !is_sequence || !rest.is_empty() {
        return Err(FwidError::Malformed);
    }
    let tail_length = SHA384_FWID_PREFIX.len().saturating_add(48);
    let start = value
        .len()
        .checked_sub(tail_length)
        .ok_or(FwidError::Malformed)?;
    read_sha384(value.get(start..).unwrap_or_default())
}

/// The first entry of `fwids [6] IMPLICIT SEQUENCE OF SEQUENCE { hashAlg, digest }`.
fn tcb_info(value: &[u8]) -> Result<Fwid, FwidError> {
    let (rest, object) = parse_der(value).map_err(|_| FwidError::Malformed)?;
    let BerObjectContent::Sequence(fields) = &object.content else {
        return Err(FwidError::Malformed);
    };
    if !rest.is_empty() {
        return Err(FwidError::Malformed);
    }
    let mut lists = fields.iter().filter(|field| {
        field.header.is_contextspecific() && field.header.tag().0 == TCB_INFO_FWIDS_TAG
    });
    let (Some(list), None) = (lists.next(), lists.next()) else {
        return Err(FwidError::Malformed);
    };
    let content = implicit_content(list)?;
    let mut entry = Reader::new(content);
    let [0x30, length] = entry.array::<2>().map_err(|_| FwidError::Malformed)? else {
        return Err(FwidError::Malformed);
    };
    let first = entry
        .take(usize::from(length))
        .map_err(|_| FwidError::Malformed)?;
    read_sha384(first)
}

fn implicit_content<'a>(object: &'a DerObject<'_>) -> Result<&'a [u8], FwidError> {
    match &object.content {
        BerObjectContent::Unknown(any) => Ok(any.data),
        _ => Err(FwidError::Malformed),
    }
}

/// Exactly the SHA-384 prefix and 48 bytes.
fn read_sha384(bytes: &[u8]) -> Result<Fwid, FwidError> {
    bytes
        .strip_prefix(&SHA384_FWID_PREFIX)
        .and_then(|digest| <[u8; 48]>::try_from(digest).ok())
        .map(Fwid)
        .ok_or(FwidError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha384_entry(byte: u8) -> Vec<u8> {
        [&SHA384_FWID_PREFIX[..], &[byte; 48]].concat()
    }

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        let header = if length < 128 {
            vec![tag, length]
        } else {
            vec![tag, 0x81, length]
        };
        [header, content.to_vec()].concat()
    }

    #[test]
    fn compound_reads_the_tail() {
        let inner = tlv(0x30, &sha384_entry(7));
        assert_eq!(compound(&tlv(0x30, &inner)), Ok(Fwid([7; 48])));
    }

    #[test]
    fn compound_refuses_other_hash_and_trailing_bytes() {
        let mut other_hash = tlv(0x30, &tlv(0x30, &sha384_entry(7)));
        let oid_end = other_hash.len() - 51;
        other_hash[oid_end] = 0x01;
        assert_eq!(compound(&other_hash), Err(FwidError::Malformed));
        let mut trailing = tlv(0x30, &tlv(0x30, &sha384_entry(7)));
        trailing.push(0);
        assert_eq!(compound(&trailing), Err(FwidError::Malformed));
        assert_eq!(compound(&[]), Err(FwidError::Malformed));
    }

    #[test]
    fn tcb_info_takes_the_first_entry() {
        let entries = [tlv(0x30, &sha384_entry(1)), tlv(0x30, &sha384_entry(0))].concat();
        let value = tlv(0x30, &[tlv(0x80, b"NVIDIA"), tlv(0xa6, &entries)].concat());
        assert_eq!(tcb_info(&value), Ok(Fwid([1; 48])));
    }

    #[test]
    fn tcb_info_refuses_missing_or_repeated_lists() {
        assert_eq!(
            tcb_info(&tlv(0x30, &tlv(0x80, b"NVIDIA"))),
            Err(FwidError::Malformed)
        );
        let list = tlv(0xa6, &tlv(0x30, &sha384_entry(1)));
        // Two lists exceed 127 bytes of content, which `tlv` writes in the long form.
        let twice = tlv(0x30, &[list.clone(), list].concat());
        assert_eq!(tcb_info(&twice), Err(FwidError::Malformed));
    }
}
