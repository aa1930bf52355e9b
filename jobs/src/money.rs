//! Money: integer minor units of one currency, within what JSON carries without loss.

use std::fmt;

use evidence::work::MAX_SAFE_INTEGER;
use serde::{Deserialize, Serialize};

/// Minor units (cents, yen), 0 to 2^53 − 1. Never a fraction, never negative.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "i64", into = "i64")]
pub struct Amount(i64);

/// An ISO 4217 alphabetic code, by its form: three capital letters.
///
/// The list of ISO changes and is not carried here: which currencies a marketplace deals in is its own affair.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// An amount in its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

/// What is no money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// Negative, or more than can be counted.
    #[error("amount: expected 0 to {MAX_SAFE_INTEGER}")]
    Amount,
    /// Not three capital letters.
    #[error("currency: expected three capital letters of ISO 4217")]
    Currency,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount of minor units.
    ///
    /// # Errors
    /// It is negative or above 2^53 − 1.
    pub const fn new(minor_units: i64) -> Result<Self, MoneyError> {
        match minor_units {
            0..=MAX_SAFE_INTEGER => Ok(Self(minor_units)),
            _ => Err(MoneyError::Amount),
        }
    }

    /// Minor units.
    #[must_use]
    pub const fn minor_units(self) -> i64 {
        self.0
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, where it can be counted.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::new(self.0.checked_add(other.0)?).ok()
    }

    /// The difference, where it is not negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Self::new(self.0.checked_sub(other.0)?).ok()
    }

    /// So many times, where it can be counted.
    #[must_use]
    pub fn checked_mul(self, times: u32) -> Option<Self> {
        Self::new(self.0.checked_mul(i64::from(times))?).ok()
    }
}

impl TryFrom<i64> for Amount {
    type Error = MoneyError;

    fn try_from(minor_units: i64) -> Result<Self, MoneyError> {
        Self::new(minor_units)
    }
}

impl From<Amount> for i64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Currency {
    /// Reads a code.
    ///
    /// # Errors
    /// It is not three capital letters.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let code: [u8; 3] = text
            .as_bytes()
            .try_into()
            .map_err(|_| MoneyError::Currency)?;
        match code.iter().all(u8::is_ascii_uppercase) {
            true => Ok(Self(code)),
            false => Err(MoneyError::Currency),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Self, MoneyError> {
        Self::parse(&text)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.to_string()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|b| write!(f, "{}", char::from(*b)))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_stay_countable() {
        let most = Amount::new(MAX_SAFE_INTEGER).unwrap();
        let one = Amount::new(1).unwrap();
        assert_eq!(Amount::new(-1), Err(MoneyError::Amount));
        assert_eq!(Amount::new(MAX_SAFE_INTEGER + 1), Err(MoneyError::Amount));
        assert_eq!(most.checked_add(one), None);
        assert_eq!(Amount::ZERO.checked_sub(one), None);
        assert_eq!(most.checked_mul(2), None);
        assert_eq!(one.checked_mul(8), Amount::new(8).ok());
    }

    #[test]
    fn currencies_are_three_capital_letters() {
        assert_eq!(Currency::parse("EUR").unwrap().to_string(), "EUR");
        for wrong in ["", "eur", "EU", "EURO", "E1R", "€"] {
            assert_eq!(Currency::parse(wrong), Err(MoneyError::Currency), "{wrong}");
        }
    }
}
