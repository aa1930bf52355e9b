//! The file around the pixels: `spec/pathtrace.md`, "The file".
//!
//! In scope: where everything is, the bytes around rows, the two checksums. Out of scope: pixels.

/// Bytes before the first row.
pub(super) const HEAD: usize = 47;
/// Bytes of a row before its pixels.
pub(super) const FRONT: usize = 14;
/// Bytes of a row after its pixels.
pub(super) const END: usize = 4;
/// Bytes after the last row.
pub(super) const TAIL: usize = 33;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Size {
    /// Bytes of a row's pixels.
    pub(super) const fn line(self) -> usize {
        3 * self.width as usize
    }

    /// Bytes from one row to the next.
    pub(super) const fn stride(self) -> u64 {
        (FRONT + self.line() + END) as u64
    }

    /// First byte of row `y`; of the tail, for the height.
    pub(super) const fn row(self, y: u64) -> u64 {
        HEAD as u64 + y * self.stride()
    }

    /// First byte of the pixels of row `y`.
    pub(super) const fn pixels(self, y: u64) -> u64 {
        self.row(y) + FRONT as u64
    }

    /// Bytes of the file.
    pub(super) const fn file(self) -> u64 {
        self.row(self.height as u64) + TAIL as u64
    }

    pub(super) fn head(self) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        let [width, height] = [self.width, self.height].map(u32::to_be_bytes);
        let header = [&width[..], &height, &[8, 2, 0, 0, 0]].concat();
        bytes.extend(chunk(b"IHDR", &header));
        bytes.extend(chunk(b"IDAT", &[0x78, 0x01]));
        bytes
    }

    pub(super) fn front(self) -> Vec<u8> {
        // A row is at most 3 * 16384 bytes and a filter.
        let stored = self.line() as u16 + 1;
        let len = u32::from(stored) + 5;
        let mut bytes = [&len.to_be_bytes()[..], b"IDAT"].concat();
        bytes.push(0);
        bytes.extend(stored.to_le_bytes());
        bytes.extend((!stored).to_le_bytes());
        bytes.push(0);
        bytes
    }

    /// The CRC of the row with these pixels.
    pub(super) fn end(self, pixels: &[u8]) -> Vec<u8> {
        let mut crc = Crc::new();
        crc.update(&self.front()[4..]);
        crc.update(pixels);
        crc.finish().to_be_bytes().to_vec()
    }

    /// The end of a file whose rows have gone through `adler`.
    pub(super) fn tail(adler: Adler) -> Vec<u8> {
        let sum = adler.finish().to_be_bytes();
        let mut bytes = chunk(b"IDAT", &[&[1, 0, 0, 0xff, 0xff][..], &sum].concat());
        bytes.extend(chunk(b"IEND", &[]));
        bytes
    }
}

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(name);
    crc.update(content);
    let len = (content.len() as u32).to_be_bytes();
    [&len[..], name, content, &crc.finish().to_be_bytes()].concat()
}

/// CRC-32 of ISO 3309, as PNG uses it.
struct Crc(u32);

impl Crc {
    const fn new() -> Self {
        Self(u32::MAX)
    }

    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let [low, ..] = self.0.to_le_bytes();
            self.0 = CRC_OF_BYTE[usize::from(low ^ byte)] ^ (self.0 >> 8);
        }
    }

    const fn finish(&self) -> u32 {
        !self.0
    }
}

/// The remainder of each byte by the polynomial.
const CRC_OF_BYTE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = (rest >> 1) ^ if rest % 2 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
};

/// Adler-32 of RFC 1950, in the making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adler {
    plain: u64,
    weighted: u64,
}

impl Adler {
    pub(super) const fn new() -> Self {
        Self {
            plain: 1,
            weighted: 0,
        }
    }

    /// Adds a row: its filter, which is 0, and its pixels.
    pub(super) fn row(&mut self, pixels: &[u8]) {
        // A row is short enough for the sums to stay below 2^64 until they are reduced.
        for byte in [0].iter().chain(pixels) {
            self.plain += u64::from(*byte);
            self.weighted += self.plain;
        }
        self.plain %= ADLER;
        self.weighted %= ADLER;
    }

    const fn finish(self) -> u32 {
        (self.weighted as u32) << 16 | self.plain as u32
    }
}

/// The largest prime below 2^16.
const ADLER: u64 = 65_521;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_known_texts() {
        let mut crc = Crc::new();
        crc.update(b"123456789");
        assert_eq!(crc.finish(), 0xcbf4_3926);
        assert_eq!(chunk(b"IEND", b"")[8..], [0xae, 0x42, 0x60, 0x82]);
        let mut adler = Adler::new();
        adler.row(b"Wikipedia");
        // The sum of "\0Wikipedia": that of "Wikipedia" is 11e60398, and the filter adds one step of 1.
        assert_eq!(adler.finish(), 0x11e7_0398);
    }

    #[test]
    fn parts_have_the_lengths_that_places_are_made_of() {
        for (width, height) in [(1, 1), (16_384, 1), (7, 16_384)] {
            let size = Size { width, height };
            assert_eq!(size.head().len(), HEAD);
            assert_eq!(size.front().len(), FRONT);
            assert_eq!(size.end(&vec![0; size.line()]).len(), END);
            assert_eq!(Size::tail(Adler::new()).len(), TAIL);
            let expected = 80 + u64::from(height) * (3 * u64::from(width) + 18);
            assert_eq!(size.file(), expected);
        }
    }
}
