//! What the store remembers about policies.
//!
//! This is a trait of its own, since code that keeps challenges and receipts need not know of policies. The promises
//! are the same: durable when answered, and versions are never changed or deleted.

use evidence::UnixTime;
use evidence::work::Hex;

use super::Answer;
use crate::audit::By;
use crate::id::Id;

/// Number of a version: 1, 2, and so on for each name.
pub(crate) type VersionNumber = u32;

/// A version without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PolicyVersion {
    /// The policy's name.
    pub(crate) id: String,
    /// Its number.
    pub(crate) version: VersionNumber,
    /// SHA-256 of the text.
    pub(crate) sha256: Hex<32>,
    /// When it was added.
    pub(crate) added_at: UnixTime,
}

/// A version with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredPolicy {
    /// Which one.
    pub(crate) version: PolicyVersion,
    /// The Rego text.
    pub(crate) text: String,
}

/// A text to be added.
#[derive(Clone, Debug)]
pub(crate) struct NewPolicy {
    /// The policy's name.
    pub(crate) id: String,
    /// The Rego text.
    pub(crate) text: String,
    /// By whom, and when.
    pub(crate) by: By,
    /// Which version of the same text makes adding needless.
    pub(crate) unless: Unless,
}

/// When a text is not added again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unless {
    /// The newest version is this text.
    Newest,
    /// Any version is.
    Any,
}

/// What became of a new text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AddedPolicy {
    /// It is a new version.
    New(PolicyVersion),
    /// It was there before.
    Before(PolicyVersion),
    /// There are too many names, or too many versions of this one.
    TooMany,
}

/// One version put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredActivation {
    /// Later ones have greater numbers.
    pub(crate) number: i64,
    /// When.
    pub(crate) at: UnixTime,
    /// What.
    pub(crate) policy: StoredPolicy,
}

/// What a receipt was issued for.
#[derive(Clone)]
pub(crate) struct Issued {
    /// The bundle, exactly as received.
    pub(crate) bundle: Vec<u8>,
    /// The challenge it answered.
    pub(crate) challenge: [u8; 32],
    /// When the receipt was issued.
    pub(crate) issued_at: UnixTime,
}

/// See the [module documentation](self).
pub(crate) trait PolicyStore: Send + Sync {
    /// Adds a text as the next version of its name.
    fn add_policy(&self, new: NewPolicy) -> Answer<'_, AddedPolicy>;

    /// The newest version of each name, in the order of the names.
    fn policies(&self) -> Answer<'_, Vec<PolicyVersion>>;

    /// The versions of one name, in order.
    fn policy_versions<'a>(&'a self, id: &'a str) -> Answer<'a, Vec<PolicyVersion>>;

    /// One version.
    fn policy<'a>(
        &'a self,
        id: &'a str,
        version: VersionNumber,
    ) -> Answer<'a, Option<StoredPolicy>>;

    /// The first version, of whichever name, whose text has this digest.
    fn policy_by_sha256(&self, sha256: [u8; 32]) -> Answer<'_, Option<StoredPolicy>>;

    /// Puts a version in force; `None` if there is no such version. One that is in force stays so, since when it was.
    fn activate_policy<'a>(
        &'a self,
        id: &'a str,
        version: VersionNumber,
        by: By,
    ) -> Answer<'a, Option<StoredActivation>>;

    /// The number of the activation that came last; 0 before the first. Cheap enough to be asked every second.
    fn last_activation(&self) -> Answer<'_, i64>;

    /// What was put in force last.
    fn active_policy(&self) -> Answer<'_, Option<StoredActivation>>;

    /// What a receipt was issued for.
    fn issued(&self, receipt: Id) -> Answer<'_, Option<Issued>>;

    /// The receipts issued last, latest first.
    fn recent_receipts(&self, limit: u32) -> Answer<'_, Vec<Id>>;
}
