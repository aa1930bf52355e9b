//! DER and certificates taken apart and put together, without the code under test.

use attestation_agent::device::simulated::Key;

/// Order n of the group of P-384, big endian (FIPS 186-5; SEC 2).
pub const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// The parts of a certificate (RFC 5280 4.1), read without the code under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateParts {
    /// What is signed, a whole element.
    pub tbs: Vec<u8>,
    /// The algorithm beside the signature, a whole element.
    pub algorithm: Vec<u8>,
    /// The signature: DER within the BIT STRING.
    pub signature: Vec<u8>,
}

impl CertificateParts {
    /// Takes a certificate apart.
    ///
    /// # Panics
    /// It is not a sequence of three elements.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        let parts = der_elements(der_content(certificate));
        let [tbs, algorithm, signature] = parts[..] else {
            panic!("certificate of {} parts", parts.len());
        };
        Self {
            tbs: tbs.to_vec(),
            algorithm: algorithm.to_vec(),
            signature: der_content(signature)[1..].to_vec(),
        }
    }

    /// Puts them together again.
    #[must_use]
    pub fn der(&self) -> Vec<u8> {
        let signature = der(0x03, &[&[0], &self.signature[..]].concat());
        der(0x30, &[&self.tbs[..], &self.algorithm, &signature].concat())
    }

    /// Signs anew with a key, whatever algorithm the certificate names.
    ///
    /// # Panics
    /// The key cannot sign.
    pub fn sign(&mut self, key: &Key) {
        self.signature = rcgen::SigningKey::sign(key, &self.tbs).expect("a signature");
    }
}

/// One DER element (X.690) of definite length.
#[must_use]
pub fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let [.., high, low] = length.to_be_bytes();
    let header = match length {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [header, content.to_vec()].concat()
}

/// An unsigned number, big endian, as a DER INTEGER.
#[must_use]
pub fn der_integer(digits: &[u8]) -> Vec<u8> {
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = &digits[leading..];
    let sign: &[u8] = match digits.first() {
        Some(0..0x80) => &[],
        _ => &[0],
    };
    der(0x02, &[sign, digits].concat())
}

/// n − `number`, for a number of 48 bytes below n: turns s into the other s of the same signature.
#[must_use]
pub fn p384_order_minus(number: &[u8]) -> [u8; 48] {
    let mut difference = P384_ORDER;
    let mut borrow = false;
    for (digit, less) in difference.iter_mut().zip(number).rev() {
        let (part, under) = digit.overflowing_sub(*less);
        let (part, under_again) = part.overflowing_sub(u8::from(borrow));
        borrow = under || under_again;
        *digit = part;
    }
    difference
}

/// The content of the first DER element.
///
/// # Panics
/// The bytes are no element of definite length below 64 KiB.
#[must_use]
pub fn der_content(der: &[u8]) -> &[u8] {
    let (header, end) = der_extent(der);
    &der[header..end]
}

/// The DER elements that bytes consist of, each whole.
///
/// # Panics
/// They consist of something else.
#[must_use]
pub fn der_elements(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut elements = Vec::new();
    while !bytes.is_empty() {
        let (_, end) = der_extent(bytes);
        let (element, rest) = bytes.split_at(end);
        elements.push(element);
        bytes = rest;
    }
    elements
}

/// Where the content of the first element begins and ends.
fn der_extent(der: &[u8]) -> (usize, usize) {
    let (header, length) = match der[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
        other => panic!("length of length {other:#x}"),
    };
    (header, header + length)
}
