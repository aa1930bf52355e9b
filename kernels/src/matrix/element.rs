//! The type of an operand.

/// A value that a matrix product multiplies: its bytes, its domain, its draw from a seed.
///
/// Each type belongs to one kernel ([`Multiply`](super::Multiply)), whose job is a
/// [`Product`](super::Product) of it.
pub trait Element: Copy + Default + Send + Sync + 'static {
    /// Bytes of one element, little endian where there are several; a divisor of 16.
    const LEN: usize;

    /// The rule of [`Self::is_admitted`], as an error says it.
    const DOMAIN: &'static str;

    /// Whether the kernel multiplies this value.
    fn is_admitted(self) -> bool;

    /// The element with these [`Self::LEN`] bytes; `None` if it is not admitted.
    fn parse(bytes: &[u8]) -> Option<Self>;

    /// The element drawn from [`Self::LEN`] random bytes. Always admitted.
    fn draw(bytes: &[u8]) -> Self;

    /// Writes the [`Self::LEN`] bytes. Inverse of [`Self::parse`].
    fn write(self, bytes: &mut [u8]);
}
