//! The shape of a BLAKE3 tree over some bytes, and how its values follow from each other.
//!
//! In scope: nodes by the bytes they cover, their children, chaining values merged upwards. Out of scope: where bytes
//! come from ([`committed`](crate::committed)) and who claimed a value ([`bisect`](crate::bisect)).
//!
//! Source: the BLAKE3 paper, section 2.1: the left child of a node covers the largest power of two of chunks that leaves
//! at least a byte to the right one. Merging is the crate's own (`blake3::hazmat`).

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};

/// Bytes of a chunk: what a leaf covers.
pub(crate) const CHUNK: u64 = blake3::CHUNK_LEN as u64;

/// Bytes of a chaining value.
pub(crate) const VALUE: u64 = blake3::OUT_LEN as u64;

/// A node of a tree, by the bytes it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) start: u64,
    pub(crate) len: u64,
}

impl Node {
    /// The root above `len` bytes.
    pub(crate) const fn whole(len: u64) -> Self {
        Self { start: 0, len }
    }

    pub(crate) const fn end(self) -> u64 {
        self.start + self.len
    }

    /// Both children; none of a chunk.
    pub(crate) fn children(self) -> Option<[Self; 2]> {
        if self.len <= CHUNK {
            return None;
        }
        let left = left_subtree_len(self.len);
        let [start, len] = [self.start + left, self.len - left];
        Some([Self { len: left, ..self }, Self { start, len }])
    }

    /// The nodes `levels` below, from the first byte on; a chunk that lies less deep counts as itself.
    pub(crate) fn below(self, levels: u32) -> Vec<Self> {
        match self.children() {
            Some(children) if levels > 0 => {
                let below = children.into_iter().map(|child| child.below(levels - 1));
                below.collect::<Vec<_>>().concat()
            }
            _ => vec![self],
        }
    }

    /// Whether this is a node of the tree above `total` bytes.
    pub(crate) fn is_of(self, total: u64) -> bool {
        let mut at = Self::whole(total);
        loop {
            if at == self {
                return true;
            }
            let children = at.children().into_iter().flatten();
            match children.into_iter().find(|child| child.covers(self)) {
                Some(child) => at = child,
                None => return false,
            }
        }
    }

    fn covers(self, other: Self) -> bool {
        let within = other.start.checked_sub(self.start);
        let room = within.and_then(|within| self.len.checked_sub(within));
        room.is_some_and(|room| other.len <= room)
    }
}

/// The value of a node that is not the root, from the bytes it covers.
pub(crate) fn value_of(bytes: &[u8], start: u64) -> ChainingValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(start).update(bytes);
    hasher.finalize_non_root()
}

/// The value of a node that is not the root, from those of its children.
pub(crate) fn merged(left: &ChainingValue, right: &ChainingValue) -> ChainingValue {
    merge_subtrees_non_root(left, right, Mode::Hash)
}

/// The digest, from the values of the root's children.
pub(crate) fn root(left: &ChainingValue, right: &ChainingValue) -> ChainingValue {
    *merge_subtrees_root(left, right, Mode::Hash).as_bytes()
}

/// The value of a node, or the digest where it `is_root`, from the `values` of the nodes `levels` below it; `None` where
/// they are too few, or the node has nothing below.
pub(crate) fn from_below(
    node: Node,
    levels: u32,
    is_root: bool,
    values: &mut impl Iterator<Item = ChainingValue>,
) -> Option<ChainingValue> {
    let Some([left, right]) = node.children().filter(|_| levels > 0) else {
        return values.next();
    };
    let left = from_below(left, levels - 1, false, values)?;
    let right = from_below(right, levels - 1, false, values)?;
    Some(if is_root {
        root(&left, &right)
    } else {
        merged(&left, &right)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_below_give_the_digest_above() {
        for len in [1025_u64, 2048, 2049, 5 * 1024, 31 * 1024 + 1, 64 * 1024 - 1] {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let node = Node::whole(len);
            for levels in 1..8 {
                let below = node.below(levels);
                assert_eq!(below.iter().map(|node| node.len).sum::<u64>(), len);
                assert!(below.iter().all(|node| node.is_of(len)));
                let value = |node: &Node| {
                    value_of(&bytes[node.start as usize..node.end() as usize], node.start)
                };
                let mut values = below.iter().map(value);
                let digest = from_below(node, levels, true, &mut values);
                assert_eq!(
                    digest,
                    Some(*blake3::hash(&bytes).as_bytes()),
                    "{len}, {levels}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_node_is_told_apart() {
        let node = |start, len| Node { start, len };
        let of_five = [
            (0, 5120),
            (0, 4096),
            (4096, 1024),
            (2048, 2048),
            (3072, 1024),
        ];
        assert!(
            of_five
                .iter()
                .all(|(start, len)| node(*start, *len).is_of(5120))
        );
        let no = [
            (0, 0),
            (1, 1024),
            (1024, 2048),
            (4096, 1025),
            (u64::MAX, 1),
            (0, u64::MAX),
        ];
        for (start, len) in no {
            assert!(!node(start, len).is_of(5120), "{start}, {len}");
        }
    }
}
