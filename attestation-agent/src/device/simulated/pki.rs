//! Certificate chains in the shape of genuine ones: device chains and RIM signing chains.
//!
//! In scope: building chains of any shape from plain descriptions, with defaults that follow
//! sections 4.1, 4.4, 4.5 and 6.4 of the evidence specification and names that say SIMULATED.
//!
//! Out of scope: validating anything. A [`PkiSpec`] builds whatever it is told, because a test kit
//! needs chains that are wrong in exactly one way. What it builds is believed only by a verifier
//! that was told to trust the root in it.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, IsCa, Issuer,
    SerialNumber,
};
use time::OffsetDateTime;
use time::macros::datetime;

use super::{DeviceError, Key, firmware};

/// Before any instant a verifier could be asked about simulated evidence.
pub const NOT_BEFORE: OffsetDateTime = datetime!(2020-01-01 00:00:00 UTC);
/// "No well-defined expiration date" (RFC 5280 section 4.1.2.5), as in genuine device chains.
pub const NOT_AFTER: OffsetDateTime = datetime!(9999-12-31 23:59:59 UTC);

/// Organization of every simulated certificate.
pub const ORGANIZATION: &str = "PoGW SIMULATED";
/// Common name of the root of device chains.
pub const DEVICE_ROOT: &str = "PoGW SIMULATED Device Identity CA";
/// Common name of the root of RIM chains.
pub const RIM_ROOT: &str = "PoGW SIMULATED RIM Signing Root CA";

/// keyUsage bit digitalSignature (RFC 5280 section 4.2.1.3; first bit is the highest).
pub const DIGITAL_SIGNATURE: u8 = 0x80;
/// keyUsage bit keyCertSign.
pub const KEY_CERT_SIGN: u8 = 0x04;
/// keyUsage bit cRLSign.
pub const CRL_SIGN: u8 = 0x02;

/// TCG DICE FWID, the form on Hopper and LS10 leaves (section 4.5).
pub const OID_FWID: [u64; 6] = [2, 23, 133, 5, 4, 1];
/// DMTF device information in an otherName (section 4.4).
pub const OID_DEVICE_INFO: [u64; 9] = [1, 3, 6, 1, 4, 1, 412, 274, 1];
const OID_SUBJECT_KEY_ID: [u64; 4] = [2, 5, 29, 14];
const OID_KEY_USAGE: [u64; 4] = [2, 5, 29, 15];
const OID_SUBJECT_ALT_NAME: [u64; 4] = [2, 5, 29, 17];
const OID_BASIC_CONSTRAINTS: [u64; 4] = [2, 5, 29, 19];
const OID_AUTHORITY_KEY_ID: [u64; 4] = [2, 5, 29, 35];

/// SHA-384 as an AlgorithmIdentifier's OID, DER: 2.16.840.1.101.3.4.2.2.
const SHA384_OID_DER: [u8; 11] = [0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
/// Bytes of a key identifier.
const KEY_ID_LENGTH: usize = 20;

/// A chain to build.
#[derive(Clone, Debug)]
pub struct PkiSpec {
    /// Leaf first, root last.
    pub certificates: Vec<CertificateSpec>,
}

/// One certificate of a chain.
#[derive(Clone, Debug)]
pub struct CertificateSpec {
    /// Subject name.
    pub subject: Name,
    /// Issuer name, if not the subject of the next certificate (for the last: its own).
    pub issuer: Option<Name>,
    /// Serial number, big endian, taken as positive.
    pub serial: Vec<u8>,
    /// Start of validity. Years 1950 to 2049 are written as UTCTime, others as GeneralizedTime.
    pub not_before: OffsetDateTime,
    /// End of validity.
    pub not_after: OffsetDateTime,
    /// keyUsage bits of the first byte; absent without.
    pub key_usage: Option<u8>,
    /// basicConstraints; absent without.
    pub basic_constraints: Option<BasicConstraints>,
    /// Whether keyUsage and basicConstraints are marked critical, as on every genuine certificate.
    pub critical: bool,
    /// Whether subject and authority key identifiers are written.
    pub key_identifiers: bool,
    /// Further extensions, behind those above.
    pub extensions: Vec<Extension>,
    /// The key that is certified.
    pub key: Arc<Key>,
    /// The key that signs, if not the next certificate's key (for the last: its own).
    pub signer: Option<Arc<Key>>,
    /// Flip the last bit of the signature: still well-formed DER, no longer valid.
    pub corrupt_signature: bool,
}

/// The basicConstraints extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicConstraints {
    /// cA.
    pub ca: bool,
    /// pathLenConstraint; absent without.
    pub path_length: Option<u8>,
}

