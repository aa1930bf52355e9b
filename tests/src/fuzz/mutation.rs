//! Changes to good bytes, as an attacker or a bad disk would make them, and noise.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One change to good bytes.
#[derive(Clone, Debug)]
pub enum Change {
    /// Turns one bit over.
    Flip(Index, u8),
    /// Puts another byte in the place of one.
    Set(Index, u8),
    /// Adds to a byte, without carry: lengths that are a little wrong.
    Add(Index, i8),
    /// Drops the end.
    Truncate(Index),
    /// Drops some bytes.
    Remove(Index, usize),
    /// Puts bytes between.
    Insert(Index, Vec<u8>),
    /// Repeats some bytes elsewhere.
    Duplicate(Index, usize, Index),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        let span = |from: &Index, count: usize| {
            let from = from.index(length);
            from..length.min(from + count)
        };
        match self {
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Self::Set(at, byte) => bytes[at.index(length)] = *byte,
            Self::Add(at, difference) => {
                let byte = &mut bytes[at.index(length)];
                *byte = byte.wrapping_add_signed(*difference);
            }
            Self::Truncate(at) => bytes.truncate(at.index(length)),
            Self::Remove(from, count) => drop(bytes.drain(span(from, *count))),
            Self::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Duplicate(from, count, to) => {
                let copy = bytes[span(from, *count)].to_vec();
                let to = to.index(length);
                bytes.splice(to..to, copy);
            }
        }
    }
}

/// One to four changes; `words` are what the format is made of, so that some get past the first rules.
pub fn changes(words: &[Vec<u8>]) -> impl Strategy<Value = Vec<Change>> + use<> {
    let index = any::<Index>;
    let inserted = prop_oneof![
        4 => select(words.to_vec()),
        1 => vec(any::<u8>(), 1..9),
    ];
    let byte = prop_oneof![
        Just(0),
        Just(1),
        Just(0x7f),
        Just(0x80),
        Just(0xff),
        any::<u8>()
    ];
    let change = prop_oneof![
        4 => (index(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        2 => (index(), byte).prop_map(|(at, byte)| Change::Set(at, byte)),
        2 => (index(), -4_i8..=4).prop_map(|(at, difference)| Change::Add(at, difference)),
        1 => index().prop_map(Change::Truncate),
        1 => (index(), 1_usize..100).prop_map(|(from, count)| Change::Remove(from, count)),
        2 => (index(), inserted).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (index(), 1_usize..400, index())
            .prop_map(|(from, count, to)| Change::Duplicate(from, count, to)),
    ];
    vec(change, 1..5)
}

/// The bytes after these changes.
#[must_use]
pub fn changed(good: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for change in changes {
        change.apply(&mut bytes);
    }
    bytes
}

/// The beginning of one input and the end of another.
#[must_use]
pub fn spliced(head: &[u8], tail: &[u8], at: &Index) -> Vec<u8> {
    let cut = |bytes: &[u8]| at.index(bytes.len() + 1);
    [&head[..cut(head)], &tail[cut(tail)..]].concat()
}

/// Bytes of no meaning.
pub fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..64), vec(any::<u8>(), 0..6000)]
}

/// The words of a dictionary in the form of libFuzzer: one a line in quotes, `\xNN`, `\\` and `\"` escaped; `#` begins
/// a comment.
///
/// # Panics
/// A line is of another form.
#[must_use]
pub fn words(dictionary: &str) -> Vec<Vec<u8>> {
    let lines = dictionary.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| word(line).unwrap_or_else(|| panic!("no word of a dictionary: {line}")))
        .collect()
}

fn word(line: &str) -> Option<Vec<u8>> {
    let mut rest = line.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let mut word = Vec::new();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let [byte] = hex::decode([*high, *low]).ok()?.try_into().ok()?;
                (byte, after)
            }
            (b'\\', [escaped @ (b'\\' | b'"'), after @ ..]) => (*escaped, after),
            (b'\\' | b'"', _) => return None,
            (plain, after) => (plain, after),
        };
        word.push(byte);
        rest = after;
    }
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_libfuzzer_reads_them() {
        let dictionary = "# words\n\n\"a\"\n\"\\x00\\xff\"\n \"\\\\ \\\"\" \n";
        let expected = [&b"a"[..], &[0, 255], b"\\ \""];
        assert_eq!(words(dictionary), expected);
        for wrong in ["a", "\"", "\"\"", "\"\\x0\"", "\"\\n\"", "\"a\"b\""] {
            assert_eq!(word(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn splices_take_from_both(at in any::<Index>()) {
            let spliced = spliced(b"aaaa", b"bbbb", &at);
            prop_assert_eq!(spliced.len(), 4);
            prop_assert!(spliced.is_sorted());
        }
    }
}
