//! A ledger in memory: the rules of the books, small enough to be read in one go.
//!
//! The service keeps its books in a database; this one is for tests, and for whoever checks a journal from outside.

use std::collections::{BTreeMap, BTreeSet};

use super::{Account, Transfer, TransferKind};
use crate::money::Currency;

/// Balances, and which transfers made them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    balances: BTreeMap<(Account, Currency), i64>,
    seen: BTreeSet<(TransferKind, String)>,
}

/// Why a transfer cannot be booked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// A transfer with this kind and key is booked already.
    #[error("{} {key} is booked already", kind.as_str())]
    Repeated {
        /// The kind.
        kind: TransferKind,
        /// The key.
        key: String,
    },
    /// An account would be below zero that may not, or the outside above it.
    #[error("{account} would be at {balance}")]
    Overdrawn {
        /// The account.
        account: Account,
        /// What it would be at, in minor units.
        balance: i64,
    },
}

impl Ledger {
    /// Books a transfer, whole or not at all.
    ///
    /// # Errors
    /// It is booked already, or an account would be overdrawn.
    pub fn book(&mut self, transfer: &Transfer) -> Result<(), LedgerError> {
        let kind = transfer.kind();
        let key = transfer.key().to_owned();
        if self.seen.contains(&(kind, key.clone())) {
            return Err(LedgerError::Repeated { kind, key });
        }
        let currency = transfer.currency();
        let mut after = Vec::new();
        for posting in transfer.postings() {
            let balance = self.balance(&posting.account, currency);
            let balance = balance.saturating_add(posting.amount);
            let account = posting.account.clone();
            if !account.may_be_at(balance) {
                return Err(LedgerError::Overdrawn { account, balance });
            }
            after.push(((account, currency), balance));
        }
        self.balances.extend(after);
        self.seen.insert((kind, key));
        Ok(())
    }

    /// What an account holds, in minor units.
    #[must_use]
    pub fn balance(&self, account: &Account, currency: Currency) -> i64 {
        let key = (account.clone(), currency);
        self.balances.get(&key).copied().unwrap_or_default()
    }

    /// All balances.
    pub fn balances(&self) -> impl Iterator<Item = (&Account, Currency, i64)> {
        let balances = self.balances.iter();
        balances.map(|((account, currency), balance)| (account, *currency, *balance))
    }

    /// Whether every currency sums to nothing over all accounts.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for (_, currency, balance) in self.balances() {
            let sum = sums.entry(currency).or_default();
            *sum = sum.saturating_add(i128::from(balance));
        }
        sums.values().all(|sum| *sum == 0)
    }
}
