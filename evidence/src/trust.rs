//! Types that say what was checked of a value. Nobody outside this crate can make the trusted ones.
//!
//! They do not make an appraisal complete: whoever only looks ([`Unverified::peek`], [`Examined::peek`]) needs no
//! check. What needs one asks for it in its type: certificates to ask about come of an [`Authentic`] chain alone
//! ([`Link`](crate::ocsp::Link)).
//!
//! | Type | Says | Made by |
//! |---|---|---|
//! | [`Unverified<T>`] | `T` is well-formed | the parsers |
//! | [`Refuted<T>`] | `T` was checked and is not authentic; the reasons are inside | `authenticate` |
//! | [`Authentic<T>`] | the signatures over `T` lead to a trust anchor; no word about time. May be cached by digest | `authenticate` |
//! | [`Examined<T>`] | one of the above, whichever came of it | `examine` |
//! | [`Verified<T>`] | authentic, and valid at the stated time | [`Authentic::verify_at`] |
//!
//! `Authentic` and `Verified` have private constructors named `assertion`, so that a reviewer finds every place
//! that makes one by searching for that word. None of them is `Deserialize` or `Default`.

use crate::reason::Reason;
use crate::time::UnixTime;

/// Well-formed and nothing more: whoever delivered it may have invented it.
#[derive(Clone, Debug)]
pub struct Unverified<T>(T);

impl<T> Unverified<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    /// Looks at the value before anything vouches for it: to find collateral, to collect further reasons, to print.
    #[must_use]
    pub fn peek(&self) -> &T {
        &self.0
    }

    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}

/// Checked and found not authentic.
#[derive(Clone, Debug)]
pub struct Refuted<T> {
    /// The value, still without any trust.
    pub value: Unverified<T>,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
}

/// The signatures over the value lead to a trust anchor the caller named.
#[derive(Clone, Debug)]
pub struct Authentic<T> {
    value: T,
    simulated: bool,
}

impl<T> Authentic<T> {
    /// States that the caller has checked every signature from the value to an anchor.
    pub(crate) fn assertion(value: T, simulated: bool) -> Self {
        Self { value, simulated }
    }

    /// The value, whose time of validity is still to be judged.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.value
    }

    /// Whether the anchor is that of a software device, which proves nothing about hardware.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.simulated
    }
}

impl<T: Expires> Authentic<T> {
    /// Judges the validity at `as_of`.
    ///
    /// # Errors
    /// Every reason why the value is not valid at that time.
    pub fn verify_at(&self, as_of: UnixTime) -> Result<Verified<&T>, Vec<Reason>> {
        let reasons = self.value.reasons_at(as_of);
        if reasons.is_empty() {
            Ok(Verified::assertion(&self.value, as_of, self.simulated))
        } else {
            Err(reasons)
        }
    }
}

/// What came of reading and authenticating bytes, whole: it does not depend on time and may be cached by the digest
/// of the bytes and of the anchors.
#[derive(Clone, Debug)]
pub enum Examined<T> {
    /// Not well-formed; the reasons are never empty.
    Unreadable(Vec<Reason>),
    /// Well-formed, not authentic.
    Refuted(Refuted<T>),
    /// Authentic.
    Authentic(Authentic<T>),
}

impl<T: Expires> Examined<T> {
    /// The value, whatever its trust; `None` if the bytes could not be read.
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        match self {
            Self::Unreadable(_) => None,
            Self::Refuted(refuted) => Some(refuted.value.peek()),
            Self::Authentic(authentic) => Some(authentic.get()),
        }
    }

    /// Every reason, of form, authenticity and time together.
    #[must_use]
    pub fn reasons_at(&self, as_of: UnixTime) -> Vec<Reason> {
        let mut reasons = match self {
            Self::Unreadable(reasons) => reasons.clone(),
            Self::Refuted(refuted) => refuted.reasons.clone(),
            Self::Authentic(_) => Vec::new(),
        };
        reasons.extend(self.peek().into_iter().flat_map(|v| v.reasons_at(as_of)));
        reasons
    }

    /// The value, if it is authentic and valid at `as_of`.
    #[must_use]
    pub fn verified_at(&self, as_of: UnixTime) -> Option<Verified<&T>> {
        match self {
            Self::Authentic(authentic) => authentic.verify_at(as_of).ok(),
            _ => None,
        }
    }
}

impl<T> From<Result<Authentic<T>, Refuted<T>>> for Examined<T> {
    fn from(result: Result<Authentic<T>, Refuted<T>>) -> Self {
        match result {
            Ok(authentic) => Self::Authentic(authentic),
            Err(refuted) => Self::Refuted(refuted),
        }
    }
}

/// Something that is valid for a time only.
pub trait Expires {
    /// Every reason why this is not valid at `as_of`; empty if it is.
    fn reasons_at(&self, as_of: UnixTime) -> Vec<Reason>;
}

/// Authentic, and valid at the time of appraisal.
#[derive(Clone, Copy, Debug)]
pub struct Verified<T> {
    value: T,
    as_of: UnixTime,
    simulated: bool,
}

impl<T> Verified<T> {
    /// States that the caller has checked authenticity and time.
    pub(crate) fn assertion(value: T, as_of: UnixTime, simulated: bool) -> Self {
        Self {
            value,
            as_of,
            simulated,
        }
    }

    /// The verified value.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The time at which it was judged valid.
    #[must_use]
    pub fn as_of(&self) -> UnixTime {
        self.as_of
    }

    /// Whether the anchor is that of a software device, which proves nothing about hardware.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.simulated
    }
}
