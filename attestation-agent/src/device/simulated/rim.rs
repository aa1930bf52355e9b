//! Reference integrity manifests (RIMs): the XML documents that list expected measurements.
//!
//! In scope: writing manifests in the shape of sections 6.2 and 6.3 of the evidence specification,
//! with an enveloped XML signature.
//!
//! Out of scope: canonicalisation. The text is written so that it is its own canonical form
//! (C14N 1.1): no empty-element tags, attributes in canonical order, nothing to normalise. The
//! digest is therefore over the text itself with the `Signature` element cut out. Genuine manifests
//! differ in exactly these spellings: their attributes are in another order, their empty elements
//! are short. Text put in by hand (the `extra` and `after` fields, prolog and epilog) must be
//! canonical too if the digest is to hold.
//!
//! A [`RimSpec`] does not enforce consistency either: a test kit needs manifests that are wrong in
//! exactly one way. What it builds is believed only by a verifier that trusts the root of the chain
//! it is signed with.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{DeviceError, Key, firmware, pki};

/// SWID tags (ISO/IEC 19770-2:2015); default namespace and prefix `ns0`.
pub const NS_SWID: &str = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
/// Prefix `ns2`, of the hash attributes, and `SHA384`, declared and unused.
pub const NS_SHA384: &str = "http://www.w3.org/2001/04/xmlenc#sha384";
/// Prefix `ns1`, of the TCG attributes.
pub const NS_TCG: &str = "https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/";
/// Prefix `ds`.
pub const NS_DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Canonical XML 1.1.
pub const C14N11: &str = "http://www.w3.org/2006/12/xml-c14n11";
/// ECDSA with SHA-384, r ‖ s.
pub const ECDSA_SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
/// Transform that cuts the signature out of the document.
pub const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// SHA-384 as a digest method.
pub const DIGEST_SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";

const MANUFACTURER: &str = pki::ORGANIZATION;
/// Private enterprise number 0 is reserved (IANA): nobody's, and certainly not NVIDIA's 5703.
const MANUFACTURER_ID: &str = "0";
/// Columns of the Base64 text of a certificate.
const BASE64_COLUMNS: usize = 64;

/// A manifest to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RimSpec {
    /// Text before the root element; genuine manifests have none.
    pub prolog: String,
    /// Attributes of `SoftwareIdentity`.
    pub identity: Attributes,
    /// Attributes of `ns0:Entity`.
    pub entity: Attributes,
    /// Attributes of `ns0:Meta`: version, product, manufacturer.
    pub meta: Attributes,
    /// Attributes of each `ns0:Resource`: one per measurement index.
    pub resources: Vec<Attributes>,
    /// Text behind the last resource, inside `ns0:Payload`.
    pub extra_in_payload: String,
    /// Text between payload and signature; signed.
    pub extra_before_signature: String,
    /// The signature; absent without.
    pub signature: Option<XmlSignature>,
    /// Text behind the signature, inside the root element; signed.
    pub after_signature: String,
    /// Text behind the root element.
    pub epilog: String,
}

/// The `ds:Signature` element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlSignature {
    /// Algorithm of `ds:CanonicalizationMethod`, as text only: the text is signed as it is.
    pub canonicalization: String,
    /// Algorithm of `ds:SignatureMethod`, as text only: the key decides what is done.
    pub method: String,
    /// What is signed; genuine manifests have one reference.
    pub references: Vec<Reference>,
    /// Text behind the last reference, inside `ds:SignedInfo`.
    pub extra_in_signed_info: String,
    /// The signature value, if not a valid one.
    pub value: Option<Vec<u8>>,
    /// Flip the last bit of the signature value.
    pub corrupt_value: bool,
    /// Text behind the certificates, inside `ds:X509Data`; not signed.
    pub extra_in_x509_data: String,
    /// Text behind `ds:X509Data`, inside `ds:KeyInfo`; not signed.
    pub extra_in_key_info: String,
    /// Text behind `ds:KeyInfo`; not signed.
    pub extra: String,
}

