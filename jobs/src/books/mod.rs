//! The books: accounts, and transfers that sum to nothing.
//!
//! In scope: names of accounts, transfers with their unique keys, and a ledger in memory that holds the rules of the
//! store's (each key once, only `outside/*` below zero). Out of scope: keeping them (`verifier-service`), moving real
//! money (the marketplace).

mod account;
mod ledger;
mod transfer;

pub use account::{Account, AccountError};
pub use ledger::{Ledger, LedgerError};
pub use transfer::{Posting, Transfer, TransferKind};
