//! What a manifest says: product, version and golden measurements (nvidia-evidence 6.2, rows 78, 85, 95 to 97).
//!
//! In scope: the elements and attributes of the signed part, each rule in one function ([`read`]).
//! Out of scope: whether anybody signed it (`signature`), whether product and version are those of a device, whether
//! two manifests fit together (`appraise`).
//!
//! Strictness: every attribute that all known manifests carry is demanded, and child elements are exactly those known.
//! Attributes beyond them are ignored on `SoftwareIdentity`, `Entity`, `Meta` and `Payload`: they are signed, so
//! nobody but NVIDIA can have added them. On `Resource` they are refused, for they might restrict the golden value.

use roxmltree::Node;

use super::xml::{self, Name, malformed};
use crate::limits::MAX_ALTERNATIVES;
use crate::reason::Reason;

const SOFTWARE_IDENTITY: Name = Name::swid("SoftwareIdentity");
const ENTITY: Name = Name::swid("Entity");
const META: Name = Name::swid("Meta");
const PAYLOAD: Name = Name::swid("Payload");
const RESOURCE: Name = Name::swid("Resource");

/// Bytes of a SHA-384 digest: the size of every measurement, and of the tag id.
const DIGEST_BYTES: usize = 48;
/// Every index is one byte and occurs once.
const MAX_RESOURCES: usize = 256;
/// type, index, active, alternatives, name, size: the attributes of a `Resource` beside its hashes.
const RESOURCE_ATTRIBUTES: usize = 6;

/// A reference value: what a measurement has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldenMeasurement {
    /// The golden index, which is the SPDM block index less one (nvidia-evidence 2).
    pub index: u8,
    /// Bytes of the measurement; 48 in every manifest that is read.
    pub size: usize,
    /// The values allowed, in the order of the manifest; at least one.
    pub alternatives: Vec<[u8; DIGEST_BYTES]>,
}

/// The signed part of a RIM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) name: String,
    pub(super) meta: Meta,
    /// Active ones only, by ascending index.
    pub(super) golden: Vec<GoldenMeasurement>,
}

/// What is asked of the `Meta` element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) version: String,
    pub(super) product: String,
    pub(super) platform_model: String,
    pub(super) firmware_manufacturer_id: String,
}

/// Reads the signed part: the children of `root` other than `signature`.
///
/// # Errors
/// [`Code::RimMalformed`](crate::Code::RimMalformed), once for the root, `Entity`, `Meta` and each `Resource` that is
/// wrong.
pub(super) fn read<'a>(
    root: Node<'a, 'a>,
    signature: Option<Node<'a, 'a>>,
) -> Result<Manifest, Vec<Reason>> {
    if !SOFTWARE_IDENTITY.is_of(root) {
        let reason = malformed("root element").expected("SoftwareIdentity of ISO/IEC 19770-2");
        return Err(vec![reason.actual(xml::label(root))]);
    }
    let signature = signature.map(|node| node.id());
    let [entity, meta, payload] =
        xml::sequence(root, [ENTITY, META, PAYLOAD], signature).map_err(|reason| vec![reason])?;
    let name = identity(root);
    let entity = complete_entity(entity);
    let meta = read_meta(meta);
    let golden = golden_measurements(payload);
    match (name, entity, meta, golden) {
        (Ok(name), Ok(()), Ok(meta), Ok(golden)) => Ok(Manifest {
            name: name.to_owned(),
            meta,
            golden,
        }),
        (name, entity, meta, golden) => {
            let firsts = [name.err(), entity.err(), meta.err()];
            let resources = golden.err().unwrap_or_default();
            Err(firsts.into_iter().flatten().chain(resources).collect())
        }
    }
}

/// The attributes of the root; returns its name, which is the chip. A corpus, patch or supplemental tag would not be
/// the manifest of a whole driver or VBIOS.
fn identity<'a>(root: Node<'a, 'a>) -> Result<&'a str, Reason> {
    for kind in ["corpus", "patch", "supplemental"] {
        xml::fixed(root, kind, "false")?;
    }
    let tag_id = xml::required(root, None, "tagId")?;
    digest(tag_id).ok_or_else(|| {
        malformed("tagId of SoftwareIdentity")
            .expected("96 lower-case hex digits")
            .actual(tag_id)
    })?;
    xml::required(root, None, "version")?;
    xml::required(root, None, "tagVersion")?;
    xml::required(root, None, "name")
}

fn complete_entity(entity: Node<'_, '_>) -> Result<(), Reason> {
    xml::empty(entity)?;
    xml::required(entity, None, "name")?;
    xml::required(entity, None, "role").map(|_| ())
}

fn read_meta(meta: Node<'_, '_>) -> Result<Meta, Reason> {
    xml::empty(meta)?;
    xml::fixed(meta, "PayloadType", "direct")?;
    for unread in ["edition", "revision"] {
        xml::required(meta, None, unread)?;
    }
    let of_tcg = |name| xml::required(meta, Some(xml::TCG_RIM), name).map(str::to_owned);
    for unread in [
        "BindingSpec",
        "BindingSpecVersion",
        "PlatformManufacturerId",
        "PlatformManufacturerStr",
        "FirmwareManufacturer",
    ] {
        of_tcg(unread)?;
    }
    Ok(Meta {
        version: xml::required(meta, None, "colloquialVersion")?.to_owned(),
        product: xml::required(meta, None, "product")?.to_owned(),
        platform_model: of_tcg("PlatformModel")?,
        firmware_manufacturer_id: of_tcg("FirmwareManufacturerId")?,
    })
}