/// Any extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// extnID.
    pub oid: Vec<u64>,
    /// critical.
    pub critical: bool,
    /// Content of extnValue: the DER of the extension's own type, or anything else.
    pub value: Vec<u8>,
}

/// A distinguished name of the four attributes that attestation certificates use, written in the
/// order serialNumber, C, O, CN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// serialNumber (X.520): hexadecimal digits, upper case.
    pub serial_number: Option<String>,
    /// C.
    pub country: Option<String>,
    /// O.
    pub organization: Option<String>,
    /// CN.
    pub common_name: Option<String>,
}

/// The traits of a device that its chain shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePki {
    /// Chip name with which the names of leaf and L4 begin.
    pub chip: String,
    /// Device identifier: bytes 1 to 8 of the L4 serial number.
    pub pdi: [u8; 8],
    /// First byte of the L4 serial number: 0x41 for a GPU, 0x50 for a switch.
    pub serial_prefix: u8,
    /// Firmware id in the leaf; 48 bytes on a genuine device.
    pub fwid: Vec<u8>,
}

impl Default for DevicePki {
    /// A simulated Hopper with a fixed identifier.
    fn default() -> Self {
        Self {
            chip: firmware::CHIP.to_owned(),
            pdi: *b"SIMULATE",
            serial_prefix: 0x41,
            fwid: firmware::firmware_id().to_vec(),
        }
    }
}

impl PkiSpec {
    /// A device chain of five certificates with fresh keys (sections 4.1 and 4.4).
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] on a machine without randomness.
    pub fn device(device: &DevicePki) -> Result<Self, DeviceError> {
        let chip = &device.chip;
        let mut l4 = CertificateSpec::authority(&format!("{chip} A01 GSP BROM SIMULATED"))?;
        l4.serial = [&[device.serial_prefix], &device.pdi[..]].concat();
        l4.subject.serial_number = Some(hex::encode_upper(&l4.serial));
        l4.key_usage = Some(KEY_CERT_SIGN);
        let mut leaf = CertificateSpec::signer(&format!("{chip} A01 GSP FMC LF SIMULATED"))?;
        leaf.subject.serial_number = Some(hex::encode_upper(&leaf.serial));
        leaf.basic_constraints = None;
        leaf.extensions = vec![
            Extension::device_info(&format!(
                "PoGW SIMULATED:{chip}:{}",
                hex::encode_upper(device.pdi)
            )),
            Extension::fwid(&l4.key.spki_der(), &device.fwid),
        ];
        Ok(Self {
            certificates: vec![
                leaf,
                l4,
                CertificateSpec::authority(&format!("PoGW SIMULATED {chip} Provisioner ICA 1"))?,
                CertificateSpec::authority(&format!("PoGW SIMULATED {chip} Identity"))?,
                CertificateSpec::authority(DEVICE_ROOT)?,
            ],
        })
    }

    /// A RIM signing chain of four certificates with fresh keys (section 6.4).
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] on a machine without randomness.
    pub fn rim() -> Result<Self, DeviceError> {
        let chip = firmware::CHIP;
        let mut l3 =
            CertificateSpec::authority(&format!("PoGW SIMULATED Reference Value L3 {chip} 001"))?;
        l3.basic_constraints = Some(BasicConstraints {
            ca: true,
            path_length: Some(0),
        });
        Ok(Self {
            certificates: vec![
                CertificateSpec::signer("PoGW SIMULATED RIM L4 Signer")?,
                l3,
                CertificateSpec::authority(&format!("PoGW SIMULATED Reference Value {chip} CA"))?,
                CertificateSpec::authority(RIM_ROOT)?,
            ],
        })
    }

    /// The certificates in DER, leaf first.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] for a name that cannot be written as X.520 asks, or a failed signature.
    pub fn build(&self) -> Result<Vec<Vec<u8>>, DeviceError> {
        let parents = self
            .certificates
            .iter()
            .skip(1)
            .chain(self.certificates.last());
        self.certificates
            .iter()
            .zip(parents)
            .map(|(spec, parent)| spec.build(parent))
            .collect()
    }

    /// The key that signs reports or manifests: that of the first certificate.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] if the chain was emptied.
    pub fn leaf_key(&self) -> Result<&Arc<Key>, DeviceError> {
        let leaf = self.certificates.first();
        leaf.map(|leaf| &leaf.key)
            .ok_or_else(|| DeviceError::crypto("use an empty chain"))
    }
}

