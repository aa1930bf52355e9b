//! The canonical form of a restricted document, as a second opinion: from the text, without a tree.
//!
//! In scope: documents that `Rim::parse` accepts, so without comments, references, declarations or redeclared
//! prefixes; `<` stands nowhere but at the start of a tag.

use std::collections::BTreeMap;

/// The canonical text of a document, and of the same without the last child element of the root.
#[derive(Debug)]
pub(super) struct Canonical {
    pub(super) whole: String,
    pub(super) without_last: String,
}

impl Canonical {
    pub(super) fn of(document: &str) -> Self {
        let prefixes = prefixes(document);
        let mut whole = String::new();
        let mut depth = 0;
        let mut last = 0..0;
        let mut started = 0;
        for (tag, text) in tags(document) {
            let name = name_of(tag.trim_start_matches('/'));
            if tag.starts_with('/') {
                depth -= 1;
            } else {
                if depth == 1 {
                    started = whole.len();
                }
                whole += &start_tag(tag, &prefixes);
            }
            if tag.starts_with('/') || tag.ends_with('/') {
                whole += &format!("</{name}>");
                if depth == 1 {
                    last = started..whole.len();
                }
            } else {
                depth += 1;
            }
            if depth > 0 {
                whole += &text.replace('>', "&gt;");
            }
        }
        let without_last = [&whole[..last.start], &whole[last.end..]].concat();
        Self {
            whole,
            without_last,
        }
    }
}

/// Every tag without its brackets, and the text after it.
fn tags(document: &str) -> impl Iterator<Item = (&str, &str)> {
    let starts = document.split('<').skip(1);
    starts.map(|tag| {
        let mut quote = None;
        let end = tag.char_indices().find(|(_, character)| match quote {
            None if *character == '>' => true,
            None => {
                quote = Some(*character).filter(|character| matches!(character, '"' | '\''));
                false
            }
            Some(open) => {
                quote = Some(open).filter(|open| open != character);
                false
            }
        });
        let (end, _) = end.expect("the end of a tag");
        (&tag[..end], &tag[end + 1..])
    })
}

fn name_of(tag: &str) -> &str {
    tag.split([' ', '\n', '/']).next().unwrap_or_default()
}

/// Attributes as name and value, in the order written.
fn attributes(tag: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = &tag[name_of(tag).len()..];
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let quote = &after[..1];
        let (value, after) = after[1..].split_once(quote).expect("a closed quote");
        found.push((name.trim(), value));
        rest = after;
    }
    found
}

/// The prefix that an attribute declares; the default namespace has the empty one.
fn declared(attribute: &str) -> Option<&str> {
    match attribute.split_once(':') {
        None => (attribute == "xmlns").then_some(""),
        Some((before, prefix)) => (before == "xmlns").then_some(prefix),
    }
}

/// Namespaces by prefix: each is declared once in the whole document.
fn prefixes(document: &str) -> BTreeMap<&str, &str> {
    let all = tags(document).flat_map(|(tag, _)| attributes(tag));
    all.filter_map(|(name, value)| declared(name).map(|prefix| (prefix, value)))
        .collect()
}

/// Namespaces by prefix, then attributes by namespace and local name.
fn start_tag(tag: &str, prefixes: &BTreeMap<&str, &str>) -> String {
    let order = |name: &str| match (declared(name), name.split_once(':')) {
        (Some(prefix), _) => (0, prefix.to_owned(), String::new()),
        (None, None) => (1, String::new(), name.to_owned()),
        (None, Some((prefix, local))) => {
            let namespace = prefixes.get(prefix).expect("a declared prefix");
            (1, (*namespace).to_owned(), local.to_owned())
        }
    };
    let mut attributes = attributes(tag);
    attributes.sort_by_key(|(name, _)| order(name));
    let written = attributes.iter().map(|(name, value)| {
        let value = value.replace('"', "&quot;");
        format!(" {name}=\"{value}\"")
    });
    format!("<{}{}>", name_of(tag), written.collect::<String>())
}
