//! What a job says: how much memory in how many lanes, how many walks of what length.

use serde::{Deserialize, Serialize};

use super::line::{LINE, Line, State, below};
use super::program;
use crate::catalog::Kernel;
use crate::job::{CheckedInputs, Cost, InputSpec, KernelJob, LimitError, OutputSpec};
use crate::operand_stream::{OperandSeed, OperandStream};
use crate::point::PointKernel;
use crate::program::{Program, Target};

/// Most lines of a pass: 2^22, so 512 MiB.
pub const MAX_LINES: u64 = 1 << 22;

/// Most lines of a lane.
pub const MAX_DEPTH: u32 = 1 << 16;

/// Most hops of a walk: a point reads as many lines.
pub const MAX_HOPS: u32 = 4096;

/// Most bytes of all outputs: 2^30.
pub const MAX_OUTPUT: u64 = 1 << 30;

/// The `params` of a job as JSON.
///
/// ```json
/// {"lanes": 65536, "depth": 64, "walkers": 65536, "hops": 256, "seed": "<64 hex>"}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Lanes, each filled on its own in the first pass.
    pub lanes: u32,
    /// Lines of a lane.
    pub depth: u32,
    /// Walks, each on its own.
    pub walkers: u32,
    /// Lines that each walk reads.
    pub hops: u32,
    /// What first lines, picks and first states are made of.
    pub seed: OperandSeed,
}

/// A job of this kernel that keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VramWalk {
    pub(super) lanes: u32,
    pub(super) depth: u32,
    pub(super) walkers: u32,
    pub(super) hops: u32,
    seed: OperandSeed,
}

impl VramWalk {
    /// Lines of each pass.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lanes as u64 * self.depth as u64
    }

    pub(super) fn stream(&self, label: &str) -> OperandStream {
        OperandStream::new(&self.seed, label)
    }

    /// What the first line of a lane follows.
    pub(super) fn start(&self, lane: u64) -> Line {
        let mut line = Line::ZERO;
        self.stream("x").fill_words(32 * lane, &mut line.0);
        line
    }

    /// The earlier line that line `line` of the first pass follows; none for the first of a lane.
    pub(super) fn earlier(&self, line: u64) -> Option<u64> {
        let within = line % u64::from(self.depth);
        let first = line - within;
        (within > 0).then(|| first + below(self.stream("p").word(line), within))
    }

    /// The line of the first pass that line `line` of the second follows.
    pub(super) fn other(&self, line: u64) -> u64 {
        below(self.stream("q").word(line), self.lines())
    }

    /// The first state of a walker.
    pub(super) fn walker(&self, walker: u64) -> State {
        let mut state = [0; 8];
        self.stream("w").fill_words(8 * walker, &mut state);
        state
    }

    /// The state at the end of a walk over lines that `read` knows.
    pub(super) fn walk<E>(
        &self,
        walker: u64,
        mut read: impl FnMut(u64) -> Result<Line, E>,
    ) -> Result<Vec<u8>, E> {
        let mut state = self.walker(walker);
        for hop in 0..self.hops {
            state = read(below(state[0], self.lines()))?.walked(state, hop);
        }
        Ok(state.iter().flat_map(|word| word.to_le_bytes()).collect())
    }

    fn first_pass(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::with_capacity(self.lines() as usize);
        for line in 0..self.lines() {
            let (prev, earlier) = match self.earlier(line) {
                Some(earlier) => (lines[line as usize - 1], lines[earlier as usize]),
                None => (self.start(line / u64::from(self.depth)), Line::ZERO),
            };
            lines.push(prev.next(earlier, line, 1));
        }
        lines
    }

    fn second_pass(&self, first: &[Line]) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::with_capacity(first.len());
        for line in 0..self.lines() {
            let prev = match line % u64::from(self.depth) {
                0 => first[(line + u64::from(self.depth) - 1) as usize],
                _ => lines[line as usize - 1],
            };
            lines.push(prev.next(first[self.other(line) as usize], line, 2));
        }
        lines
    }
}

