//! A statement: what a party had before, each transfer with the balance after it, and what the party had in the end.
//!
//! It comes in pieces, one for each page of the journal. Closing balances are the opening balances plus the entries
//! listed, so a statement is always consistent.

use std::collections::BTreeMap;
use std::sync::Arc;

use evidence::UnixTime;
use jobs::books::TransferKind;
use jobs::{Currency, PartyId};
use serde::Serialize;

use super::csv;
use crate::store::StoreError;
use crate::store::books::{BookStore, Entry, Period};

/// Entries of one page.
const PAGE: u32 = 500;
const COLUMNS: [&str; 9] = [
    "at",
    "kind",
    "job",
    "assignment",
    "reference",
    "currency",
    "amount",
    "balance",
    "number",
];

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One object.
    Json,
    /// Lines of RFC 4180, a header first.
    Csv,
}

/// The time a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first second.
    pub(crate) from: UnixTime,
    /// The second after the last.
    pub(crate) to: UnixTime,
}

/// A statement being written.
pub(crate) struct Statement {
    store: Arc<dyn BookStore>,
    party: PartyId,
    range: Range,
    form: Form,
    balances: BTreeMap<String, i64>,
    after: Option<(UnixTime, i64)>,
    is_first: bool,
    is_at_end: bool,
}

/// What a party had at one end of the period.
#[derive(Serialize)]
struct Balance<'a> {
    currency: &'a str,
    amount: i64,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    number: i64,
    at: UnixTime,
    kind: TransferKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    currency: &'a str,
    amount: i64,
    balance: i64,
}

impl Statement {
    /// Begins one, with what the party had before.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn begin(
        store: Arc<dyn BookStore>,
        party: PartyId,
        range: Range,
        form: Form,
    ) -> Result<Self, StoreError> {
        let opening = store.opening_balances(&party, range.from).await?;
        let named = |(currency, amount): (Currency, i64)| (currency.to_string(), amount);
        Ok(Self {
            store,
            party,
            range,
            form,
            balances: opening.into_iter().map(named).collect(),
            after: None,
            is_first: true,
            is_at_end: false,
        })
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// The store failed: then what was written so far is no statement, and its reader must see that it broke off.
    pub(crate) async fn piece(&mut self) -> Result<Option<String>, StoreError> {
        if self.is_at_end {
            return Ok(None);
        }
        let mut text = String::new();
        if self.is_first {
            self.head(&mut text);
        }
        let entries = self.page().await?;
        for (n, entry) in entries.iter().enumerate() {
            let is_first = self.is_first && n == 0;
            self.entry(&mut text, entry, is_first);
        }
        self.is_first = false;
        if entries.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
            self.is_at_end = true;
            self.foot(&mut text);
        }
        Ok(Some(text))
    }

    async fn page(&mut self) -> Result<Vec<Entry>, StoreError> {
        let period = Period {
            from: self.range.from,
            to: self.range.to,
            after: self.after,
            limit: PAGE,
        };
        let entries = self.store.statement(&self.party, period).await?;
        if let Some(last) = entries.last() {
            self.after = Some((last.at, last.number));
        }
        Ok(entries)
    }

    fn head(&self, into: &mut String) {
        match self.form {
            Form::Json => {
                let (party, Range { from, to }) = (&self.party, self.range);
                let opening = self.balances();
                into.push_str(&format!(
                    r#"{{"party":"{party}","from":"{from}","to":"{to}","opening":{opening},"entries":["#
                ));
            }
            Form::Csv => {
                csv::line(into, &COLUMNS);
                self.balance_lines(into, self.range.from, "opening_balance");
            }
        }
    }

    fn foot(&self, into: &mut String) {
        match self.form {
            Form::Json => into.push_str(&format!(r#"],"closing":{}}}"#, self.balances())),
            Form::Csv => self.balance_lines(into, self.range.to, "closing_balance"),
        }
    }

    fn entry(&mut self, into: &mut String, entry: &Entry, is_first: bool) {
        let currency = entry.currency.to_string();
        let balance = self.balances.entry(currency.clone()).or_default();
        // The journal holds no balance that does not fit.
        *balance = balance.saturating_add(entry.amount);
        let line = Line {
            number: entry.number,
            at: entry.at,
            kind: entry.kind,
            job: entry.job.as_ref().map(|id| id.as_str()),
            assignment: entry.assignment.as_ref().map(|id| id.as_str()),
            reference: reference(entry),
            currency: &currency,
            amount: entry.amount,
            balance: *balance,
        };
        match self.form {
            Form::Json => {
                if !is_first {
                    into.push(',');
                }
                into.push_str(&serde_json::json!(line).to_string());
            }
            Form::Csv => line.write_csv(into),
        }
    }

    fn balances(&self) -> serde_json::Value {
        let balances = self.balances.iter();
        let balances: Vec<_> = balances
            .map(|(currency, amount)| Balance {
                currency,
                amount: *amount,
            })
            .collect();
        serde_json::json!(balances)
    }

    fn balance_lines(&self, into: &mut String, at: UnixTime, kind: &str) {
        for (currency, amount) in &self.balances {
            let (at, balance) = (at.to_string(), amount.to_string());
            csv::line(into, &[&at, kind, "", "", "", currency, "", &balance, ""]);
        }
    }
}

impl Line<'_> {
    fn write_csv(&self, into: &mut String) {
        let text = |text: Option<&str>| csv::guarded(text.unwrap_or_default()).into_owned();
        csv::line(
            into,
            &[
                &self.at.to_string(),
                self.kind.as_str(),
                &text(self.job),
                &text(self.assignment),
                &text(self.reference),
                self.currency,
                &self.amount.to_string(),
                &self.balance.to_string(),
                &self.number.to_string(),
            ],
        );
    }
}

/// What the marketplace called money from or to the outside, which is its key without the marketplace's own name; what the
/// operator called money from the treasury.
fn reference(entry: &Entry) -> Option<&str> {
    match entry.kind {
        TransferKind::Deposit | TransferKind::Withdrawal => {
            Some(entry.key.split_once('/').map_or(&*entry.key, |(_, it)| it))
        }
        TransferKind::Payout => Some(&entry.key),
        _ => None,
    }
}
