//! The claims of an attestation result: tiers, trustworthiness vector, one appraisal per device.
//!
//! Names and JSON forms follow draft-ietf-rats-ear-04 (26 May 2026) section 3 and draft-ietf-rats-ar4si: a tier is a
//! word in JSON (its number is for CBOR), the categories of the vector have hyphens, everything else underscores.

use serde::{Deserialize, Serialize};

use super::vendor::VendorClaims;
use crate::value::{Nonce, Text, present, words};

words! {
    /// Trustworthiness tier, from the worst to the best.
    ///
    /// `none` stands below `affirming`: where nothing is known, nothing is affirmed.
    Tier, "ear_status":
    /// Something unacceptable was found (96).
    Contraindicated = "contraindicated",
    /// Something doubtful was found (32).
    Warning = "warning",
    /// Nothing is said (0).
    None = "none",
    /// All that was looked at is as it should be (2).
    Affirming = "affirming",
}

impl Tier {
    /// The tier of one value of a trustworthiness vector. Negative values are a verifier's own reasons within the
    /// same tiers (AR4SI section 2.3.2).
    #[must_use]
    pub const fn of(value: i8) -> Self {
        match value {
            -1..=1 => Self::None,
            2..=31 | -32..=-2 => Self::Affirming,
            32..=95 | -96..=-33 => Self::Warning,
            96..=127 | -128..=-97 => Self::Contraindicated,
        }
    }

    /// The number of the tier, as in the CBOR form.
    #[must_use]
    pub const fn value(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Affirming => 2,
            Self::Warning => 32,
            Self::Contraindicated => 96,
        }
    }
}

/// AR4SI trustworthiness vector. 0 means that no claim is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct TrustVector {
    /// The identity of this instance: 2 recognised, 96 known and not trusted, 97 not recognised.
    pub instance_identity: i8,
    /// The settings: 2 approved, 3 no known vulnerability, 32 known vulnerability.
    pub configuration: i8,
    /// Firmware and driver: 3 approved at boot, 33 unrecognised, 96 contraindicated. Never 2, see
    /// [`EXECUTABLES_AT_BOOT`](Self::EXECUTABLES_AT_BOOT).
    pub executables: i8,
    /// The file system, known only from a measured boot of the CPU TEE.
    pub file_system: i8,
    /// The hardware: 2 genuine, 32 genuine with known vulnerabilities, 97 not recognised.
    pub hardware: i8,
    /// Memory against the host: 2 encrypted, 32 isolated, 96 visible.
    pub runtime_opaque: i8,
    /// Storage against the host.
    pub storage_opaque: i8,
    /// The inputs: 2 from attested sources.
    pub sourced_data: i8,
}

impl TrustVector {
    /// Genuine hardware, as its manufacturer certifies.
    pub const HARDWARE_GENUINE: i8 = 2;
    /// All reference values match. Never 2, "at and after boot": a report says nothing about kernels run later.
    pub const EXECUTABLES_AT_BOOT: i8 = 3;
    /// Cryptographic validation failed, whatever the category.
    pub const CRYPTO_VALIDATION_FAILED: i8 = 99;

    /// The eight values in the order of AR4SI.
    #[must_use]
    pub const fn values(&self) -> [i8; 8] {
        [
            self.instance_identity,
            self.configuration,
            self.executables,
            self.file_system,
            self.hardware,
            self.runtime_opaque,
            self.storage_opaque,
            self.sourced_data,
        ]
    }

    /// The best status this vector allows: the tier of its worst claim (draft-ietf-rats-ear-04 section 3.1), or
    /// [`Tier::None`] if it makes none.
    #[must_use]
    pub fn bound(&self) -> Tier {
        let claims = self.values().into_iter().filter(|value| *value != 0);
        claims.map(Tier::of).min().unwrap_or(Tier::None)
    }
}

/// Who appraised, as software.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifierId {
    /// Who makes the verifier, best as a URL.
    pub developer: Text,
    /// Which build it is.
    pub build: Text,
}

/// The appraisal of one device: an entry of `submods`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appraisal {
    /// The status; never better than the vector allows.
    pub ear_status: Tier,
    /// The breakdown.
    pub ear_trustworthiness_vector: TrustVector,
    /// The policies applied, in order; at least one.
    pub ear_appraisal_policy_ids: Vec<Text>,
    /// The nonce inside the evidence, which is not the challenge of the receipt: a device report's nonce is a hash
    /// over the statement. Absent where no evidence carried one.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub eat_nonce: Option<Nonce>,
    /// What the vendor's own verifier would say, under the vendor's names.
    #[serde(flatten)]
    pub vendor: VendorClaims,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_cover_every_value() {
        let edges = [
            (-128, Tier::Contraindicated),
            (-97, Tier::Contraindicated),
            (-96, Tier::Warning),
            (-33, Tier::Warning),
            (-32, Tier::Affirming),
            (-2, Tier::Affirming),
            (-1, Tier::None),
            (0, Tier::None),
            (1, Tier::None),
            (2, Tier::Affirming),
            (31, Tier::Affirming),
            (32, Tier::Warning),
            (95, Tier::Warning),
            (96, Tier::Contraindicated),
            (127, Tier::Contraindicated),
        ];
        for (value, tier) in edges {
            assert_eq!(Tier::of(value), tier, "{value}");
        }
        assert_eq!(
            Tier::ALL
                .iter()
                .map(|tier| tier.value())
                .collect::<Vec<_>>(),
            [96, 32, 0, 2]
        );
    }

    #[test]
    fn the_worst_claim_bounds_the_status() {
        let vector = |hardware, executables| TrustVector {
            hardware,
            executables,
            ..TrustVector::default()
        };
        assert_eq!(vector(0, 0).bound(), Tier::None);
        assert_eq!(vector(2, 0).bound(), Tier::Affirming);
        assert_eq!(vector(2, 1).bound(), Tier::None);
        assert_eq!(vector(2, -1).bound(), Tier::None);
        assert_eq!(vector(2, 33).bound(), Tier::Warning);
        assert_eq!(vector(99, 3).bound(), Tier::Contraindicated);
    }
}