impl TryFrom<Params> for VramWalk {
    type Error = LimitError;

    fn try_from(params: Params) -> Result<Self, LimitError> {
        let Params {
            lanes,
            depth,
            walkers,
            hops,
            seed,
        } = params;
        LimitError::check("lanes", 1, MAX_LINES, lanes.into())?;
        LimitError::check("depth", 1, MAX_DEPTH.into(), depth.into())?;
        LimitError::check("walkers", 1, MAX_LINES, walkers.into())?;
        LimitError::check("hops", 1, MAX_HOPS.into(), hops.into())?;
        let lines = u64::from(lanes) * u64::from(depth);
        LimitError::check("lines", 1, MAX_LINES, lines)?;
        let bytes = 2 * LINE * lines + STATE * u64::from(walkers);
        LimitError::check("bytes of the outputs", 1, MAX_OUTPUT, bytes)?;
        Ok(Self {
            lanes,
            depth,
            walkers,
            hops,
            seed,
        })
    }
}

impl KernelJob for VramWalk {
    fn kernel(&self) -> Kernel {
        Kernel::VramWalk
    }

    fn cost(&self) -> Cost {
        let reads = u64::from(self.walkers) * u64::from(self.hops);
        Cost {
            operations: MIX * (2 * self.lines() + reads),
            bytes_read: LINE * (2 * self.lines() + reads),
            bytes_written: LINE * 2 * self.lines() + STATE * u64::from(self.walkers),
        }
    }

    fn inputs(&self) -> Vec<InputSpec> {
        Vec::new()
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let output = |name, len| OutputSpec { name, len };
        vec![
            output("first", LINE * self.lines()),
            output("second", LINE * self.lines()),
            output("walks", STATE * u64::from(self.walkers)),
        ]
    }

    fn program(&self, target: Target) -> Option<Program> {
        (target == Target::Portable).then(|| program::of(self))
    }

    fn reference(&self, _inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        let first = self.first_pass();
        let second = self.second_pass(&first);
        let walks = (0..u64::from(self.walkers)).flat_map(|walker| {
            let Ok(end) =
                self.walk::<std::convert::Infallible>(walker, |line| Ok(second[line as usize]));
            end
        });
        let walks = walks.collect();
        let bytes = |lines: &[Line]| lines.iter().flat_map(|line| line.to_bytes()).collect();
        vec![bytes(&first), bytes(&second), walks]
    }

    fn points(&self) -> &dyn PointKernel {
        self
    }
}

/// Bytes of the end of a walk.
pub(super) const STATE: u64 = 32;

/// Operations of the mixing of a line: 4 rounds of 8 steps of 12.
pub(super) const MIX: u64 = 4 * 8 * 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_the_limits_are_refused() {
        let with = |lanes, depth, walkers, hops| Params {
            lanes,
            depth,
            walkers,
            hops,
            seed: OperandSeed::from_bytes([0; 32]),
        };
        let table = [
            (with(0, 1, 1, 1), "lanes"),
            (with(1, 0, 1, 1), "depth"),
            (with(1, MAX_DEPTH + 1, 1, 1), "depth"),
            (with(1, 1, 0, 1), "walkers"),
            (with(1, 1, 1, 0), "hops"),
            (with(1, 1, 1, MAX_HOPS + 1), "hops"),
            (with(1 << 12, (1 << 10) + 1, 1, 1), "lines"),
            (with(1 << 12, 1 << 10, 1, 1), "bytes of the outputs"),
        ];
        for (params, what) in table {
            let error = VramWalk::try_from(params).unwrap_err();
            assert_eq!(error.what, what, "{params:?}");
        }
        assert!(VramWalk::try_from(with((1 << 12) - 1, 1 << 10, 1 << 10, 1)).is_ok());
    }
}
