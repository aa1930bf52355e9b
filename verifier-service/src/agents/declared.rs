//! What an agent states about itself. Limits bound what one heartbeat can make the store keep.

use std::collections::BTreeMap;

use evidence::crypto::sha256;
use evidence::device::Architecture;
use evidence::limits::MAX_DEVICES;
use evidence::work::Hex;
use evidence::work::wire::{Conditions, PROGRAM_EXECUTOR};
use receipt::Level;
use serde::{Deserialize, Deserializer, Serialize};

use crate::store::agents::Agent;

/// Most executors; there are five kinds.
const MAX_EXECUTORS: usize = 16;
/// Longest name of one.
const MAX_EXECUTOR_CHARS: usize = 64;
/// Most assignments at one time. Lists of what an agent has are as long.
const MAX_CAPACITY: u32 = 1024;

/// Devices, ways to execute work, and how many assignments the agent takes at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declared {
    #[serde(deserialize_with = "devices")]
    pub(crate) devices: Vec<DeclaredDevice>,
    #[serde(deserialize_with = "executors")]
    pub(crate) executors: Vec<String>,
    #[serde(deserialize_with = "capacity")]
    pub(crate) capacity: u32,
    /// What it takes work for; `None` from agents of before there were conditions.
    #[serde(
        default,
        deserialize_with = "stated",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) conditions: Option<Conditions>,
}

/// One device, as its agent sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeclaredDevice {
    /// What it is.
    pub(crate) architecture: Architecture,
    /// The most a receipt about it can say.
    pub(crate) assurance: Level,
    /// Whether it is made of software.
    pub(crate) simulated: bool,
    /// SHA-256 of its `ueid`, where the agent knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ueid_sha256: Option<Hex<32>>,
}

impl Declared {
    /// As it is stored.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What it can be offered, in short: the same for all that can be offered the same. It begins with the devices, as
    /// `HOPPER A2 x8, BLACKWELL A0 simulated x1`.
    pub(crate) fn shape(&self) -> String {
        let mut counts = BTreeMap::new();
        for device in &self.devices {
            let simulated = if device.simulated { " simulated" } else { "" };
            let (architecture, level) = (device.architecture.as_str(), device.assurance.as_str());
            let kind = format!("{architecture} {level}{simulated}");
            *counts.entry(kind).or_insert(0_u32) += 1;
        }
        let kinds = counts
            .iter()
            .map(|(kind, count)| format!("{kind} x{count}"));
        let commands = self.runs_commands().then(|| "commands".to_owned());
        let conditions = self.conditions.as_ref().map(in_short);
        let parts = kinds.chain(commands).chain(conditions);
        parts.collect::<Vec<_>>().join(", ")
    }

    /// Whether people's own programs are run.
    pub(crate) fn runs_commands(&self) -> bool {
        self.executors.iter().any(|name| name == PROGRAM_EXECUTOR)
    }

    /// What an agent said last.
    pub(crate) fn of(agent: &Agent) -> Self {
        Self::from_json(agent.report.as_deref().unwrap_or_default())
    }

    /// As it was stored. What an earlier version wrote and this one does not understand declares nothing: the next
    /// heartbeat is a minute away.
    pub(crate) fn from_json(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

fn in_short(conditions: &Conditions) -> String {
    let text = serde_json::to_vec(conditions).unwrap_or_default();
    format!("conditions {}", Hex(sha256(&text)))
}

fn stated<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Conditions>, D::Error> {
    Conditions::deserialize(deserializer).map(Some)
}

fn devices<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<DeclaredDevice>, D::Error> {
    let devices = Vec::<DeclaredDevice>::deserialize(deserializer)?;
    bounded(devices.len() <= MAX_DEVICES, "expected at most 128 devices").map(|()| devices)
}

fn executors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let executors = Vec::<String>::deserialize(deserializer)?;
    let is_name = |name: &String| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        (1..=MAX_EXECUTOR_CHARS).contains(&name.len()) && name.bytes().all(plain)
    };
    let good = executors.len() <= MAX_EXECUTORS && executors.iter().all(is_name);
    bounded(
        good,
        "expected at most 16 executors of 1 to 64 letters, digits, -_.",
    )
    .map(|()| executors)
}

fn capacity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let capacity = u32::deserialize(deserializer)?;
    bounded(
        capacity <= MAX_CAPACITY,
        "expected a capacity of at most 1024",
    )
    .map(|()| capacity)
}

fn bounded<E: serde::de::Error>(good: bool, rule: &str) -> Result<(), E> {
    match good {
        true => Ok(()),
        false => Err(E::custom(rule)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn device() -> Value {
        json!({ "architecture": "HOPPER", "assurance": "A2", "simulated": false })
    }

    fn read(value: Value) -> Result<Declared, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut with_ueid = device();
        with_ueid["ueid_sha256"] = json!(Hex([7; 32]));
        let declared = read(json!({
            "devices": [device(), with_ueid], "executors": ["cuda", "cpu-reference"], "capacity": 2,
        }));
        let declared = declared.unwrap();
        assert_eq!(Declared::from_json(&declared.to_json()), declared);
        assert_eq!(Declared::from_json("{}"), Declared::default());
    }

    #[test]
    fn the_shape_is_the_same_for_all_that_can_be_offered_the_same() {
        let declared = |change: fn(&mut Value)| {
            let mut said =
                json!({ "devices": [device(), device()], "executors": ["cuda"], "capacity": 1 });
            change(&mut said);
            read(said).unwrap().shape()
        };
        let plain = declared(|_| {});
        assert_eq!(plain, "HOPPER A2 x2");
        assert_eq!(declared(|said| said["capacity"] = json!(7)), plain);
        let others = [
            declared(|said| said["devices"][0]["assurance"] = json!("A1")),
            declared(|said| said["devices"][0]["simulated"] = json!(true)),
            declared(|said| said["executors"] = json!(["cuda", "host-program"])),
            declared(|said| said["conditions"] = json!({ "least_price": 1 })),
            declared(|said| said["conditions"] = json!({ "least_price": 2 })),
        ];
        for (n, other) in others.iter().enumerate() {
            assert!(!others[..n].contains(other) && *other != plain, "{other}");
        }
    }

    #[test]
    fn everything_is_bounded() {
        let with = |key: &str, value: Value| {
            let mut all = json!({ "devices": [], "executors": [], "capacity": 0 });
            all[key] = value;
            read(all)
        };
        assert!(with("devices", json!(vec![device(); 128])).is_ok());
        assert!(with("executors", json!(vec!["a"; 16])).is_ok());
        assert!(with("capacity", json!(1024)).is_ok());
        let table = [
            ("devices", json!(vec![device(); 129])),
            ("executors", json!(vec!["a"; 17])),
            ("executors", json!([""])),
            ("executors", json!(["a b"])),
            ("executors", json!(["a".repeat(65)])),
            ("capacity", json!(1025)),
            ("capacity", json!(-1)),
            ("ram", json!(1)),
            ("conditions", json!({ "least_price": -1 })),
            ("conditions", json!({ "ram": 1 })),
        ];
        for (key, value) in table {
            assert!(with(key, value.clone()).is_err(), "{key}: {value}");
        }
    }
}
