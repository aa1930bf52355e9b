//! The restricted XML of a RIM: read, or refused (nvidia-evidence 6.2, row 79).
//!
//! In scope: which documents are read at all ([`read`]), and the few questions the other modules ask of an element.
//! Out of scope: what the elements mean (`manifest`, `signature`), the bytes that were signed (`canonical`).
//!
//! Whatever a parser would have to expand, drop or rewrite is refused instead: declarations, comments, CDATA,
//! processing instructions, references, CR and TAB, line feeds in attributes. So the text that was signed, the tree
//! that is read and the bytes that `canonical` writes cannot come apart. Every bound that keeps the parser linear is
//! checked on the raw text, before the parser sees it.

use roxmltree::{Document, Namespace, Node, NodeId, ParsingOptions, StringStorage};

use crate::limits::{MAX_RIM_BYTES, MAX_RIM_NODES};
use crate::reason::{Code, Reason};

/// Software identification tags (ISO/IEC 19770-2:2015): the elements of the manifest itself.
pub(super) const SWID: &str = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
/// The namespace of the `HashN` attributes.
pub(super) const SHA384: &str = "http://www.w3.org/2001/04/xmlenc#sha384";
/// The TCG reference integrity manifest information model: attributes of `Meta`.
pub(super) const TCG_RIM: &str = "https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/";
/// XML signatures (W3C xmldsig-core).
pub(super) const XMLDSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Most `=` between one `<` and the next. A `Resource` with 16 alternatives has 22 attributes, the most there is;
/// base64 adds two. The parser compares the attributes of an element pairwise.
const MAX_EQUALS_PER_TAG: usize = 32;

/// Most bytes from one `<` to the next, so in a tag and the text after it. A `Resource` with 16 alternatives has 2100,
/// a certificate 1000. The parser compares namespaces, which can be as long as this, for every pair of attributes.
const MAX_TAG_BYTES: usize = 4096;

/// Most namespace declarations; real manifests have six. The parser searches them for every name.
const MAX_NAMESPACES: usize = 16;

/// An element name with its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    namespace: &'static str,
    local: &'static str,
}

impl Name {
    pub(super) const fn swid(local: &'static str) -> Self {
        Self {
            namespace: SWID,
            local,
        }
    }

    pub(super) const fn xmldsig(local: &'static str) -> Self {
        Self {
            namespace: XMLDSIG,
            local,
        }
    }

    pub(super) fn is_of(self, node: Node<'_, '_>) -> bool {
        node.is_element() && node.has_tag_name((self.namespace, self.local))
    }
}

/// A reason with the code of this module, which `signature` replaces by its own.
pub(super) fn malformed(message: impl Into<String>) -> Reason {
    Reason::new(Code::RimMalformed, message)
}

/// Reads a document of the restricted form.
///
/// # Errors
/// [`Code::RimTooLarge`], or [`Code::RimMalformed`] for the first rule it breaks: past a broken rule the rest of the
/// text has no agreed meaning.
pub(super) fn read(xml: &[u8]) -> Result<Document<'_>, Reason> {
    bounded_size(xml)?;
    let text = plain_text(xml)?;
    no_markup_but_tags(text)?;
    short_tags(text)?;
    few_namespaces(text)?;
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_RIM_NODES,
        entity_resolver: None,
    };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| malformed("manifest is not well-formed XML").actual(error))?;
    namespaces_declared_once(&document)?;
    plain_attributes(&document)?;
    Ok(document)
}

fn bounded_size(xml: &[u8]) -> Result<(), Reason> {
    if xml.len() > MAX_RIM_BYTES {
        let reason = Reason::new(Code::RimTooLarge, "manifest size in bytes");
        return Err(reason
            .expected(format!("at most {MAX_RIM_BYTES}"))
            .actual(xml.len()));
    }
    Ok(())
}

/// Printable ASCII and line feeds only. CR and TAB would be normalised, anything wider could look like something else.
fn plain_text(xml: &[u8]) -> Result<&str, Reason> {
    let mut bytes = xml.iter().enumerate();
    let alien = bytes.find(|(_, byte)| !matches!(byte, b'\n' | b' '..=b'~'));
    let text = std::str::from_utf8(xml).ok();
    match (alien, text) {
        (None, Some(text)) => Ok(text),
        (alien, _) => {
            let (at, byte) = alien.unwrap_or((0, &0));
            Err(malformed("character of the manifest")
                .expected("printable ASCII or line feed")
                .actual(format!("0x{byte:02x} at byte {at}")))
        }
    }
}

/// No XML declaration, DOCTYPE, processing instruction, comment, CDATA or reference.
fn no_markup_but_tags(text: &str) -> Result<(), Reason> {
    let refused = [
        ("<?", "XML declaration or processing instruction"),
        ("<!", "DOCTYPE, comment or CDATA"),
        ("&", "character or entity reference"),
    ];
    match refused.iter().find(|(mark, _)| text.contains(mark)) {
        Some((_, what)) => Err(malformed("markup of the manifest")
            .expected("elements, attributes and text alone")
            .actual(what)),
        None => Ok(()),
    }
}

