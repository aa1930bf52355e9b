//! The versions and measurements that the simulated device pretends to.
//!
//! In scope: the facts that report and reference manifests must agree on, in one place.
//! Out of scope: how either of them is written.
//!
//! No value here can be mistaken for a genuine one: NVIDIA's driver versions are numbers only, its
//! project codes are numbers or `G` and three digits, and the digests are hashes of a sentence that
//! names this program.
//!
//! A change of any of these values, or of the files of an identity, is a change of what existing
//! identities were made for: give [`REVISION`] a new number with it.

use aws_lc_rs::digest::{SHA384, digest};

/// Bytes of a SHA-384 digest: every measurement and the firmware id.
pub const DIGEST_LENGTH: usize = 48;

/// Number of this set of facts and of the files kept about it; part of the name of the folder an
/// identity is stored in. Identities of revision 1 had no responder for answers about revocation.
pub const REVISION: u32 = 2;

/// Chip name in certificates and manifests; the verifier derives the chip family from it.
pub const CHIP: &str = "GH100";
/// Opaque field 3 without its NUL. The leading number lets policies that compare versions work.
pub const DRIVER_VERSION: &str = "999.01.SIM";
/// Opaque field 6, as the device stores it: printed as `F0.53.49.4D.01`, "SIM" in ASCII.
pub const VBIOS_VERSION: [u8; 8] = [0x4d, 0x49, 0x53, 0xf0, 0x01, 0, 0, 0];
/// Opaque field 17 without its NUL.
pub const PROJECT: &str = "SIM0";
/// Opaque field 18 without its NUL.
pub const PROJECT_SKU: &str = "0000";
/// Opaque field 15 without its NULs.
pub const CHIP_SKU: &str = "000";

/// Measurement blocks of a GPU report.
pub const BLOCKS: u8 = 64;
/// Golden indexes that the driver manifest covers; as many, and the same, as on genuine Hoppers.
pub const DRIVER_INDEXES: [u8; 21] = [
    7, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
];
/// Golden indexes that the VBIOS manifest covers, disjoint from the driver's.
pub const VBIOS_INDEXES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12];
/// Golden indexes for which the manifests list more than one value, with their number.
const ALTERNATIVES: [(u8, u8); 7] = [
    (12, 4),
    (23, 2),
    (24, 2),
    (32, 2),
    (34, 2),
    (35, 4),
    (36, 2),
];

/// What the device measures at a golden index: zero where neither manifest looks.
///
/// Where the manifests list several values the device has the last of them, so that a verifier
/// that compares with the first alone is found out.
#[must_use]
pub fn measurement(index: u8) -> [u8; DIGEST_LENGTH] {
    if DRIVER_INDEXES.contains(&index) || VBIOS_INDEXES.contains(&index) {
        reference(index, alternatives(index).saturating_sub(1))
    } else {
        [0; DIGEST_LENGTH]
    }
}

/// The values that a manifest lists for an active golden index, in order.
#[must_use]
pub fn references(index: u8) -> Vec<[u8; DIGEST_LENGTH]> {
    (0..alternatives(index))
        .map(|alternative| reference(index, alternative))
        .collect()
}

/// The firmware id (FWID): opaque field 20 and the leaf certificate's extension.
#[must_use]
pub fn firmware_id() -> [u8; DIGEST_LENGTH] {
    sha384(b"PoGW SIMULATED firmware")
}

/// The VBIOS version as people and manifests write it (section 3.3).
#[must_use]
pub fn vbios_version_text() -> String {
    let [b0, b1, b2, b3, b4, ..] = VBIOS_VERSION;
    format!("{b3:02X}.{b2:02X}.{b1:02X}.{b0:02X}.{b4:02X}")
}

/// Id of the driver manifest (section 3.3).
#[must_use]
pub fn driver_rim_id() -> String {
    format!("NV_GPU_DRIVER_{CHIP}_{DRIVER_VERSION}")
}

/// Id of the VBIOS manifest (section 3.3).
#[must_use]
pub fn vbios_rim_id() -> String {
    let version = vbios_version_text().replace('.', "");
    format!("NV_GPU_VBIOS_{PROJECT}_{PROJECT_SKU}_{CHIP_SKU}_{version}")
}

fn alternatives(index: u8) -> u8 {
    ALTERNATIVES
        .iter()
        .find(|(at, _)| *at == index)
        .map_or(1, |(_, count)| *count)
}

fn reference(index: u8, alternative: u8) -> [u8; DIGEST_LENGTH] {
    sha384(format!("PoGW SIMULATED measurement {index}.{alternative}").as_bytes())
}

/// SHA-384 as an array.
pub(super) fn sha384(bytes: &[u8]) -> [u8; DIGEST_LENGTH] {
    let mut array = [0; DIGEST_LENGTH];
    array.copy_from_slice(digest(&SHA384, bytes).as_ref());
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_index_is_covered_twice() {
        assert!(
            DRIVER_INDEXES
                .iter()
                .all(|index| !VBIOS_INDEXES.contains(index))
        );
        assert!(
            DRIVER_INDEXES.contains(&35),
            "the index that NVDEC0 decides about"
        );
    }

    #[test]
    fn the_device_measures_what_the_manifests_list() {
        for index in 0..BLOCKS {
            let active = DRIVER_INDEXES.contains(&index) || VBIOS_INDEXES.contains(&index);
            assert_eq!(
                references(index).contains(&measurement(index)),
                active,
                "{index}"
            );
        }
        assert_eq!(references(35).len(), 4);
    }

    #[test]
    fn manifest_ids_follow_the_versions() {
        assert_eq!(driver_rim_id(), "NV_GPU_DRIVER_GH100_999.01.SIM");
        assert_eq!(vbios_rim_id(), "NV_GPU_VBIOS_SIM0_0000_000_F053494D01");
        assert_eq!(vbios_version_text(), "F0.53.49.4D.01");
    }
}
