//! NVIDIA's own claims about one device, under NVIDIA's names, so that whoever reads its tokens can read ours.
//!
//! Version 3 of the claims. Only the six short names are typed; everything else starts with `x-nvidia-` and is
//! passed on. `eat_nonce` is ours ([`Appraisal::eat_nonce`](super::Appraisal::eat_nonce)): base64url as EAT wants it,
//! where NVIDIA writes hexadecimal digits.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use crate::limits::MAX_VENDOR_CLAIMS;
use crate::value::InvalidValue;

const PREFIX: &str = "x-nvidia-";

/// Claims of NVIDIA about one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct VendorClaims(BTreeMap<String, Value>);

impl VendorClaims {
    /// The claims of one device.
    ///
    /// # Errors
    /// [`InvalidValue`] for a name that is not NVIDIA's, a value of the wrong type, or too many claims.
    pub fn new(claims: BTreeMap<String, Value>) -> Result<Self, InvalidValue> {
        if claims.len() > MAX_VENDOR_CLAIMS {
            return Err(InvalidValue::new(
                "number of vendor claims",
                format!("at most {MAX_VENDOR_CLAIMS}"),
                &claims.len().to_string(),
            ));
        }
        for (name, value) in &claims {
            is_typed_as_nvidia_does(name, value)?;
        }
        Ok(Self(claims))
    }

    /// A claim by name; `null` where NVIDIA writes `null` for "not reached".
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All claims in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// `measres`: whether the measurements equal the reference values, if they were compared.
    #[must_use]
    pub fn measurements_match(&self) -> Option<bool> {
        self.text("measres").map(|result| result == "success")
    }

    /// `secboot`: whether the device booted signed firmware.
    #[must_use]
    pub fn secure_boot(&self) -> Option<bool> {
        self.get("secboot").and_then(Value::as_bool)
    }

    /// `dbgstat`: the state of debugging; `disabled` is what one wants.
    #[must_use]
    pub fn debug_status(&self) -> Option<&str> {
        self.text("dbgstat")
    }

    /// `hwmodel`: the model, from the vendor's certificate.
    #[must_use]
    pub fn hardware_model(&self) -> Option<&str> {
        self.text("hwmodel")
    }

    /// `ueid`: the device's lifelong identity. Present only for a tenant who may see it.
    #[must_use]
    pub fn ueid(&self) -> Option<&str> {
        self.text("ueid")
    }

    /// `oemid`: the manufacturer.
    #[must_use]
    pub fn oem_id(&self) -> Option<&str> {
        self.text("oemid")
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }
}

/// Reading ignores names that are not NVIDIA's: an EAR may carry claims a reader does not know
/// (draft-ietf-rats-ear-04 section 4).
impl<'de> Deserialize<'de> for VendorClaims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut claims = BTreeMap::<String, Value>::deserialize(deserializer)?;
        claims.retain(|name, _| type_of(name).is_some());
        Self::new(claims).map_err(de::Error::custom)
    }
}

fn is_typed_as_nvidia_does(name: &str, value: &Value) -> Result<(), InvalidValue> {
    let invalid = |expected| Err(InvalidValue::new("vendor claim", expected, name));
    match (type_of(name), value) {
        (None, _) => invalid("one of NVIDIA's version 3"),
        (Some(_), Value::Null) | (Some(Type::Any), _) => Ok(()),
        (Some(Type::Text), Value::String(_)) | (Some(Type::Flag), Value::Bool(_)) => Ok(()),
        (Some(Type::Outcome), Value::String(text)) if text == "success" || text == "fail" => Ok(()),
        (Some(Type::Text), _) => invalid("text or null"),
        (Some(Type::Flag), _) => invalid("true, false or null"),
        (Some(Type::Outcome), _) => invalid("\"success\", \"fail\" or null"),
    }
}

#[derive(Clone, Copy)]
enum Type {
    Any,
    Flag,
    Outcome,
    Text,
}

fn type_of(name: &str) -> Option<Type> {
    match name {
        "measres" => Some(Type::Outcome),
        "secboot" => Some(Type::Flag),
        "dbgstat" | "hwmodel" | "ueid" | "oemid" => Some(Type::Text),
        _ => name.starts_with(PREFIX).then_some(Type::Any),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(claims: Value) -> Result<VendorClaims, InvalidValue> {
        VendorClaims::new(serde_json::from_value(claims).unwrap())
    }

    #[test]
    fn names_and_types_are_nvidias() {
        let good = of(json!({
            "measres": "success", "secboot": true, "dbgstat": null, "hwmodel": "GH100 A01 GSP BROM",
            "x-nvidia-gpu-driver-rim-cert-chain": {"x-nvidia-cert-status": "valid"},
        }))
        .unwrap();
        assert_eq!(good.measurements_match(), Some(true));
        assert_eq!(good.secure_boot(), Some(true));
        assert_eq!(good.debug_status(), None);
        assert_eq!(good.hardware_model(), Some("GH100 A01 GSP BROM"));
        for bad in [
            json!({"measres": "comparison-successful"}),
            json!({"secboot": "true"}),
            json!({"hwmodel": 1}),
            json!({"eat_nonce": "00"}),
            json!({"ear_status": "affirming"}),
            json!({"X-nvidia-x": 1}),
        ] {
            assert!(of(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn reading_ignores_unknown_names() {
        let read: VendorClaims =
            serde_json::from_value(json!({"measres": "fail", "colour": "red"})).unwrap();
        assert_eq!(read.measurements_match(), Some(false));
        assert_eq!(read.iter().count(), 1);
    }
}
