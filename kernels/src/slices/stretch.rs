//! Which bytes of a tensor are opened, and how long that makes a slice.

use crate::tree::{Node, VALUE};

/// Bytes of one tensor: `len` from `start` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// First byte.
    pub start: u64,
    /// Bytes; at least one.
    pub len: u64,
}

/// Bytes of the length at the front of a slice.
const HEADER: u64 = 8;

impl Stretch {
    /// The byte behind the last, if there is one.
    #[must_use]
    pub const fn end(self) -> Option<u64> {
        self.start.checked_add(self.len)
    }

    /// Bytes of the Bao slice that opens it from a tensor of `total` bytes; `None` if it is empty or not within.
    ///
    /// ```
    /// // One element of an 8192² product of int32.
    /// let element = kernels::slices::Stretch { start: 4096, len: 4 };
    /// assert_eq!(element.slice_len(4 * 8192 * 8192), Some(8 + 18 * 64 + 1024));
    /// ```
    #[must_use]
    pub fn slice_len(self, total: u64) -> Option<u64> {
        let within = self.end().is_some_and(|end| end <= total);
        (self.len > 0 && within).then(|| HEADER + self.below(Node::whole(total)))
    }

    /// Bytes of a node and of what is below it.
    fn below(self, node: Node) -> u64 {
        let Some(children) = node.children() else {
            return node.len;
        };
        if self.start <= node.start && self.end().is_some_and(|end| end >= node.end()) {
            let parents = node.len.div_ceil(crate::tree::CHUNK) - 1;
            return node.len + 2 * VALUE * parents;
        }
        let met = children.into_iter().filter(|child| self.meets(*child));
        2 * VALUE + met.map(|child| self.below(child)).sum::<u64>()
    }

    pub(crate) fn meets(self, node: Node) -> bool {
        node.start < self.start.saturating_add(self.len) && self.start < node.end()
    }
}