/// Every `Resource` of the payload is read, the inactive ones too; the active ones are returned by ascending index.
fn golden_measurements(payload: Node<'_, '_>) -> Result<Vec<GoldenMeasurement>, Vec<Reason>> {
    let resources = xml::repeated(payload, RESOURCE).map_err(|reason| vec![reason])?;
    if resources.is_empty() || resources.len() > MAX_RESOURCES {
        let reason = malformed("resources of Payload").expected(format!("1 to {MAX_RESOURCES}"));
        return Err(vec![reason.actual(resources.len())]);
    }
    let mut reasons = Vec::new();
    let mut seen = [false; MAX_RESOURCES];
    let mut golden = Vec::new();
    for (position, resource) in resources.into_iter().enumerate() {
        let read = resource_value(resource).and_then(|value| {
            first_of_its_index(&mut seen, value.measurement.index).map(|()| value)
        });
        match read {
            Ok(value) if value.active => golden.push(value.measurement),
            Ok(_) => {}
            Err(reason) => reasons.push(reason.about(&format!("resource {position}"))),
        }
    }
    golden.sort_unstable_by_key(|measurement| measurement.index);
    if reasons.is_empty() {
        Ok(golden)
    } else {
        Err(reasons)
    }
}

/// Row 95: no index occurs twice, whether active or not.
fn first_of_its_index(seen: &mut [bool; MAX_RESOURCES], index: u8) -> Result<(), Reason> {
    match seen.get_mut(usize::from(index)) {
        Some(seen) if !*seen => {
            *seen = true;
            Ok(())
        }
        _ => Err(malformed("index of Resource")
            .expected("each index once")
            .actual(index)),
    }
}

struct Resource {
    active: bool,
    measurement: GoldenMeasurement,
}

fn resource_value(resource: Node<'_, '_>) -> Result<Resource, Reason> {
    xml::empty(resource)?;
    xml::fixed(resource, "type", "Measurement")?;
    xml::fixed(resource, "size", "48")?;
    xml::required(resource, None, "name")?;
    let measurement = GoldenMeasurement {
        index: decimal(resource, "index", 0, 255)?,
        size: DIGEST_BYTES,
        alternatives: alternatives(resource)?,
    };
    let active = is_active(resource)?;
    Ok(Resource {
        active,
        measurement,
    })
}

/// Exactly the two words of all known manifests; other verifiers differ in what they make of any third one.
fn is_active(resource: Node<'_, '_>) -> Result<bool, Reason> {
    match xml::required(resource, None, "active")? {
        "True" => Ok(true),
        "False" => Ok(false),
        other => Err(malformed("active of Resource")
            .expected("True or False")
            .actual(other)),
    }
}

/// Rows 96 and 97: `alternatives` hashes, numbered from 0 without gap, none beyond, each 96 lower-case hex digits.
fn alternatives(resource: Node<'_, '_>) -> Result<Vec<[u8; DIGEST_BYTES]>, Reason> {
    let most = u8::try_from(MAX_ALTERNATIVES).unwrap_or(u8::MAX);
    let count = decimal(resource, "alternatives", 1, most)?;
    let hashes: Vec<_> = (0..count)
        .map(|number| hash(resource, &format!("Hash{number}")))
        .collect::<Result<_, _>>()?;
    let known = RESOURCE_ATTRIBUTES.saturating_add(hashes.len());
    let found = resource.attributes().len();
    if known == found {
        Ok(hashes)
    } else {
        Err(malformed("number of attributes of Resource")
            .expected(known)
            .actual(found))
    }
}

fn hash(resource: Node<'_, '_>, name: &str) -> Result<[u8; DIGEST_BYTES], Reason> {
    let text = xml::required(resource, Some(xml::SHA384), name)?;
    digest(text).ok_or_else(|| {
        malformed(format!("{name} of Resource"))
            .expected("96 lower-case hex digits")
            .actual(text)
    })
}

/// Reads 96 lower-case hex digits. Known manifests write no others, and one spelling per value is enough.
fn digest(text: &str) -> Option<[u8; DIGEST_BYTES]> {
    let mut bytes = [0; DIGEST_BYTES];
    let lower = text.bytes().all(|byte| !byte.is_ascii_uppercase());
    let read = hex::decode_to_slice(text, &mut bytes).is_ok();
    (lower && read).then_some(bytes)
}

/// Reads a decimal number in `least..=most`: digits alone, no sign, no leading zero.
fn decimal(resource: Node<'_, '_>, name: &str, least: u8, most: u8) -> Result<u8, Reason> {
    let text = xml::required(resource, None, name)?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let shortest = text == "0" || !text.starts_with('0');
    let number = text.parse().ok().filter(|n| (least..=most).contains(n));
    number.filter(|_| digits && shortest).ok_or_else(|| {
        malformed(format!("{name} of Resource"))
            .expected(format!("a number from {least} to {most}"))
            .actual(text)
    })
}
