//! Sixteen columns of a row, or one head of it, without the rest of the block.

use super::TransformerBlock;
use super::arithmetic::{activate, attend, norm, product, residual, rotate, values};
use super::operands::{self, Weight, f32s, int8, int16s};
use super::reference::bytes;
use crate::job::Cost;
use crate::point::{Place, PointKernel, SliceMissing, Slices, Span, Tensor};

/// Columns of a point: those of one block of a stream of int8, so that a seeded weight is drawn once.
const COLUMNS: usize = 16;

const Q: Tensor = Tensor::Output("q");
const K: Tensor = Tensor::Output("k");
const V: Tensor = Tensor::Output("v");
const CONTEXT: Tensor = Tensor::Output("context");
const MID: Tensor = Tensor::Output("mid");
const HIDDEN: Tensor = Tensor::Output("hidden");

/// The outputs in their order.
#[derive(Clone, Copy)]
enum Of {
    Q,
    K,
    V,
    Context,
    Mid,
    Hidden,
    Y,
}

const ALL: [Of; 7] = [Of::Q, Of::K, Of::V, Of::Context, Of::Mid, Of::Hidden, Of::Y];

/// A point: some columns of a token's row of an output.
#[derive(Clone, Copy)]
struct Part {
    of: Of,
    token: usize,
    /// First column, and how many.
    columns: [usize; 2],
}

impl Of {
    /// Bytes of an element.
    const fn size(self) -> usize {
        match self {
            Self::Q | Self::K | Self::V | Self::Hidden => 1,
            Self::Context => 2,
            Self::Mid | Self::Y => 4,
        }
    }

    /// Columns of a row, and of a point.
    const fn columns(self, job: &TransformerBlock) -> [usize; 2] {
        let shape = job.shape();
        match self {
            Self::Context => [shape.width(), shape.head()],
            Self::Hidden => [shape.hidden(), COLUMNS],
            _ => [shape.width(), COLUMNS],
        }
    }

    /// Points of a row.
    const fn row_points(self, job: &TransformerBlock) -> usize {
        let [row, point] = self.columns(job);
        row.div_ceil(point)
    }
}

impl TransformerBlock {
    /// `None` for a point beyond the last.
    fn part(&self, point: u64) -> Option<Part> {
        let mut point = usize::try_from(point).ok()?;
        for of in ALL {
            let in_row = of.row_points(self);
            let in_output = in_row * self.shape().tokens();
            if point < in_output {
                let [row, columns] = of.columns(self);
                let first = point % in_row * columns;
                return Some(Part {
                    of,
                    token: point / in_row,
                    columns: [first, columns.min(row - first)],
                });
            }
            point -= in_output;
        }
        None
    }

    /// The columns of a part in the residual stream, or in another tensor as wide.
    const fn in_stream(&self, part: Part) -> [usize; 2] {
        let [first, count] = part.columns;
        [part.token * self.shape().width() + first, count]
    }

    /// A token's row of the residual stream.
    const fn row(&self, token: usize) -> [usize; 2] {
        [token * self.shape().width(), self.shape().width()]
    }

    fn projection(
        &self,
        part: Part,
        weight: Weight,
        slices: &dyn Slices,
    ) -> Result<Vec<i32>, SliceMissing> {
        let row = norm(&operands::input(self, slices, self.row(part.token))?);
        self.sums(part, weight, &row, slices)
    }

    /// A token's row times the part's columns of a weight.
    fn sums<T: Copy + Into<i32>>(
        &self,
        part: Part,
        weight: Weight,
        row: &[T],
        slices: &dyn Slices,
    ) -> Result<Vec<i32>, SliceMissing> {
        let panel = operands::panel(self, slices, weight, part.columns)?;
        Ok(product(row, &panel.values, panel.count))
    }

    fn context(&self, part: Part, slices: &dyn Slices) -> Result<Vec<i16>, SliceMissing> {
        let [column, head] = part.columns;
        let read = |tensor, tokens: std::ops::RangeInclusive<usize>| {
            let mut all = Vec::new();
            for token in tokens {
                let mut row = vec![0; head];
                let first = token * self.shape().width() + column;
                int8(slices, tensor, first as u64, &mut row)?;
                all.extend(row);
            }
            Ok(all)
        };
        let q = read(Q, part.token..=part.token)?;
        let (k, v) = (read(K, 0..=part.token)?, read(V, 0..=part.token)?);
        Ok(attend(self.scales(), &q, &k, &v))
    }

    /// Sums added to what the residual stream was before.
    fn added(&self, scale: u32, sums: Vec<i32>, before: Vec<f32>) -> Vec<u8> {
        let pairs = sums.into_iter().zip(before);
        let added: Vec<f32> = pairs
            .map(|(sum, before)| residual(scale, sum, before))
            .collect();
        bytes(&added, f32::to_le_bytes)
    }
}