/// Bounds the length and the attributes of every tag. Well-formed text has `<` nowhere but at the start of a tag, once
/// comments and CDATA are refused, and the parser stops at the first tag that is not well-formed.
fn short_tags(text: &str) -> Result<(), Reason> {
    let equals = |tag: &str| tag.bytes().filter(|&byte| byte == b'=').count();
    for tag in text.split('<') {
        if tag.len() > MAX_TAG_BYTES {
            return Err(malformed("bytes of a tag and the text after it")
                .expected(format!("at most {MAX_TAG_BYTES}"))
                .actual(tag.len()));
        }
        if equals(tag) > MAX_EQUALS_PER_TAG {
            return Err(malformed("attributes of one element")
                .expected(format!("at most {MAX_EQUALS_PER_TAG}"))
                .actual(equals(tag)));
        }
    }
    Ok(())
}

/// Bounds the namespace declarations. `:xmlns` is refused for the parser's sake, which takes `p:xmlns` for `xmlns`.
fn few_namespaces(text: &str) -> Result<(), Reason> {
    let count = mentions_of_xmlns(text);
    if count > MAX_NAMESPACES || text.contains(":xmlns") {
        return Err(malformed("namespace declarations of the manifest")
            .expected(format!("at most {MAX_NAMESPACES}, each plainly written"))
            .actual(count));
    }
    Ok(())
}

fn mentions_of_xmlns(text: &str) -> usize {
    text.matches("xmlns").count()
}

/// A prefix means one thing in the whole document: it is declared once, and not as nothing or as `xml`.
///
/// Counting every mention of `xmlns` against the declarations that took effect finds those that the tree hides
/// because they repeat what already holds.
fn namespaces_declared_once(document: &Document<'_>) -> Result<(), Reason> {
    let elements = document.root().descendants().filter(Node::is_element);
    let mut prefixes: Vec<Option<&str>> = Vec::new();
    for namespace in elements.flat_map(|element| declarations(element, element.parent())) {
        if namespace.uri().is_empty() || prefixes.contains(&namespace.name()) {
            return Err(malformed("namespace declaration")
                .expected("each prefix declared once")
                .actual(format!(
                    "{}={}",
                    namespace.name().unwrap_or("xmlns"),
                    namespace.uri()
                )));
        }
        prefixes.push(namespace.name());
    }
    let mentions = mentions_of_xmlns(document.input_text());
    if mentions != prefixes.len() {
        return Err(malformed("mentions of xmlns")
            .expected(format!("{}, one for each prefix", prefixes.len()))
            .actual(mentions));
    }
    Ok(())
}

/// The namespaces in scope of `element` that are new or different from those in scope of `above`.
pub(super) fn declarations<'a>(
    element: Node<'a, 'a>,
    above: Option<Node<'a, 'a>>,
) -> impl Iterator<Item = &'a Namespace<'a>> {
    element.namespaces().filter(move |namespace| {
        let inherited = above.map(|above| above.namespaces());
        let mut inherited = inherited.into_iter().flatten();
        !inherited.any(|other| other.name() == namespace.name() && other.uri() == namespace.uri())
    })
}

/// No `xml:…` attribute, which canonicalisation would have to inherit, and no value that the parser had to rewrite.
fn plain_attributes(document: &Document<'_>) -> Result<(), Reason> {
    let elements = document.root().descendants().filter(Node::is_element);
    for attribute in elements.flat_map(|element| element.attributes()) {
        if attribute.namespace() == Some(roxmltree::NS_XML_URI) {
            return Err(malformed("attribute of the xml namespace").actual(attribute.name()));
        }
        if matches!(attribute.value_storage(), StringStorage::Owned(_)) {
            return Err(malformed("attribute value with a line feed").actual(attribute.name()));
        }
    }
    Ok(())
}

/// The name as written, prefix included, of the element or attribute whose name starts at byte `at` of the text.
pub(super) fn written_name<'a>(document: &'a Document<'_>, at: usize) -> &'a str {
    let rest = document.input_text().get(at..).unwrap_or_default();
    let end = rest.find([' ', '\n', '/', '>', '=']).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// The element children except the one with id `except`, which must be exactly `names` in this order, with nothing
/// but white space between them.
pub(super) fn sequence<'a, const N: usize>(
    parent: Node<'a, 'a>,
    names: [Name; N],
    except: Option<NodeId>,
) -> Result<[Node<'a, 'a>; N], Reason> {
    only_white_space(parent)?;
    let elements = parent.children().filter(Node::is_element);
    // One more than wanted is enough to tell, and bounds the list that a refusal shows.
    let children: Vec<_> = elements
        .filter(|child| Some(child.id()) != except)
        .take(N.saturating_add(1))
        .collect();
    let children = <[Node<'a, 'a>; N]>::try_from(children).map_err(|found| {
        let found: Vec<_> = found.into_iter().map(label).collect();
        unexpected_children(parent, &names, &found)
    })?;
    let matching = names
        .iter()
        .zip(&children)
        .all(|(name, child)| name.is_of(*child));
    if matching {
        Ok(children)
    } else {
        let found: Vec<_> = children.into_iter().map(label).collect();
        Err(unexpected_children(parent, &names, &found))
    }
}

