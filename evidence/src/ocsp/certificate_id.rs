//! Which certificate a question or an answer is about (RFC 6960 4.1.1, `CertID`).

use aws_lc_rs::digest;
use der::asn1::{AnyRef, IntRef, ObjectIdentifier, OctetStringRef};

use super::asn1::{self, AlgorithmIdentifier, CertId};
use crate::cert::Certificate;
use crate::crypto;
use crate::reason::Reason;

/// id-sha1 (RFC 3279 2.2.1).
const OID_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
/// id-sha256, id-sha384 (RFC 5754 2).
const OID_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const OID_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");

/// How a [`CertificateId`] names the issuer. All of NVIDIA's clients ask by SHA-1 or SHA-384 (nvidia-evidence 5.1).
///
/// The hashes choose a certificate, they vouch for nothing: SHA-1 is good enough for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdHash {
    /// 20 bytes; what OpenSSL asks by.
    Sha1,
    /// 32 bytes.
    Sha256,
    /// 48 bytes; what we ask by.
    Sha384,
}

impl IdHash {
    const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sha384];

    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => OID_SHA1,
            Self::Sha256 => OID_SHA256,
            Self::Sha384 => OID_SHA384,
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => sha1(bytes),
            Self::Sha256 => crypto::sha256(bytes).to_vec(),
            Self::Sha384 => crypto::sha384(bytes).to_vec(),
        }
    }
}

/// Names a certificate by its issuer and its serial number. Equal ids under one hash name one certificate; the same
/// certificate has a different id under another hash, so compare with a certificate by [`names`](Self::names).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateId {
    hash: IdHash,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    serial: Vec<u8>,
}

impl CertificateId {
    /// The id of `subject` by SHA-384, as NVIDIA's newer clients ask.
    #[must_use]
    pub fn of(subject: &Certificate, issuer: &Certificate) -> Self {
        Self::by(IdHash::Sha384, subject, issuer)
    }

    /// The id of `subject` by the given hash. Whether `issuer` issued it is not looked into.
    #[must_use]
    pub fn by(hash: IdHash, subject: &Certificate, issuer: &Certificate) -> Self {
        Self::with_serial(hash, subject.serial(), issuer)
    }

    fn with_serial(hash: IdHash, serial: &[u8], issuer: &Certificate) -> Self {
        let (issuer_name_hash, issuer_key_hash) = match hash {
            IdHash::Sha384 => {
                let [name, key] = issuer.name_and_key_sha384();
                (name.to_vec(), key.to_vec())
            }
            other => (other.of(issuer.subject_der()), other.of(issuer.key_bits())),
        };
        Self {
            hash,
            issuer_name_hash,
            issuer_key_hash,
            serial: serial.to_vec(),
        }
    }

    /// The ids of the same certificate by every hash; none unless `issuer` is the very issuer that this id names.
    #[must_use]
    pub fn by_every_hash(&self, issuer: &Certificate) -> Vec<Self> {
        let by = |hash| Self::with_serial(hash, &self.serial, issuer);
        match by(self.hash) == *self {
            true => IdHash::ALL.map(by).into(),
            false => Vec::new(),
        }
    }

    /// Whether this is the id of `subject`, by whichever hash.
    #[must_use]
    pub fn names(&self, subject: &Certificate, issuer: &Certificate) -> bool {
        match self.hash {
            IdHash::Sha384 => {
                let [name, key] = issuer.name_and_key_sha384();
                (
                    self.issuer_name_hash.as_slice(),
                    self.issuer_key_hash.as_slice(),
                ) == (name, key)
                    && self.serial == subject.serial()
            }
            other => *self == Self::by(other, subject, issuer),
        }
    }

    /// The hash that names the issuer.
    #[must_use]
    pub fn id_hash(&self) -> IdHash {
        self.hash
    }

    /// Hash of the issuer's subject name, DER.
    #[must_use]
    pub fn issuer_name_hash(&self) -> &[u8] {
        &self.issuer_name_hash
    }

    /// Hash of the issuer's key: of the contents of its BIT STRING, without the byte that counts unused bits.
    #[must_use]
    pub fn issuer_key_hash(&self) -> &[u8] {
        &self.issuer_key_hash
    }

    /// Serial number, big endian, as encoded.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Reads the ASN.1 form.
    pub(super) fn read(id: &CertId<'_>) -> Result<Self, Vec<Reason>> {
        let hash = hash_of(&id.hash_algorithm).map_err(|reason| vec![reason])?;
        let parts = [
            ("issuer name hash", id.issuer_name_hash),
            ("issuer key hash", id.issuer_key_hash),
        ];
        let wrong = parts.into_iter().filter_map(|(name, part)| {
            let actual = part.as_bytes().len();
            let reason = asn1::malformed(format!("CertID: bytes of {name}"));
            (actual != hash.bytes()).then(|| reason.expected(hash.bytes()).actual(actual))
        });
        let reasons: Vec<_> = wrong.collect();
        if reasons.is_empty() {
            Ok(Self {
                hash,
                issuer_name_hash: id.issuer_name_hash.as_bytes().to_vec(),
                issuer_key_hash: id.issuer_key_hash.as_bytes().to_vec(),
                serial: id.serial_number.as_bytes().to_vec(),
            })
        } else {
            Err(reasons)
        }
    }

    /// The ASN.1 form, inverse of [`read`](Self::read).
    pub(super) fn to_asn1(&self) -> der::Result<CertId<'_>> {
        Ok(CertId {
            hash_algorithm: AlgorithmIdentifier {
                algorithm: self.hash.oid(),
                parameters: Some(AnyRef::NULL),
            },
            issuer_name_hash: OctetStringRef::new(&self.issuer_name_hash)?,
            issuer_key_hash: OctetStringRef::new(&self.issuer_key_hash)?,
            serial_number: IntRef::new(&self.serial)?,
        })
    }
}

/// RFC 5754 2: the parameters of a hash are absent or NULL.
fn hash_of(identifier: &AlgorithmIdentifier<'_>) -> Result<IdHash, Reason> {
    let mut known = IdHash::ALL.into_iter();
    let hash = known.find(|hash| hash.oid() == identifier.algorithm);
    let without_parameters = identifier.parameters.is_none_or(AnyRef::is_null);
    hash.filter(|_| without_parameters).ok_or_else(|| {
        asn1::malformed("CertID: hash algorithm")
            .expected("SHA-1, SHA-256 or SHA-384 without parameters")
            .actual(identifier.algorithm)
    })
}

/// SHA-1, for naming keys and issuers as RFC 6960 4.2.1 demands, never for vouching.
pub(super) fn sha1(bytes: &[u8]) -> Vec<u8> {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    digest.as_ref().to_vec()
}
