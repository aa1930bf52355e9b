//! Canonical XML of the restricted documents, as far as RIM signatures need it (W3C xml-c14n11; nvidia-evidence 6.3).
//!
//! In scope: the inclusive canonical form of one element and what is in it, minus one omitted element
//! ([`canonicalise`]). Versions 1.0 and 1.1 agree here, for they differ in `xml:…` attributes alone.
//! Out of scope: everything `xml` refuses (references, comments, processing instructions, CR and TAB, `xml:…`
//! attributes, undeclared or redeclared prefixes); document subsets other than one element.

use roxmltree::{Attribute, Node};

use super::xml;

/// The canonical form of `apex` without `omitted`, whose surrounding text stays.
///
/// All namespaces in scope are written at `apex`; below it those declared there, used or not. Time and space are
/// linear in the text, as prefixes are declared once per document and their number is bounded.
pub(super) fn canonicalise(apex: Node<'_, '_>, omitted: Option<Node<'_, '_>>) -> String {
    let mut out = String::with_capacity(apex.range().len());
    let mut position = Some(Edge::Enter(apex));
    while let Some(edge) = position {
        position = match edge {
            Edge::Enter(node) if Some(node) == omitted => after(node, apex),
            Edge::Enter(node) => {
                enter(&mut out, node, node == apex);
                node.first_child()
                    .map_or(Some(Edge::Leave(node)), |child| Some(Edge::Enter(child)))
            }
            Edge::Leave(node) => {
                leave(&mut out, node);
                after(node, apex)
            }
        };
    }
    out
}

/// Where the walk stands: a loop instead of recursion, so that nesting costs no stack.
#[derive(Clone, Copy)]
enum Edge<'a> {
    Enter(Node<'a, 'a>),
    Leave(Node<'a, 'a>),
}

fn after<'a>(node: Node<'a, 'a>, apex: Node<'a, 'a>) -> Option<Edge<'a>> {
    if node == apex {
        return None;
    }
    let sibling = node.next_sibling().map(Edge::Enter);
    sibling.or_else(|| node.parent().map(Edge::Leave))
}

fn enter(out: &mut String, node: Node<'_, '_>, is_apex: bool) {
    if node.is_element() {
        start_tag(out, node, is_apex);
    } else {
        push_escaped(out, node.text().unwrap_or_default(), text_escape);
    }
}

fn leave(out: &mut String, node: Node<'_, '_>) {
    if node.is_element() {
        out.push_str("</");
        out.push_str(element_name(node));
        out.push('>');
    }
}

/// `<name`, namespaces by prefix with the default one first, attributes by namespace and local name, `>`.
fn start_tag<'a>(out: &mut String, element: Node<'a, 'a>, is_apex: bool) {
    out.push('<');
    out.push_str(element_name(element));
    let above = if is_apex { None } else { element.parent() };
    let mut namespaces: Vec<_> = xml::declarations(element, above).collect();
    namespaces.sort_unstable_by_key(|namespace| namespace.name());
    for namespace in namespaces {
        out.push_str(" xmlns");
        if let Some(prefix) = namespace.name() {
            out.push(':');
            out.push_str(prefix);
        }
        push_value(out, namespace.uri());
    }
    let mut attributes: Vec<Attribute<'_, '_>> = element.attributes().collect();
    attributes.sort_unstable_by_key(|attribute| (attribute.namespace(), attribute.name()));
    for attribute in attributes {
        out.push(' ');
        out.push_str(xml::written_name(
            element.document(),
            attribute.range().start,
        ));
        push_value(out, attribute.value());
    }
    out.push('>');
}

/// The element's name as written; it follows the `<` at which the element starts.
fn element_name<'a>(element: Node<'a, '_>) -> &'a str {
    xml::written_name(element.document(), element.range().start.saturating_add(1))
}

fn push_value(out: &mut String, value: &str) {
    out.push_str("=\"");
    push_escaped(out, value, value_escape);
    out.push('"');
}