/// Certificates as PEM text (RFC 7468) with LF line ends.
#[must_use]
pub fn pem_text(certificates: &[Vec<u8>]) -> Vec<u8> {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let blocks: Vec<_> = certificates
        .iter()
        .map(|der| pem::Pem::new("CERTIFICATE", der.clone()))
        .collect();
    pem::encode_many_config(&blocks, config).into_bytes()
}

impl CertificateSpec {
    /// A certificate authority with a fresh key and the name of the simulation.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] on a machine without randomness.
    pub fn authority(common_name: &str) -> Result<Self, DeviceError> {
        let key = Arc::new(Key::generate()?);
        Ok(Self {
            subject: Name::simulated(common_name),
            issuer: None,
            serial: serial_of(&key),
            not_before: NOT_BEFORE,
            not_after: NOT_AFTER,
            key_usage: Some(KEY_CERT_SIGN | CRL_SIGN),
            basic_constraints: Some(BasicConstraints {
                ca: true,
                path_length: None,
            }),
            critical: true,
            key_identifiers: true,
            extensions: Vec::new(),
            key,
            signer: None,
            corrupt_signature: false,
        })
    }

    /// A leaf that signs something else than certificates.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] on a machine without randomness.
    pub fn signer(common_name: &str) -> Result<Self, DeviceError> {
        Ok(Self {
            key_usage: Some(DIGITAL_SIGNATURE),
            basic_constraints: Some(BasicConstraints {
                ca: false,
                path_length: None,
            }),
            ..Self::authority(common_name)?
        })
    }

    /// The certificate in DER, issued by `parent` as far as this does not say otherwise.
    pub(super) fn build(&self, parent: &Self) -> Result<Vec<u8>, DeviceError> {
        let signer = self.signer.as_ref().unwrap_or(&parent.key);
        let issuer = self.issuer.as_ref().unwrap_or(&parent.subject);
        let issuer = Issuer::new(named(issuer)?, signer.as_ref());
        let certificate = self
            .parameters(signer)?
            .signed_by(self.key.as_ref(), &issuer)
            .map_err(|e| DeviceError::crypto(format!("sign a certificate: {e}")))?;
        let mut der = certificate.der().to_vec();
        if let (true, Some(end)) = (self.corrupt_signature, der.last_mut()) {
            *end ^= 1;
        }
        Ok(der)
    }

    fn parameters(&self, signer: &Key) -> Result<CertificateParams, DeviceError> {
        let mut parameters = named(&self.subject)?;
        parameters.serial_number = Some(SerialNumber::from_slice(&self.serial));
        parameters.not_before = self.not_before;
        parameters.not_after = self.not_after;
        parameters.is_ca = IsCa::NoCa;
        parameters.custom_extensions = self
            .all_extensions(signer)
            .into_iter()
            .map(CustomExtension::from)
            .collect();
        Ok(parameters)
    }