/// A `ds:Reference`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// URI; absent without.
    pub uri: Option<String>,
    /// Algorithms of the transforms, as text only.
    pub transforms: Vec<String>,
    /// Algorithm of the digest, as text only: SHA-384 is what is computed.
    pub digest_method: String,
    /// The digest, if not the true one.
    pub digest: Option<Vec<u8>>,
}

/// Attributes of one element: qualified name and value, written in canonical order whatever their
/// order here. At most one of the prefixes may be in use on an element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub Vec<(String, String)>);

impl RimSpec {
    /// The driver manifest of the simulated device.
    #[must_use]
    pub fn driver() -> Self {
        Self::manifest(firmware::DRIVER_VERSION, &firmware::DRIVER_INDEXES)
    }

    /// The VBIOS manifest of the simulated device.
    #[must_use]
    pub fn vbios() -> Self {
        Self::manifest(&firmware::vbios_version_text(), &firmware::VBIOS_INDEXES)
    }

    fn manifest(version: &str, active: &[u8]) -> Self {
        let resource = |index| match active.contains(&index) {
            true => Attributes::resource(index, true, &firmware::references(index)),
            false => Attributes::resource(index, false, &[[0; firmware::DIGEST_LENGTH]]),
        };
        Self {
            prolog: String::new(),
            identity: identity(version),
            entity: Attributes::new(&[
                ("name", MANUFACTURER),
                ("role", "softwareCreator tagCreator"),
            ]),
            meta: meta(version),
            resources: (0..firmware::BLOCKS).map(resource).collect(),
            extra_in_payload: String::new(),
            extra_before_signature: String::new(),
            signature: Some(XmlSignature::default()),
            after_signature: String::new(),
            epilog: String::new(),
        }
    }

    /// The resource of this golden index, to be changed in place.
    pub fn resource_mut(&mut self, index: u8) -> Option<&mut Attributes> {
        let index = index.to_string();
        self.resources
            .iter_mut()
            .find(|resource| resource.get("index") == Some(&index))
    }

    /// The document, signed with `key` and carrying `chain` (DER, leaf first) as its key info.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] if signing fails.
    pub fn build(&self, key: &Key, chain: &[Vec<u8>]) -> Result<Vec<u8>, DeviceError> {
        let (before, after) = self.signed_text();
        let signature = match &self.signature {
            Some(signature) => signature.element(&[&before[..], &after].concat(), key, chain)?,
            None => String::new(),
        };
        Ok(
            [&self.prolog[..], &before, &signature, &after, &self.epilog]
                .concat()
                .into_bytes(),
        )
    }

    /// The root element around the place where the signature goes.
    fn signed_text(&self) -> (String, String) {
        let namespaces = [("", NS_SWID), ("ns0", NS_SWID), ("ns2", NS_SHA384)];
        let root = tag("SoftwareIdentity", &namespaces, &self.identity);
        let entity = empty("ns0:Entity", &[], &self.entity);
        let meta = empty("ns0:Meta", &[("ns1", NS_TCG)], &self.meta);
        let payload = tag(
            "ns0:Payload",
            &[("SHA384", NS_SHA384)],
            &Attributes::default(),
        );
        let resources: String = self
            .resources
            .iter()
            .map(|it| format!("        {}\n", empty("ns0:Resource", &[], it)))
            .collect();
        let before = format!(
            "{root}\n    {entity}\n    {meta}\n    {payload}\n{resources}{}    </ns0:Payload>\n{}",
            self.extra_in_payload, self.extra_before_signature,
        );
        (
            before,
            format!("{}</SoftwareIdentity>", self.after_signature),
        )
    }
}

fn identity(version: &str) -> Attributes {
    let tag_id = hex::encode(firmware::sha384(
        format!("PoGW SIMULATED RIM {version}").as_bytes(),
    ));
    Attributes::new(&[
        ("corpus", "false"),
        ("name", firmware::CHIP),
        ("patch", "false"),
        ("supplemental", "false"),
        ("tagId", &tag_id),
        ("version", "1.0"),
        ("tagVersion", "0"),
    ])
}

