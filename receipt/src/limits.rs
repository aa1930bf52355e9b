//! Bounds on what a stranger may hand us, each with the source of its number.
//!
//! They are constants, not settings: a limit an attacker can reach must not depend on a configuration file.
//! Issuing obeys them too, so that we never sign what a validator must refuse.

/// Largest token accepted, in bytes of compact JWS.
///
/// 128 devices at 4 KiB of claims and 256 outputs at 512 bytes make 640 KiB; base64url adds a third; rounded up.
pub const MAX_TOKEN_BYTES: usize = 1024 * 1024;

/// Largest key set accepted, in bytes of JSON: [`MAX_KEYS`] at about 400 bytes each, rounded up.
pub const MAX_JWKS_BYTES: usize = 128 * 1024;

/// Most keys in one set: a key a month, kept for twenty years.
pub const MAX_KEYS: usize = 256;

/// Deepest nesting of JSON accepted. The deepest claim we know, a certificate object of a submodule, is at depth 4.
pub const MAX_JSON_DEPTH: usize = 16;

/// Largest magnitude of an integer in JSON: beyond it, readers that keep numbers as doubles disagree (RFC 7493
/// section 2.2).
pub const MAX_JSON_INTEGER: u64 = (1 << 53) - 1;

/// Longest text in one claim, in bytes of UTF-8; long enough for a URL or a device name.
pub const MAX_TEXT_BYTES: usize = 512;

/// Most characters of foreign text repeated in an error.
pub const MAX_EXCERPT_CHARS: usize = 64;

/// Most characters of a parser's message repeated in an error.
pub const MAX_REASON_CHARS: usize = 256;

/// Shortest nonce, in bytes (RFC 9711 section 4.1).
pub const MIN_NONCE_BYTES: usize = 8;

/// Longest nonce, in bytes (RFC 9711 section 4.1).
pub const MAX_NONCE_BYTES: usize = 64;

/// Most audiences of one receipt.
pub const MAX_AUDIENCES: usize = 16;

/// Most devices of one receipt: a rack-scale domain has 72 GPUs.
pub const MAX_DEVICES: usize = 128;

/// Most outputs of one receipt.
pub const MAX_OUTPUTS: usize = 256;

/// Most methods of one receipt; eleven are known to this version.
pub const MAX_METHODS: usize = 32;

/// Most pieces of collateral of one receipt: a RIM pair for each kind of device.
pub const MAX_COLLATERAL: usize = 512;

/// Most certificates of one receipt that were asked about: one of each device's own, and those that devices and RIMs share.
pub const MAX_REVOCATION: usize = 512;

/// Most vendor claims of one device; the fullest known token has about 40.
pub const MAX_VENDOR_CLAIMS: usize = 128;

/// Longest inclusion path of a batch: a tree of 2^32 statements.
pub const MAX_INCLUSION_PATH: usize = 32;

/// Most seconds of leeway a caller may grant; more would hide a broken clock.
pub const MAX_LEEWAY_S: u64 = 600;
