//! Reading the books: what a party has, and statements of what happened to it.
//!
//! In scope: running balances over the journal, as JSON and as CSV, a page at a time so that a long statement takes no more
//! memory than a short one. Out of scope: booking (`store::books`), and why money moves (`jobs`).

mod csv;
mod statement;

pub(crate) use statement::{Form, Range, Statement};
