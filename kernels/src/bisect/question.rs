//! What a referee asks.

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::point::Tensor;
use crate::slices::Stretch;
use crate::tree::{Node, VALUE};

/// Levels of a tree that one answer spans, at most: 2048 values, 64 KiB.
pub const MAX_LEVELS: u32 = 11;

/// Longest answer, in bytes: what one point may be computed from, as slices. All others have 64 KiB at most.
pub const MAX_ANSWER: u64 = 64 << 20;

/// Committed bytes, by what they are of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tree {
    /// The digests of the states on the way, 32 bytes each.
    Trace,
    /// An output, by its place.
    Output(usize),
    /// A state on the way, by its place in the trace.
    State(u64),
}

/// A question, the same for both sides. As JSON such as `{"nodes":{"tree":{"output":0},"start":0,"len":4096,"levels":2}}`.
///
/// An answer is bytes and nothing else: its length and layout follow from the question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// The chaining values of the nodes `levels` below the node that covers `len` bytes from `start` on, chunks where the
    /// tree ends before: 32 bytes each, in order.
    Nodes {
        /// The tree.
        tree: Tree,
        /// First byte that the node covers.
        start: u64,
        /// Bytes that it covers.
        len: u64,
        /// How far below.
        levels: u32,
    },
    /// Bytes of trees, each as a Bao slice, one after the other.
    Open(Vec<(Tree, u64, u64)>),
    /// What the point is computed from, where that depends on committed bytes and all it could read is too much to open:
    /// for each run 4 bytes output, 4 bytes length, 8 bytes offset, little endian. Trusted by nobody: it says only what
    /// is asked for next.
    Reads {
        /// The point.
        point: u64,
    },
}

impl Question {
    /// Bytes of a right answer, which for [`Reads`](Self::Reads) is a bound; `None` if it asks for what the job does not
    /// have, or for too much.
    #[must_use]
    pub fn answer_len(&self, job: &Job) -> Option<u64> {
        let len = match self {
            Self::Nodes { levels, .. } => {
                let node = self.node(job)?;
                node.below(*levels).len() as u64 * VALUE
            }
            Self::Open(stretches) => {
                let each = stretches.iter().map(|(tree, start, len)| {
                    let stretch = Stretch {
                        start: *start,
                        len: *len,
                    };
                    stretch.slice_len(tree.len(job)?)
                });
                each.sum::<Option<u64>>()?
            }
            Self::Reads { point } => {
                let known = *point < job.points().points();
                known.then_some(MAX_HINTS * HINT as u64)?
            }
        };
        (len <= MAX_ANSWER).then_some(len)
    }

    /// The node it asks below, if the tree has it and it has something below.
    pub(super) fn node(&self, job: &Job) -> Option<Node> {
        let Self::Nodes {
            tree,
            start,
            len,
            levels,
        } = *self
        else {
            return None;
        };
        let node = Node { start, len };
        let below = node.children().is_some() && (1..=MAX_LEVELS).contains(&levels);
        (below && node.is_of(tree.len(job)?)).then_some(node)
    }
}

/// Bytes of one run of an answer to [`Question::Reads`].
pub(super) const HINT: usize = 16;

/// Most runs of such an answer.
const MAX_HINTS: u64 = 4096;

impl Tree {
    /// Bytes of the tree; `None` if the job has no such.
    #[must_use]
    pub fn len(self, job: &Job) -> Option<u64> {
        match self {
            Self::Trace => Some(job.marks() * VALUE),
            Self::Output(index) => Some(job.outputs().get(index)?.len),
            Self::State(entry) => {
                let steps = job.steps()?;
                (entry < job.marks()).then(|| steps.state_len())
            }
        }
    }

    /// The tree of a tensor; none of an input, which nobody has to open.
    pub(super) fn of(tensor: Tensor, job: &Job) -> Option<Self> {
        match tensor {
            Tensor::Input(_) => None,
            Tensor::Output(name) => {
                let mut specs = job.outputs().into_iter();
                specs.position(|spec| spec.name == name).map(Self::Output)
            }
            Tensor::State(entry) => Some(Self::State(entry)),
        }
    }

    /// The tensor that points are computed from; none of the trace.
    pub(super) fn tensor(self, job: &Job) -> Option<Tensor> {
        match self {
            Self::Trace => None,
            Self::Output(index) => Some(Tensor::Output(job.outputs().get(index)?.name)),
            Self::State(entry) => Some(Tensor::State(entry)),
        }
    }
}
