//! Chaining values and the tree above them, by the `blake3` crate: recursive, where the device goes level by level.

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};

/// Bytes of a chunk.
pub(super) const CHUNK: u64 = 1024;

/// Bytes of a chaining value and of the root.
pub(super) const NODE: u64 = 32;

/// Operations of one compression: 7 rounds of 8 steps of 14.
pub(super) const OPERATIONS: u64 = 7 * 8 * 14;

/// The chaining value of chunk `index`.
pub(super) fn chunk_value(bytes: &[u8], index: u64) -> ChainingValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(index * CHUNK).update(bytes);
    hasher.finalize_non_root()
}

/// The root of an input of one chunk.
pub(super) fn lone_root(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// The root above at least two chunks; `None` for fewer.
pub(super) fn root(chunks: &[ChainingValue]) -> Option<[u8; 32]> {
    let (left, right) = split(chunks)?;
    let root = merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash);
    Some(*root.as_bytes())
}

fn subtree(chunks: &[ChainingValue]) -> ChainingValue {
    match split(chunks) {
        Some((left, right)) => merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash),
        None => chunks.first().copied().unwrap_or_default(),
    }
}

fn split(chunks: &[ChainingValue]) -> Option<(&[ChainingValue], &[ChainingValue])> {
    if chunks.len() < 2 {
        return None;
    }
    let left = left_subtree_len(chunks.len() as u64 * CHUNK) / CHUNK;
    Some(chunks.split_at(left as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_above_the_chunks_is_the_hash_of_the_bytes() {
        for len in [1025, 2048, 2049, 3072, 5 * 1024, 31 * 1024, 31 * 1024 + 1] {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let chunks = bytes.chunks(1024).zip(0..);
            let chunks: Vec<_> = chunks.map(|(chunk, i)| chunk_value(chunk, i)).collect();
            assert_eq!(root(&chunks), Some(lone_root(&bytes)), "{len}");
        }
    }
}
