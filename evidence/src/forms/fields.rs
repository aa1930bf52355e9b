//! The members of the forms, each read by one function.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::ClaimsVersion;
use super::node::{Node, Read};
use crate::device::Architecture;
use crate::limits::{MAX_CHAIN_BYTES, MAX_REPORT_BYTES};
use crate::reason::{Code, Reason};

/// Most characters of a version or UUID. The longest seen is `GPU-` and a UUID: 40.
const MAX_LABEL_CHARS: usize = 64;

/// Row 32: exactly 32 bytes, in hexadecimal of either case.
pub(super) fn nonce(node: Node<'_>) -> Read<[u8; 32]> {
    let text = node.text()?;
    let mut nonce = [0; 32];
    match hex::decode_to_slice(text, &mut nonce) {
        Ok(()) => Ok(nonce),
        Err(error) => {
            let reason = Reason::new(Code::NonceMalformed, "nonce")
                .expected("64 hexadecimal digits")
                .actual(format!("{} bytes of text: {error}", text.len()));
            node.refuse(reason)
        }
    }
}

/// NVIDIA's word for an architecture, in either case: Trustee writes `Hopper`, others `HOPPER`.
pub(super) fn architecture(node: Node<'_>) -> Read<Architecture> {
    let word = node.text()?;
    Architecture::parse(word).map_or_else(
        || {
            let reason = Reason::new(Code::ArchitectureUnsupported, "architecture")
                .expected("HOPPER, BLACKWELL or LS10")
                .actual(word);
            node.refuse(reason)
        },
        Ok,
    )
}

/// The set of claims asked of NRAS.
pub(super) fn claims_version(node: Node<'_>) -> Read<ClaimsVersion> {
    match node.text()? {
        "2.0" => Ok(ClaimsVersion::V2),
        "3.0" => Ok(ClaimsVersion::V3),
        "4.0" => Ok(ClaimsVersion::V4),
        other => {
            let reason = Reason::new(Code::ClaimsVersionUnsupported, "version of claims")
                .expected("2.0, 3.0 or 4.0")
                .actual(other);
            node.refuse(reason)
        }
    }
}

/// A version or UUID.
pub(super) fn label(node: Node<'_>) -> Read<String> {
    let text = node.text()?;
    let printable = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if printable && (1..=MAX_LABEL_CHARS).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    let reason = Reason::new(Code::MemberInvalid, "text")
        .expected(format!("1 to {MAX_LABEL_CHARS} printable ASCII characters"))
        .actual(text);
    node.refuse(reason)
}

/// A report in base64.
pub(super) fn report(node: Node<'_>) -> Read<Vec<u8>> {
    base64(node, node.text()?, MAX_REPORT_BYTES, Code::ReportTooLarge)
}

/// A report in hexadecimal or base64.
pub(super) fn report_of_either_encoding(node: Node<'_>) -> Read<Vec<u8>> {
    let text = node.text()?;
    match Encoding::of(text) {
        Some(Encoding::Base64) => report(node),
        Some(Encoding::Hexadecimal) => hexadecimal_report(node, text),
        None => {
            let reason = Reason::new(
                Code::FormAmbiguous,
                "report could be hexadecimal or base64, and begins with the SPDM version in neither",
            );
            let reason = reason.expected("11… or E[Q-f]…");
            node.refuse(reason.actual(text.get(..4).unwrap_or(text)))
        }
    }
}

/// A certificate chain: base64 of PEM text.
pub(super) fn chain(node: Node<'_>) -> Read<Vec<u8>> {
    base64(node, node.text()?, MAX_CHAIN_BYTES, Code::ChainTooLarge)
}

/// Standard alphabet, padded, on one line; `limit` bytes at most, which is judged before anything is decoded.
fn base64(node: Node<'_>, text: &str, limit: usize, too_large: Code) -> Read<Vec<u8>> {
    let chars_limit = limit.div_ceil(3).saturating_mul(4);
    if text.len() > chars_limit {
        return too_long(node, too_large, limit, "base64", text);
    }
    match STANDARD.decode(text) {
        Ok(bytes) if bytes.len() <= limit => Ok(bytes),
        Ok(_) => too_long(node, too_large, limit, "base64", text),
        Err(error) => {
            let reason = Reason::new(Code::MemberInvalid, "encoding")
                .expected("standard base64 with padding, on one line")
                .actual(error);
            node.refuse(reason)
        }
    }
}

fn hexadecimal_report(node: Node<'_>, text: &str) -> Read<Vec<u8>> {
    if text.len() > MAX_REPORT_BYTES.saturating_mul(2) {
        let code = Code::ReportTooLarge;
        return too_long(node, code, MAX_REPORT_BYTES, "hexadecimal", text);
    }
    hex::decode(text).or_else(|error| {
        let reason = Reason::new(Code::MemberInvalid, "encoding")
            .expected("hexadecimal")
            .actual(error);
        node.refuse(reason)
    })
}

fn too_long<T>(node: Node<'_>, code: Code, limit: usize, encoding: &str, text: &str) -> Read<T> {
    let reason = Reason::new(code, "size")
        .expected(format!("at most {limit} bytes"))
        .actual(format!("{} characters of {encoding}", text.len()));
    node.refuse(reason)
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Hexadecimal,
    Base64,
}

impl Encoding {
    /// Tells by content and length; `None` where both readings are well-formed and neither begins with 0x11, the SPDM
    /// version every report begins with. Both cannot: the one needs a `1` at the start, the other an `E`.
    fn of(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let hexadecimal = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_hexdigit);
        if !hexadecimal || !bytes.len().is_multiple_of(2) {
            return Some(Self::Base64);
        }
        if !bytes.len().is_multiple_of(4) {
            return Some(Self::Hexadecimal);
        }
        match bytes {
            [b'1', b'1', ..] => Some(Self::Hexadecimal),
            // 0x11 is 000100 01…: `E`, then one of the letters for 010000 to 011111.
            [b'E', b'Q'..=b'Z' | b'a'..=b'f', ..] => Some(Self::Base64),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_and_base64_are_told_apart_by_content_and_length() {
        use Encoding::{Base64, Hexadecimal};
        let table = [
            ("11e001ff", Some(Hexadecimal)),
            ("11E001FF00", Some(Hexadecimal)),
            // No multiple of four, so no base64, whatever it begins with.
            ("aabbcc", Some(Hexadecimal)),
            // Base64 of 11 e0 01 ff.
            ("EeAB/w==", Some(Base64)),
            // Only hexadecimal digits, and base64 of 11 a6 9b: its beginning tells.
            ("Eaab", Some(Base64)),
            ("aabb", None),
            ("00000000", None),
            // Odd, so no hexadecimal; refused as base64 later.
            ("11e", Some(Base64)),
            ("", Some(Base64)),
        ];
        for (text, encoding) in table {
            assert_eq!(Encoding::of(text), encoding, "{text}");
        }
    }
}