    /// Every extension goes through one door, so that each can be absent, doubled or misshapen.
    fn all_extensions(&self, signer: &Key) -> Vec<Extension> {
        let mut all = Vec::new();
        all.extend(self.basic_constraints.map(|it| it.extension(self.critical)));
        all.extend(
            self.key_usage
                .map(|bits| Extension::key_usage(bits, self.critical)),
        );
        if self.key_identifiers {
            all.push(Extension::subject_key_id(&self.key));
            all.push(Extension::authority_key_id(signer));
        }
        all.extend(self.extensions.iter().cloned());
        all
    }
}

impl BasicConstraints {
    fn extension(self, critical: bool) -> Extension {
        // DER leaves out a BOOLEAN that has its default value, which is FALSE here.
        let ca: &[u8] = if self.ca { &[0x01, 1, 0xff] } else { &[] };
        let length = self.path_length.map(|length| der(0x02, &unsigned(length)));
        let value = der(0x30, &[ca, &length.unwrap_or_default()].concat());
        Extension {
            oid: OID_BASIC_CONSTRAINTS.to_vec(),
            critical,
            value,
        }
    }
}

impl Extension {
    /// keyUsage with these bits of its first byte.
    #[must_use]
    pub fn key_usage(bits: u8, critical: bool) -> Self {
        let unused = u8::try_from(bits.trailing_zeros().min(7)).unwrap_or(7);
        Self {
            oid: OID_KEY_USAGE.to_vec(),
            critical,
            value: der(0x03, &[unused, bits]),
        }
    }

    /// The FWID of section 4.5: `SEQUENCE { INTEGER 1, SubjectPublicKeyInfo, SEQUENCE { OID sha384,
    /// OCTET STRING fwid } }`, the key being that of the issuer (L4), as on genuine devices.
    #[must_use]
    pub fn fwid(issuer_spki: &[u8], fwid: &[u8]) -> Self {
        let hash = der(0x30, &[&SHA384_OID_DER[..], &der(0x04, fwid)].concat());
        let value = der(0x30, &[&[0x02, 1, 1], issuer_spki, &hash].concat());
        Self {
            oid: OID_FWID.to_vec(),
            critical: false,
            value,
        }
    }

    /// subjectAltName with one otherName of DMTF device information:
    /// `manufacturer:product:serial`.
    #[must_use]
    pub fn device_info(text: &str) -> Self {
        let oid = [0x06, 10, 0x2b, 6, 1, 4, 1, 0x83, 0x1c, 0x82, 0x12, 1];
        let value = der(0xa0, &der(0x0c, text.as_bytes()));
        let name = der(0xa0, &[&oid[..], &value].concat());
        Self {
            oid: OID_SUBJECT_ALT_NAME.to_vec(),
            critical: false,
            value: der(0x30, &name),
        }
    }

    fn subject_key_id(key: &Key) -> Self {
        let value = der(0x04, &key_id(key));
        Self {
            oid: OID_SUBJECT_KEY_ID.to_vec(),
            critical: false,
            value,
        }
    }

    fn authority_key_id(key: &Key) -> Self {
        let value = der(0x30, &der(0x80, &key_id(key)));
        Self {
            oid: OID_AUTHORITY_KEY_ID.to_vec(),
            critical: false,
            value,
        }
    }
}

impl From<Extension> for CustomExtension {
    fn from(extension: Extension) -> Self {
        let mut custom = Self::from_oid_content(&extension.oid, extension.value);
        custom.set_criticality(extension.critical);
        custom
    }
}

impl Name {
    /// A common name under the organization of the simulation.
    #[must_use]
    pub fn simulated(common_name: &str) -> Self {
        Self {
            organization: Some(ORGANIZATION.to_owned()),
            common_name: Some(common_name.to_owned()),
            ..Self::default()
        }
    }

    fn attributes(&self) -> [(DnType, bool, Option<&String>); 4] {
        let serial_number = DnType::CustomDnType(vec![2, 5, 4, 5]);
        [
            (serial_number, true, self.serial_number.as_ref()),
            (DnType::CountryName, true, self.country.as_ref()),
            (DnType::OrganizationName, false, self.organization.as_ref()),
            (DnType::CommonName, false, self.common_name.as_ref()),
        ]
    }
}

