//! Bounds on what a stranger may hand us, each with the source of its number.
//!
//! They are constants, not settings: a limit an attacker can reach must not depend on a configuration file.

/// Largest attestation report accepted, in bytes.
///
/// NVML's buffer is 0x2000; twice that leaves room without letting the 24-bit record length matter
/// (nvidia-evidence 10, row 1).
pub const MAX_REPORT_BYTES: usize = 16 * 1024;

/// Largest certificate chain text accepted, in bytes of PEM (nvidia-evidence 10, row 1).
pub const MAX_CHAIN_BYTES: usize = 32 * 1024;

/// Largest RIM document accepted, in bytes of XML; real ones are 20 to 26 KiB (nvidia-evidence 10, row 1).
pub const MAX_RIM_BYTES: usize = 1024 * 1024;

/// Most certificates looked at in one chain. Device chains have five and RIM chains four; the slack lets a wrong
/// count be reported together with the links that are wrong, and bounds the signatures one input can make us check.
pub const MAX_CHAIN_CERTIFICATES: usize = 8;

/// Most extensions of one certificate; real ones have up to ten. Each can be a reason against it.
pub const MAX_CERTIFICATE_EXTENSIONS: usize = 32;

/// Most opaque fields in one report. The id space has 27 known members and duplicates are refused.
pub const MAX_OPAQUE_FIELDS: usize = 64;

/// Largest OCSP message accepted, in bytes of DER; real responses are about 1 KiB, requests 200 bytes
/// (nvidia-evidence 5.2).
pub const MAX_OCSP_BYTES: usize = 16 * 1024;

/// Most certificates beside an OCSP response; real ones have one, the responder's (nvidia-evidence 5.2). It bounds the
/// parsing one response can make us do.
pub const MAX_OCSP_CERTIFICATES: usize = 4;

/// Most extensions in one place of an OCSP message; real ones have a nonce at most (nvidia-evidence 5.2). Each can be a
/// reason against it.
pub const MAX_OCSP_EXTENSIONS: usize = 16;

/// Most XML nodes in a RIM; the largest real one has about 230 (nvidia-evidence 6.2).
pub const MAX_RIM_NODES: u32 = 8 * 1024;

/// Most alternatives one golden measurement may have; four are the most seen (nvidia-evidence 6.2).
pub const MAX_ALTERNATIVES: usize = 16;

/// Most devices in one bundle: an HGX system has eight GPUs and four switches, a rack-scale domain 72 GPUs.
pub const MAX_DEVICES: usize = 128;

/// Most outputs one statement may commit to.
pub const MAX_OUTPUTS: usize = 256;

/// Most members of one map of a bundle: inputs, outputs, telemetry.
pub const MAX_MEMBERS: usize = 256;

/// Most replicas of one job.
pub const MAX_REPLICAS: usize = 8;

/// Most slices of one opening: more than the points of the strongest audit of the table in methods 2.3 (27 713).
pub const MAX_SLICES: usize = 32 * 1024;

/// Most bytes of all slices of one opening: base64 makes 64 MiB of them, what a bundle may have by default.
pub const MAX_SLICE_BYTES: usize = 48 * 1024 * 1024;

/// Longest name of an output or id of an assignment in an opening, in bytes; a file name is the longest there is.
pub const MAX_NAME_BYTES: usize = MAX_FILE_NAME_BYTES;

/// Longest id of a key in a signed request, in bytes. Ours have 36 at most, those of UUIDs.
pub const MAX_KEY_ID_BYTES: usize = 64;

/// Longest path and query of a signed request, in bytes together; a server must take 8000 of a URI (RFC 9110 4.1).
pub const MAX_TARGET_BYTES: usize = 8000;

/// Most seconds between the clock of whoever signs a request and ours.
pub const MAX_SIGNATURE_AGE_S: u64 = 60;

/// Most arguments of one command, the program counted. A job file has 64 KiB; no program we know is given as many.
pub const MAX_ARGUMENTS: usize = 256;

/// Longest argument of a command, in bytes; half of the shortest bound POSIX allows for all of them (`_POSIX_ARG_MAX`).
pub const MAX_ARGUMENT_BYTES: usize = 2048;

/// Longest name of a file of a command, in bytes: `NAME_MAX` of the file systems in use is 255, and an input may get a
/// suffix while it is written.
pub const MAX_FILE_NAME_BYTES: usize = 200;

/// Longest run of a command, in seconds: four weeks.
pub const MAX_WALL_S: u64 = 28 * 24 * 3600;

/// Most reasons told of one check, as long as their codes are fewer: of junk, each of 255 blocks can be three reasons, and
/// the answer about it must not be much larger than the junk. All 64 measurements of a device that differ fit,
/// with what is wrong with its manifests.
pub const MAX_REASONS: usize = 80;

/// Most characters of one expected or actual value in a [`Reason`](crate::Reason).
pub const MAX_VALUE_CHARS: usize = 256;

/// Most characters of the message of a [`Reason`](crate::Reason). The longest of our own, with a path, a name and a
/// library's words in it, has half as many.
pub const MAX_MESSAGE_CHARS: usize = 512;

/// Most characters of a certificate's name in a message: the bound of RFC 5280 A.1, ub-common-name.
pub(crate) const MAX_NAME_CHARS: usize = 64;
