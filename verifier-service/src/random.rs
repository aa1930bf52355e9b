//! Random bytes for challenges, names and the verifier's own draws.

/// `N` bytes from the cryptographic generator of AWS-LC.
///
/// # Panics
/// The operating system gives no entropy. Nothing here may go on without.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives entropy");
    bytes
}
