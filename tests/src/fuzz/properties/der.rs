//! DER elements (X.690), told apart without the code under test.

/// The first element and what follows it: tag, content, rest. `None` unless its length is definite and written in the
/// one shortest way.
pub(super) fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&first, bytes) = bytes.split_first()?;
    let (length, bytes) = match first {
        0..=0x7f => (usize::from(first), bytes),
        0x81..=0x84 => {
            let (digits, rest) = bytes.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            let shortest = digits[0] != 0 && length > 0x7f;
            (shortest.then_some(length)?, rest)
        }
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The elements that bytes consist of, each as tag and content.
pub(super) fn elements(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (tag, content, rest) = element(bytes)?;
        found.push((tag, content));
        bytes = rest;
    }
    Some(found)
}

/// The parts of bytes that are one SEQUENCE and nothing else.
pub(super) fn sequence(bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    match element(bytes)? {
        (0x30, content, []) => elements(content),
        _ => None,
    }
}
