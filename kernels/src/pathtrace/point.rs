//! One part of the file alone: a pixel from its own rays, what frames a row, both ends.

use super::Pathtrace;
use super::pixel::View;
use super::png::{Adler, END, FRONT, HEAD, Size, TAIL};
use crate::job::Cost;
use crate::point::{Place, PointKernel, SliceMissing, Slices, Span, Tensor};

const IMAGE: Tensor = Tensor::Output("image");

/// A point by what it is.
#[derive(Clone, Copy)]
enum Part {
    Pixel { x: u32, y: u32 },
    Front(u64),
    End(u64),
    Head,
    Tail,
}

impl Pathtrace {
    /// Pixels in their order, fronts, ends, the head, the tail; what is beyond counts as the tail.
    fn part(&self, point: u64) -> Part {
        let (pixels, rows) = (self.pixels(), u64::from(self.size().height));
        let width = u64::from(self.size().width);
        let Some(rest) = point.checked_sub(pixels) else {
            let (x, y) = ((point % width) as u32, (point / width) as u32);
            return Part::Pixel { x, y };
        };
        match rest {
            front if front < rows => Part::Front(front),
            end if end < 2 * rows => Part::End(end - rows),
            head if head == 2 * rows => Part::Head,
            _ => Part::Tail,
        }
    }
}

impl PointKernel for Pathtrace {
    fn points(&self) -> u64 {
        self.pixels() + 2 * u64::from(self.size().height) + 2
    }

    fn place(&self, point: u64) -> Place {
        let size = self.size();
        let (offset, len) = match self.part(point) {
            Part::Pixel { x, y } => (size.pixels(y.into()) + 3 * u64::from(x), 3),
            Part::Front(y) => (size.row(y), FRONT),
            Part::End(y) => (size.row(y + 1) - END as u64, END),
            Part::Head => (0, HEAD),
            Part::Tail => (size.row(size.height.into()), TAIL),
        };
        Place {
            output: 0,
            offset,
            len,
        }
    }

    fn point_at(&self, output: usize, offset: u64) -> Option<u64> {
        let size = self.size();
        let (pixels, rows) = (self.pixels(), u64::from(size.height));
        let Some(in_rows) = offset.checked_sub(size.row(0)).filter(|_| output == 0) else {
            return (output == 0).then_some(pixels + 2 * rows);
        };
        let y = in_rows / size.stride();
        if y >= rows {
            let within = offset - size.row(rows) < TAIL as u64;
            return within.then_some(pixels + 2 * rows + 1);
        }
        let width = u64::from(size.width);
        match offset.checked_sub(size.pixels(y)) {
            None => Some(pixels + y),
            Some(in_line) if in_line < 3 * width => Some(y * width + in_line / 3),
            Some(_) => Some(pixels + rows + y),
        }
    }

    fn needs(&self, point: u64) -> Vec<Span> {
        let size = self.size();
        let line = size.line() as u64;
        match self.part(point) {
            Part::Pixel { .. } | Part::Front(_) | Part::Head => Vec::new(),
            Part::End(y) => vec![Span::run(IMAGE, size.pixels(y), line)],
            Part::Tail => vec![Span {
                tensor: IMAGE,
                offset: size.pixels(0),
                len: line,
                stride: size.stride(),
                count: size.height.into(),
            }],
        }
    }

    fn eval(&self, point: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        let size = self.size();
        let mut line = vec![0; size.line()];
        match self.part(point) {
            Part::Pixel { x, y } => Ok(View::new(self.params()).pixel(x, y).to_vec()),
            Part::Front(_) => Ok(size.front()),
            Part::End(y) => {
                slices.read(IMAGE, size.pixels(y), &mut line)?;
                Ok(size.end(&line))
            }
            Part::Head => Ok(size.head()),
            Part::Tail => {
                let mut adler = Adler::new();
                for y in 0..size.height.into() {
                    slices.read(IMAGE, size.pixels(y), &mut line)?;
                    adler.row(&line);
                }
                Ok(Size::tail(adler))
            }
        }
    }

    /// Checksums of the file follow from its pixels.
    fn chain_steps(&self) -> u64 {
        2
    }

    fn point_cost(&self, _point: u64) -> Cost {
        Cost {
            operations: self.pixel_operations(),
            bytes_read: self.pixels() * 3,
            bytes_written: HEAD as u64,
        }
    }
}
