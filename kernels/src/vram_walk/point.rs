//! One line from the two it follows; the end of one walk from the lines it reads.

use super::VramWalk;
use super::line::{LINE, Line};
use super::params::{MIX, STATE};
use crate::job::Cost;
use crate::point::{Place, PointKernel, SliceMissing, Slices, Span, Tensor};

const FIRST: Tensor = Tensor::Output("first");
const SECOND: Tensor = Tensor::Output("second");

/// What a point is.
enum At {
    First(u64),
    Second(u64),
    Walk(u64),
}

impl VramWalk {
    fn at(&self, point: u64) -> At {
        let lines = self.lines();
        match point {
            line if line < lines => At::First(line),
            line if line < 2 * lines => At::Second(line - lines),
            walker => At::Walk(walker - 2 * lines),
        }
    }

    /// The line before a line of the second pass: of the same lane, or the last of the first pass of it.
    fn before(&self, line: u64) -> (Tensor, u64) {
        let depth = u64::from(self.depth);
        match line % depth {
            0 => (FIRST, line + depth - 1),
            _ => (SECOND, line - 1),
        }
    }
}

impl PointKernel for VramWalk {
    fn points(&self) -> u64 {
        2 * self.lines() + u64::from(self.walkers)
    }

    fn place(&self, point: u64) -> Place {
        let (output, index, len) = match self.at(point) {
            At::First(line) => (0, line, LINE),
            At::Second(line) => (1, line, LINE),
            At::Walk(walker) => (2, walker, STATE),
        };
        Place {
            output,
            offset: len.saturating_mul(index),
            len: len as usize,
        }
    }

    fn needs(&self, point: u64) -> Vec<Span> {
        match self.at(point) {
            At::First(line) => match self.earlier(line) {
                Some(earlier) => vec![span(FIRST, line - 1), span(FIRST, earlier)],
                None => Vec::new(),
            },
            At::Second(line) => {
                let (tensor, before) = self.before(line);
                vec![span(tensor, before), span(FIRST, self.other(line))]
            }
            // Which lines a walk reads is known only from the lines themselves.
            At::Walk(_) => vec![Span::run(SECOND, 0, LINE * self.lines())],
        }
    }

    fn reads(&self, point: u64, slices: &dyn Slices) -> Result<Vec<Span>, SliceMissing> {
        let At::Walk(walker) = self.at(point) else {
            return Ok(self.needs(point));
        };
        let mut met = Vec::new();
        self.walk(walker, |line| {
            met.push(span(SECOND, line));
            read(slices, SECOND, line)
        })?;
        Ok(met)
    }

    fn eval(&self, point: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        match self.at(point) {
            At::First(line) => {
                let (prev, earlier) = match self.earlier(line) {
                    Some(earlier) => (
                        read(slices, FIRST, line - 1)?,
                        read(slices, FIRST, earlier)?,
                    ),
                    None => (self.start(line / u64::from(self.depth)), Line::ZERO),
                };
                Ok(prev.next(earlier, line, 1).to_bytes())
            }
            At::Second(line) => {
                let (tensor, before) = self.before(line);
                let other = read(slices, FIRST, self.other(line))?;
                let line = read(slices, tensor, before)?.next(other, line, 2);
                Ok(line.to_bytes())
            }
            At::Walk(walker) => self.walk(walker, |line| read(slices, SECOND, line)),
        }
    }

    /// A lane's lines of the first pass, those of the second, a walk over them.
    fn chain_steps(&self) -> u64 {
        2 * u64::from(self.depth) + 1
    }

    fn point_cost(&self, _point: u64) -> Cost {
        let lines = u64::from(self.hops).max(2);
        Cost {
            operations: MIX * lines,
            bytes_read: LINE * lines,
            bytes_written: LINE,
        }
    }
}

fn span(tensor: Tensor, line: u64) -> Span {
    Span::run(tensor, LINE * line, LINE)
}

fn read(slices: &dyn Slices, tensor: Tensor, line: u64) -> Result<Line, SliceMissing> {
    let mut bytes = [0; LINE as usize];
    slices.read(tensor, LINE * line, &mut bytes)?;
    Ok(Line::from_bytes(&bytes))
}