impl PointKernel for TransformerBlock {
    fn points(&self) -> u64 {
        let of_row: usize = ALL.iter().map(|of| of.row_points(self)).sum();
        (of_row * self.shape().tokens()) as u64
    }

    fn place(&self, point: u64) -> Place {
        let Some(Part {
            of,
            token,
            columns: [first, count],
        }) = self.part(point)
        else {
            return Place {
                output: 0,
                offset: 0,
                len: 0,
            };
        };
        let [row, _] = of.columns(self);
        Place {
            output: of as usize,
            offset: (of.size() * (token * row + first)) as u64,
            len: of.size() * count,
        }
    }

    fn needs(&self, point: u64) -> Vec<Span> {
        let Some(part) = self.part(point) else {
            return Vec::new();
        };
        let shape = self.shape();
        let weight = |weight| operands::panel_needs(self, weight, part.columns);
        let run = |tensor, size: usize, [first, count]: [usize; 2]| {
            Some(Span::run(
                tensor,
                (size * first) as u64,
                (size * count) as u64,
            ))
        };
        let row = self.row(part.token);
        let spans = match part.of {
            Of::Q => vec![operands::input_needs(self, row), weight(Weight::Q)],
            Of::K => vec![operands::input_needs(self, row), weight(Weight::K)],
            Of::V => vec![operands::input_needs(self, row), weight(Weight::V)],
            Of::Context => self.context_needs(part).map(Some).to_vec(),
            Of::Mid => vec![
                run(CONTEXT, 2, row),
                operands::input_needs(self, self.in_stream(part)),
                weight(Weight::Out),
            ],
            Of::Hidden => vec![run(MID, 4, row), weight(Weight::Up)],
            Of::Y => vec![
                run(HIDDEN, 1, [part.token * shape.hidden(), shape.hidden()]),
                run(MID, 4, self.in_stream(part)),
                weight(Weight::Down),
            ],
        };
        spans.into_iter().flatten().collect()
    }

    fn eval(&self, point: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        let Some(part) = self.part(point) else {
            return Ok(Vec::new());
        };
        let (shape, scales) = (self.shape(), self.scales());
        let Part {
            of,
            token,
            columns: [first, _],
        } = part;
        let rotated = |scale, sums: Vec<i32>| {
            bytes(&rotate(shape, scale, token, first, &sums), i8::to_le_bytes)
        };
        Ok(match of {
            Of::Q => rotated(scales.q, self.projection(part, Weight::Q, slices)?),
            Of::K => rotated(scales.k, self.projection(part, Weight::K, slices)?),
            Of::V => {
                let sums = self.projection(part, Weight::V, slices)?;
                bytes(&values(scales, &sums), i8::to_le_bytes)
            }
            Of::Context => bytes(&self.context(part, slices)?, i16::to_le_bytes),
            Of::Mid => {
                let row = int16s(slices, CONTEXT, self.row(token))?;
                let sums = self.sums(part, Weight::Out, &row, slices)?;
                let before = operands::input(self, slices, self.in_stream(part))?;
                self.added(scales.out, sums, before)
            }
            Of::Hidden => {
                let row = norm(&f32s(slices, MID, self.row(token))?);
                let sums = self.sums(part, Weight::Up, &row, slices)?;
                bytes(&activate(scales, &sums), i8::to_le_bytes)
            }
            Of::Y => {
                let mut row = vec![0; shape.hidden()];
                int8(slices, HIDDEN, (token * shape.hidden()) as u64, &mut row)?;
                let sums = self.sums(part, Weight::Down, &row, slices)?;
                let before = f32s(slices, MID, self.in_stream(part))?;
                self.added(scales.down, sums, before)
            }
        })
    }

    /// q, k and v, then context, mid, hidden, y.
    fn chain_steps(&self) -> u64 {
        5
    }

    fn point_cost(&self, _point: u64) -> Cost {
        let shape = self.shape();
        let (width, longest) = (shape.width(), shape.width().max(shape.hidden()));
        let attention = shape.tokens() * shape.head();
        Cost {
            operations: (2 * COLUMNS * longest).max(4 * attention) as u64,
            bytes_read: (COLUMNS * longest + 4 * width).max(3 * attention) as u64,
            bytes_written: (4 * COLUMNS).max(2 * shape.head()) as u64,
        }
    }
}

impl TransformerBlock {
    fn context_needs(&self, part: Part) -> [Span; 3] {
        let [column, head] = part.columns.map(|n| n as u64);
        let width = self.shape().width() as u64;
        let rows = |tensor, first: usize, count: usize| Span {
            tensor,
            offset: first as u64 * width + column,
            len: head,
            stride: width,
            count: count as u64,
        };
        let until = part.token + 1;
        [rows(Q, part.token, 1), rows(K, 0, until), rows(V, 0, until)]
    }
}