/// All element children, which must have the one `name`, with nothing but white space between them.
///
/// The number of children is bounded by [`MAX_RIM_NODES`] alone.
pub(super) fn repeated<'a>(parent: Node<'a, 'a>, name: Name) -> Result<Vec<Node<'a, 'a>>, Reason> {
    only_white_space(parent)?;
    let children: Vec<_> = parent.children().filter(Node::is_element).collect();
    match children.iter().find(|child| !name.is_of(**child)) {
        Some(alien) => Err(unexpected_children(parent, &[name], &[label(*alien)])),
        None => Ok(children),
    }
}

fn unexpected_children(parent: Node<'_, '_>, names: &[Name], found: &[String]) -> Reason {
    let expected: Vec<_> = names.iter().map(|name| name.local).collect();
    malformed(format!("children of {}", local(parent)))
        .expected(list_of(&expected))
        .actual(list_of(found))
}

fn list_of<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// An element's name for a refusal: the local name where the namespace is a known one, else with the namespace.
pub(super) fn label(element: Node<'_, '_>) -> String {
    match element.tag_name().namespace() {
        Some(SWID | XMLDSIG) => local(element).to_owned(),
        other => format!("{{{}}}{}", other.unwrap_or_default(), local(element)),
    }
}

/// The local name. Callers have matched it against a [`Name`], except in the value shown of a refusal.
fn local<'a>(element: Node<'a, '_>) -> &'a str {
    element.tag_name().name()
}

/// No children but white space.
pub(super) fn empty(element: Node<'_, '_>) -> Result<(), Reason> {
    sequence(element, [], None).map(|[]| ())
}

fn only_white_space(element: Node<'_, '_>) -> Result<(), Reason> {
    let texts = element.children().filter(Node::is_text);
    let mut texts = texts.filter_map(|node| node.text());
    match texts.find(|text| !text.bytes().all(is_white_space)) {
        Some(text) => Err(malformed(format!("text in {}", local(element)))
            .expected("white space alone")
            .actual(text.trim())),
        None => Ok(()),
    }
}

/// The characters XML 1.0 calls white space, of those that [`plain_text`] lets through.
pub(super) fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n')
}

/// The text of an element that has nothing else in it.
pub(super) fn text_alone<'a>(element: Node<'a, 'a>) -> Result<&'a str, Reason> {
    let mut children = element.children();
    match (children.next(), children.next()) {
        (Some(child), None) if child.is_text() => Ok(child.text().unwrap_or_default()),
        _ => Err(malformed(format!("content of {}", local(element))).expected("text alone")),
    }
}

/// Exactly these attributes, none of a namespace, with these values.
pub(super) fn attributes_are(element: Node<'_, '_>, wanted: &[(&str, &str)]) -> Result<(), Reason> {
    for (name, value) in wanted {
        fixed(element, name, value)?;
    }
    let count = element.attributes().len();
    if count == wanted.len() {
        Ok(())
    } else {
        Err(
            malformed(format!("number of attributes of {}", local(element)))
                .expected(wanted.len())
                .actual(count),
        )
    }
}

/// An attribute without namespace that can have one value only.
pub(super) fn fixed(element: Node<'_, '_>, name: &str, value: &str) -> Result<(), Reason> {
    let found = attribute(element, None, name);
    if found == Some(value) {
        return Ok(());
    }
    let reason =
        malformed(format!("{} of {}", name, local(element))).expected(format!("\"{value}\""));
    Err(match found {
        Some(found) => reason.actual(format!("\"{found}\"")),
        None => reason.actual("none"),
    })
}

/// A required attribute, not empty. Attributes of SWID have no namespace.
pub(super) fn required<'a>(
    element: Node<'a, 'a>,
    namespace: Option<&'static str>,
    name: &str,
) -> Result<&'a str, Reason> {
    match attribute(element, namespace, name) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(malformed(format!("{} of {}", name, local(element))).expected("a value")),
    }
}

/// The attribute of this very name. The parser's own search takes a name without namespace for one in any.
fn attribute<'a>(
    element: Node<'a, 'a>,
    namespace: Option<&'static str>,
    name: &str,
) -> Option<&'a str> {
    let mut attributes = element.attributes();
    let found = attributes.find(|a| a.namespace() == namespace && a.name() == name);
    found.map(|attribute| attribute.value())
}
