//! Looking at a token without believing it.

use serde_json::{Map, Value};

use crate::rejected::{Part, Rejected};
use crate::token::Compact;

/// A token taken apart, its signature not looked at. Whoever sent it may have invented all of it.
///
/// It **must only be used to display** a token to a person, for example to see which issuer and key it names. Nothing
/// may be paid, granted or stored as fact because of it; that takes [`Validator::validate`](crate::Validator::validate).
#[derive(Clone, Debug, PartialEq)]
pub struct UnverifiedReceipt {
    header: Map<String, Value>,
    payload: Map<String, Value>,
}

impl UnverifiedReceipt {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`Rejected`] if it is too large, not a compact JWS, or not JSON of the profile inside.
    pub fn peek(token: &str) -> Result<Self, Rejected> {
        let compact = Compact::split(token)?;
        Ok(Self {
            header: Compact::object(Part::Header, &compact.header)?,
            payload: Compact::object(Part::Payload, &compact.payload)?,
        })
    }

    /// The members of the header, whatever they are.
    #[must_use]
    pub fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The claims, whatever they are.
    #[must_use]
    pub fn payload(&self) -> &Map<String, Value> {
        &self.payload
    }
}