fn meta(version: &str) -> Attributes {
    Attributes::new(&[
        ("colloquialVersion", version),
        ("edition", "GPU"),
        ("product", firmware::CHIP),
        ("revision", "r1"),
        ("PayloadType", "direct"),
        ("ns1:BindingSpec", "RIMIM"),
        ("ns1:BindingSpecVersion", "1.01"),
        ("ns1:PlatformManufacturerId", MANUFACTURER_ID),
        ("ns1:PlatformManufacturerStr", MANUFACTURER),
        ("ns1:PlatformModel", firmware::CHIP),
        ("ns1:FirmwareManufacturer", MANUFACTURER),
        ("ns1:FirmwareManufacturerId", MANUFACTURER_ID),
    ])
}

impl Attributes {
    /// Attributes from pairs.
    #[must_use]
    pub fn new(pairs: &[(&str, &str)]) -> Self {
        Self(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    /// A measurement: index, whether it counts, and the digests that are accepted.
    #[must_use]
    pub fn resource(index: u8, active: bool, hashes: &[[u8; firmware::DIGEST_LENGTH]]) -> Self {
        let mut it = Self::new(&[
            ("type", "Measurement"),
            ("index", &index.to_string()),
            ("active", if active { "True" } else { "False" }),
            ("alternatives", &hashes.len().to_string()),
            ("name", &format!("Measurement_{index}")),
            ("size", &firmware::DIGEST_LENGTH.to_string()),
        ]);
        for (number, hash) in hashes.iter().enumerate() {
            it.set(&format!("ns2:Hash{number}"), &hex::encode(hash));
        }
        it
    }

    /// The value of an attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&String> {
        self.0
            .iter()
            .find(|(it, _)| it == name)
            .map(|(_, value)| value)
    }

    /// Gives an attribute this value, adding it if it is not there.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(it, _)| it == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Takes an attribute away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(it, _)| it != name);
    }

    /// In canonical order: those without a namespace first, then by local name.
    fn canonical(&self) -> String {
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_by_key(|(name, _)| (name.contains(':'), name));
        sorted
            .iter()
            .map(|(name, value)| format!(" {name}=\"{}\"", escaped(value)))
            .collect()
    }
}

impl Default for XmlSignature {
    /// One reference to the whole document, and nothing else.
    fn default() -> Self {
        Self {
            canonicalization: C14N11.to_owned(),
            method: ECDSA_SHA384.to_owned(),
            references: vec![Reference::default()],
            extra_in_signed_info: String::new(),
            value: None,
            corrupt_value: false,
            extra_in_x509_data: String::new(),
            extra_in_key_info: String::new(),
            extra: String::new(),
        }
    }
}

impl XmlSignature {
    fn element(&self, text: &str, key: &Key, chain: &[Vec<u8>]) -> Result<String, DeviceError> {
        let inside = self.signed_info(text);
        // As the apex of its own canonical form, SignedInfo gets every namespace in scope.
        let scope = [
            ("", NS_SWID),
            ("ds", NS_DSIG),
            ("ns0", NS_SWID),
            ("ns2", NS_SHA384),
        ];
        let apex = tag("ds:SignedInfo", &scope, &Attributes::default());
        let value = self.signature_value(&format!("{apex}{inside}</ds:SignedInfo>"), key)?;
        Ok(format!(
            "<ds:Signature xmlns:ds=\"{NS_DSIG}\"><ds:SignedInfo>{inside}</ds:SignedInfo>\
             <ds:SignatureValue>{}</ds:SignatureValue>{}{}</ds:Signature>",
            STANDARD.encode(value),
            self.key_info(chain),
            self.extra,
        ))
    }

    fn signed_info(&self, text: &str) -> String {
        let digest = firmware::sha384(text.as_bytes());
        let references: String = self
            .references
            .iter()
            .map(|it| it.element(&digest))
            .collect();
        let canonicalization = method("ds:CanonicalizationMethod", &self.canonicalization);
        let signature = method("ds:SignatureMethod", &self.method);
        format!(
            "{canonicalization}{signature}{references}{}",
            self.extra_in_signed_info
        )
    }

    fn signature_value(&self, signed_info: &str, key: &Key) -> Result<Vec<u8>, DeviceError> {
        let mut value = match &self.value {
            Some(value) => value.clone(),
            None => key.sign_fixed(signed_info.as_bytes())?,
        };
        if let (true, Some(end)) = (self.corrupt_value, value.last_mut()) {
            *end ^= 1;
        }
        Ok(value)
    }

