//! Lines of 32 words, and how they are mixed.

/// Bytes of a line.
pub(super) const LINE: u64 = 128;

/// Words of a line.
const WORDS: usize = 32;

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line(pub(super) [u32; WORDS]);

/// The state of a walker.
pub(super) type State = [u32; 8];

impl Line {
    /// All zeros.
    pub(super) const ZERO: Self = Self([0; WORDS]);

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let (words, _) = bytes.as_chunks();
        Self(std::array::from_fn(|i| u32::from_le_bytes(words[i])))
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// `next(prev, earlier, tag, pass)` of the specification.
    pub(super) fn next(self, earlier: Self, tag: u64, pass: u32) -> Self {
        let mut x: [u32; WORDS] = std::array::from_fn(|i| self.0[i] ^ earlier.0[i].rotate_right(9));
        x[0] ^= tag as u32;
        x[1] ^= (tag >> 32) as u32;
        x[2] ^= pass;
        let mixed = mix(x);
        Self(std::array::from_fn(|i| x[i] ^ mixed[i]))
    }

    /// The state of a walker after it read this line.
    pub(super) fn walked(self, state: State, hop: u32) -> State {
        let mut x = self.0;
        for (word, state) in x.iter_mut().zip(state) {
            *word ^= state;
        }
        x[8] ^= hop;
        let x = mix(x);
        std::array::from_fn(|i| x[i] ^ x[i + 8] ^ x[i + 16] ^ x[i + 24])
    }
}

/// Four rounds: on either half, then on the words of even and of odd index.
fn mix(mut x: [u32; WORDS]) -> [u32; WORDS] {
    round(&mut x, |i| i);
    round(&mut x, |i| 16 + i);
    round(&mut x, |i| 2 * i);
    round(&mut x, |i| 2 * i + 1);
    x
}

fn round(x: &mut [u32; WORDS], at: impl Fn(usize) -> usize) {
    for column in 0..4 {
        quarter(x, [0, 4, 8, 12].map(|row| at(row + column)));
    }
    for diagonal in 0..4 {
        let place = |row: usize| at(4 * row + (diagonal + row) % 4);
        quarter(x, [0, 1, 2, 3].map(place));
    }
}

/// BLAKE3's quarter round with message words of zero.
fn quarter(x: &mut [u32; WORDS], [a, b, c, d]: [usize; 4]) {
    for [first, second] in [[16, 12], [8, 7]] {
        x[a] = x[a].wrapping_add(x[b]);
        x[d] = (x[d] ^ x[a]).rotate_right(first);
        x[c] = x[c].wrapping_add(x[d]);
        x[b] = (x[b] ^ x[c]).rotate_right(second);
    }
}

/// A number below `count` from a word.
pub(super) const fn below(word: u32, count: u64) -> u64 {
    (word as u64 * count) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_that_goes_in_changes_about_half_of_the_line() {
        let base = Line(std::array::from_fn(|i| {
            (i as u32).wrapping_mul(0x9e37_79b9)
        }));
        let right = base.next(Line::ZERO, 0, 1);
        for bit in 0..1024 {
            let mut other = base;
            other.0[bit / 32] ^= 1 << (bit % 32);
            let changed = other.next(Line::ZERO, 0, 1);
            let distance = |(a, b): (&u32, &u32)| (a ^ b).count_ones();
            let distance: u32 = right.0.iter().zip(&changed.0).map(distance).sum();
            // 1024 fair coins: mean 512, standard deviation 16. Far from it means a part that is not mixed.
            assert!((350..674).contains(&distance), "bit {bit}: {distance}");
        }
    }
}
