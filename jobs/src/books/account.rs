//! Accounts, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{AssignmentId, JobId, PartyId};

/// Where money lies. Each account has a balance in each currency.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Account {
    /// `party/{id}/available`: what a party can put down or take out.
    Available(PartyId),
    /// `job/{id}/escrow`: the price of a job, until it is settled.
    Escrow(JobId),
    /// `assignment/{id}/stake`: what a provider put down.
    Stake(AssignmentId),
    /// `treasury`: slashed stakes, until the operator pays them out. Not the tenant's, or a tenant in league with a provider
    /// would cheat for free.
    Treasury,
    /// `outside/{marketplace}`: the world beyond the books; the one kind that may be negative.
    Outside(PartyId),
}

/// A text that names no account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such kind of account")]
pub struct AccountError;

impl Account {
    /// Reads a name.
    ///
    /// # Errors
    /// It names no account.
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        let parts: Vec<_> = text.split('/').collect();
        let wrong = |_| AccountError;
        match parts.as_slice() {
            ["party", id, "available"] => Ok(Self::Available(PartyId::parse(id).map_err(wrong)?)),
            ["job", id, "escrow"] => Ok(Self::Escrow(JobId::parse(id).map_err(wrong)?)),
            ["assignment", id, "stake"] => Ok(Self::Stake(AssignmentId::parse(id).map_err(wrong)?)),
            ["treasury"] => Ok(Self::Treasury),
            ["outside", id] => Ok(Self::Outside(PartyId::parse(id).map_err(wrong)?)),
            _ => Err(AccountError),
        }
    }

    /// Whether the balance may be below zero.
    #[must_use]
    pub const fn may_be_negative(&self) -> bool {
        matches!(self, Self::Outside(_))
    }

    /// Whether the account may hold so much: the outside is never above zero, since no marketplace takes out more than it
    /// brought in, and all others are never below.
    #[must_use]
    pub const fn may_be_at(&self, balance: i64) -> bool {
        match self.may_be_negative() {
            true => balance <= 0,
            false => balance >= 0,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Available(party) => write!(f, "party/{party}/available"),
            Self::Escrow(job) => write!(f, "job/{job}/escrow"),
            Self::Stake(assignment) => write!(f, "assignment/{assignment}/stake"),
            Self::Treasury => f.write_str("treasury"),
            Self::Outside(party) => write!(f, "outside/{party}"),
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Account {
    type Error = AccountError;

    fn try_from(text: String) -> Result<Self, AccountError> {
        Self::parse(&text)
    }
}

impl From<Account> for String {
    fn from(account: Account) -> Self {
        account.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for name in [
            "party/p/available",
            "job/j/escrow",
            "assignment/a/stake",
            "treasury",
            "outside/m",
        ] {
            assert_eq!(Account::parse(name).unwrap().to_string(), name);
        }
        for wrong in [
            "",
            "party/p",
            "party//available",
            "job/j/stake",
            "treasury/",
            "outside/a/b",
        ] {
            assert_eq!(Account::parse(wrong), Err(AccountError), "{wrong}");
        }
    }
}