/// Xml-c14n11 2.3, text nodes. CR cannot occur.
fn text_escape(character: char) -> Option<&'static str> {
    match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

/// Xml-c14n11 2.3, attribute nodes. TAB, LF and CR cannot occur.
fn value_escape(character: char) -> Option<&'static str> {
    match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '"' => Some("&quot;"),
        _ => None,
    }
}

fn push_escaped(out: &mut String, text: &str, escape: fn(char) -> Option<&'static str>) {
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        if let Some(reference) = escape(character) {
            out.push_str(text.get(plain..at).unwrap_or_default());
            out.push_str(reference);
            plain = at.saturating_add(1);
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::*;

    fn canonical(text: &str) -> String {
        let document = Document::parse(text).unwrap();
        canonicalise(document.root_element(), None)
    }

    /// The right-hand sides are what libxml2 writes for the left-hand sides.
    #[test]
    fn tags_have_one_spelling() {
        let cases = [
            ("<a/>", "<a></a>"),
            (" <a  >\n </a >\n", "<a>\n </a>"),
            ("<a c='1'   b = \"2\"/>", r#"<a b="2" c="1"></a>"#),
            ("<a b='\"'>\"</a>", r#"<a b="&quot;">"</a>"#),
            ("<a b=\">\">></a>", r#"<a b=">">&gt;</a>"#),
            ("<a b=\"'\"/>", r#"<a b="'"></a>"#),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn references_are_written_again() {
        assert_eq!(
            canonical("<a b='&amp;&lt;>'>&amp;&lt;&gt;</a>"),
            r#"<a b="&amp;&lt;>">&amp;&lt;&gt;</a>"#
        );
    }

    /// Namespaces by prefix, the default first; attributes by namespace and local name, those without namespace first.
    #[test]
    fn names_are_sorted() {
        let text = "<n:a z:b='1' y:c='2' y:a='3' d='4' xmlns:z='u:1' xmlns:y='u:2' xmlns='u:3' xmlns:n='u:4'/>";
        let expected = r#"<n:a xmlns="u:3" xmlns:n="u:4" xmlns:y="u:2" xmlns:z="u:1" d="4" z:b="1" y:a="3" y:c="2"></n:a>"#;
        assert_eq!(canonical(text), expected);
    }

    /// Unused prefixes stay where they are declared; what holds already is not written again.
    #[test]
    fn namespaces_are_inclusive() {
        let text =
            "<a xmlns='u:1' xmlns:p='u:2'><p:b xmlns:q='u:3'><q:c/></p:b><d xmlns='u:4'/></a>";
        let expected = r#"<a xmlns="u:1" xmlns:p="u:2"><p:b xmlns:q="u:3"><q:c></q:c></p:b><d xmlns="u:4"></d></a>"#;
        assert_eq!(canonical(text), expected);
    }

    #[test]
    fn an_apex_within_gets_every_namespace_in_scope() {
        let text = "<a xmlns='u:1' xmlns:p='u:2'> <p:b xmlns:q='u:3'>t</p:b> </a>";
        let document = Document::parse(text).unwrap();
        let apex = document.root_element().first_element_child().unwrap();
        let expected = r#"<p:b xmlns="u:1" xmlns:p="u:2" xmlns:q="u:3">t</p:b>"#;
        assert_eq!(canonicalise(apex, None), expected);
    }

    #[test]
    fn text_around_the_omitted_element_stays() {
        let document = Document::parse("<a> <b>1</b>\n<c><d/>2</c>\n\n</a>").unwrap();
        let root = document.root_element();
        let omitted = root.last_element_child();
        assert_eq!(canonicalise(root, omitted), "<a> <b>1</b>\n\n\n</a>");
    }

    /// Nesting costs no stack.
    #[test]
    fn depth_is_no_danger() {
        let text = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
        assert_eq!(canonical(&text), text);
    }
}