    fn key_info(&self, chain: &[Vec<u8>]) -> String {
        let certificates: String = chain.iter().map(|der| certificate(der)).collect();
        format!(
            "<ds:KeyInfo><ds:X509Data>{certificates}{}</ds:X509Data>{}</ds:KeyInfo>",
            self.extra_in_x509_data, self.extra_in_key_info,
        )
    }
}

impl Default for Reference {
    /// The whole document without its signature, canonicalised, SHA-384.
    fn default() -> Self {
        Self {
            uri: Some(String::new()),
            transforms: vec![ENVELOPED.to_owned(), C14N11.to_owned()],
            digest_method: DIGEST_SHA384.to_owned(),
            digest: None,
        }
    }
}

impl Reference {
    fn element(&self, true_digest: &[u8]) -> String {
        let uri = self
            .uri
            .as_deref()
            .map(|uri| format!(" URI=\"{}\"", escaped(uri)));
        let transforms: String = self
            .transforms
            .iter()
            .map(|it| method("ds:Transform", it))
            .collect();
        format!(
            "<ds:Reference{}><ds:Transforms>{transforms}</ds:Transforms>{}\
             <ds:DigestValue>{}</ds:DigestValue></ds:Reference>",
            uri.unwrap_or_default(),
            method("ds:DigestMethod", &self.digest_method),
            STANDARD.encode(self.digest.as_deref().unwrap_or(true_digest)),
        )
    }
}

/// A certificate as Base64 in lines, each with its line end.
fn certificate(der: &[u8]) -> String {
    let mut text = String::new();
    let encoded = STANDARD.encode(der);
    for (at, letter) in encoded.chars().enumerate() {
        if at > 0 && at.is_multiple_of(BASE64_COLUMNS) {
            text.push('\n');
        }
        text.push(letter);
    }
    format!("<ds:X509Certificate>{text}\n</ds:X509Certificate>")
}

/// An element that only names an algorithm.
fn method(name: &str, algorithm: &str) -> String {
    empty(name, &[], &Attributes::new(&[("Algorithm", algorithm)]))
}

/// An element without content, as canonical XML writes it.
fn empty(name: &str, namespaces: &[(&str, &str)], attributes: &Attributes) -> String {
    format!("{}</{name}>", tag(name, namespaces, attributes))
}

/// A start tag. Namespaces must come sorted by prefix.
fn tag(name: &str, namespaces: &[(&str, &str)], attributes: &Attributes) -> String {
    let declarations: String = namespaces
        .iter()
        .map(|(prefix, uri)| match *prefix {
            "" => format!(" xmlns=\"{uri}\""),
            prefix => format!(" xmlns:{prefix}=\"{uri}\""),
        })
        .collect();
    format!("<{name}{declarations}{}>", attributes.canonical())
}

/// An attribute value with the characters that canonical XML writes as references.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '"' => text.push_str("&quot;"),
            '\t' => text.push_str("&#x9;"),
            '\n' => text.push_str("&#xA;"),
            '\r' => text.push_str("&#xD;"),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_sorted_and_escaped() {
        let mut it =
            Attributes::new(&[("ns2:Hash0", "a"), ("size", "4"), ("PayloadType", "<&\"\n")]);
        it.set("size", "5");
        it.set("ns2:Hash10", "b");
        it.set("ns2:Hash2", "c");
        it.remove("absent");
        assert_eq!(
            empty("e", &[("", "u"), ("p", "v")], &it),
            "<e xmlns=\"u\" xmlns:p=\"v\" PayloadType=\"&lt;&amp;&quot;&#xA;\" size=\"5\" \
             ns2:Hash0=\"a\" ns2:Hash10=\"b\" ns2:Hash2=\"c\"></e>"
        );
    }

    #[test]
    fn certificates_are_broken_into_lines() {
        assert_eq!(
            certificate(&[0; 50]),
            format!(
                "<ds:X509Certificate>{}\n{}=\n</ds:X509Certificate>",
                "A".repeat(64),
                "A".repeat(3)
            )
        );
        assert!(!certificate(&[0; 48]).contains("\n\n"));
    }
}