/// Certificate parameters with nothing but this subject name.
fn named(name: &Name) -> Result<CertificateParams, DeviceError> {
    let mut written = DistinguishedName::new();
    for (kind, printable, text) in name.attributes() {
        let Some(text) = text else { continue };
        written.push(kind, directory_string(text, printable)?);
    }
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = written;
    Ok(parameters)
}

/// X.520 wants serialNumber and C as PrintableString; the others are written as UTF-8.
fn directory_string(text: &str, printable: bool) -> Result<DnValue, DeviceError> {
    if !printable {
        return Ok(DnValue::Utf8String(text.to_owned()));
    }
    let string = text
        .try_into()
        .map_err(|e| DeviceError::crypto(format!("write a name: {e}")))?;
    Ok(DnValue::PrintableString(string))
}

/// Key identifier: the first 20 bytes of the SHA-256 of the public key (RFC 7093 method 1 over the
/// whole SubjectPublicKeyInfo).
fn key_id(key: &Key) -> [u8; KEY_ID_LENGTH] {
    let mut id = [0; KEY_ID_LENGTH];
    id.iter_mut()
        .zip(digest(&SHA256, &key.spki_der()).as_ref())
        .for_each(|(to, from)| *to = *from);
    id
}

/// Serial number: the key identifier with its top bits forced to 01, so that it is positive and 20
/// bytes long. Genuine leaves have theirs in the same way.
fn serial_of(key: &Key) -> Vec<u8> {
    let mut id = key_id(key);
    id[0] = id[0] & 0x3f | 0x40;
    id.to_vec()
}

/// An INTEGER's content bytes for a small number.
fn unsigned(number: u8) -> Vec<u8> {
    if number < 0x80 {
        vec![number]
    } else {
        vec![0, number]
    }
}

/// One DER element (X.690): tag, definite length, content.
pub(super) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ 0..=0x7f) => element.push(short),
        _ => {
            let length = content.len().to_be_bytes();
            let significant: Vec<_> = length.into_iter().skip_while(|byte| *byte == 0).collect();
            element.push(0x80 | u8::try_from(significant.len()).unwrap_or(0x7f));
            element.extend(significant);
        }
    }
    element.extend_from_slice(content);
    element
}

/// The SubjectPublicKeyInfo of a P-384 certificate built here: found by its fixed beginning, since
/// the subject's key comes before any extension that holds another.
pub(super) fn spki_in(certificate: &[u8]) -> Option<&[u8]> {
    /// SEQUENCE, AlgorithmIdentifier of a secp384r1 key, BIT STRING of 97 bytes.
    const BEGINNING: [u8; 23] = [
        0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05,
        0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
    ];
    const LENGTH: usize = BEGINNING.len() + 97;
    certificate
        .windows(LENGTH)
        .find(|window| window.starts_with(&BEGINNING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_lengths_take_as_many_bytes_as_they_need() {
        assert_eq!(der(4, &[]), [4, 0]);
        assert_eq!(der(4, &[9; 0x7f])[..3], [4, 0x7f, 9]);
        assert_eq!(der(4, &[9; 0x80])[..4], [4, 0x81, 0x80, 9]);
        assert_eq!(der(4, &[9; 0x100])[..5], [4, 0x82, 1, 0, 9]);
    }

    #[test]
    fn key_usage_counts_its_unused_bits() {
        assert_eq!(
            Extension::key_usage(DIGITAL_SIGNATURE, true).value,
            [3, 2, 7, 0x80]
        );
        assert_eq!(
            Extension::key_usage(KEY_CERT_SIGN | CRL_SIGN, true).value,
            [3, 2, 1, 0x06]
        );
    }

    #[test]
    fn basic_constraints_leave_out_defaults() {
        let value = |ca, path_length| BasicConstraints { ca, path_length }.extension(true).value;
        assert_eq!(value(false, None), [0x30, 0]);
        assert_eq!(value(true, Some(0)), [0x30, 6, 1, 1, 0xff, 2, 1, 0]);
        assert_eq!(value(true, Some(200)), [0x30, 7, 1, 1, 0xff, 2, 2, 0, 200]);
    }
}
