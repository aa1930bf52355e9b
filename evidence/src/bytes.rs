//! A reader over hostile bytes: every read is bounds-checked, nothing panics, all integers are little endian.

/// The bytes ended before the field did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    /// Bytes the field needs.
    pub(crate) needed: usize,
    /// Bytes that were left.
    pub(crate) left: usize,
}

/// Position in a byte string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or(Short {
            needed: count,
            left: self.rest.len(),
        })?;
        self.rest = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(Short {
            needed: N,
            left: self.rest.len(),
        })?;
        self.rest = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Short> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_le_bytes)
    }

    /// Three bytes, little endian, as SPDM writes the measurement record length.
    pub(crate) fn u24(&mut self) -> Result<u32, Short> {
        self.array()
            .map(|[a, b, c]: [u8; 3]| u32::from_le_bytes([a, b, c, 0]))
    }
}
