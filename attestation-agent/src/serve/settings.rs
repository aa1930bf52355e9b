//! The settings of serving.

use std::path::PathBuf;

use evidence::work::wire::{Assurance, Conditions, MAX_HELD, MAX_POLICIES, PolicyName};
use serde::{Deserialize, Serialize};

/// How assignments are served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServeSettings {
    /// File with the one-time enrolment token; else the systemd credential `enrolment-token`, where there is one.
    pub token_file: Option<PathBuf>,
    /// How long an agent that is not enrolled asks its verifier before it ends with the cause, seconds. Less than
    /// `TimeoutStartSec=` of its unit.
    pub enrol_within_s: u64,
    /// Assignments worked on at a time.
    pub capacity: u32,
    /// Whether several of them may run at once on the same devices. If not, they run one after the other.
    pub share_devices: bool,
    /// Whether people's own programs are run. They run as the agent's account.
    pub commands: bool,
    /// Folder with inputs that jobs give by digest, each in a file named by its BLAKE3 in hexadecimal.
    pub inputs_dir: Option<PathBuf>,
    /// Where assignments are kept, else `<state_dir>/serve`.
    pub dir: Option<PathBuf>,
    /// The most bytes of outputs kept.
    pub spool_bytes: u64,
    /// The least price taken, in minor units of whatever currency.
    pub least_price: u64,
    /// The highest stake put down, in minor units of whatever currency; any, if there is none.
    pub most_stake: Option<u64>,
    /// The least time taken for the work itself, seconds: what is not done by then was done for nothing.
    pub least_commit_within_s: u32,
    /// The least time taken from the call for an opening, or a question, to the answer, seconds: who is late loses the stake.
    pub least_open_within_s: u32,
    /// The longest time that outputs are kept for, from acceptance to payment, seconds.
    pub longest_dispute_window_s: u32,
    /// The most replicas that must agree for any to be paid; any number, if there is none.
    pub most_agreeing: Option<u32>,
    /// The policies under which work is taken, where the terms name one; any, if there is none.
    pub policies: Option<Vec<PolicyName>>,
    /// The most that is said of any device, and so asked of its evidence; as much as its kind can show, if there is none.
    pub most_assurance: Option<Assurance>,
    /// File that figures are written to, for node_exporter's textfile collector; its name ends in `.prom`.
    pub metrics_file: Option<PathBuf>,
    /// Seconds between heartbeats.
    pub heartbeat_s: u64,
    /// How long a committed assignment is kept while the verifier is not heard to say what is over, seconds; at least the
    /// longest window of disputes and a day.
    pub keep_s: u64,
    /// How long running work may take to be committed to after the agent was told to stop, seconds.
    pub stop_within_s: u64,
}

const A_DAY_S: u64 = 24 * 60 * 60;

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            token_file: None,
            enrol_within_s: 60,
            capacity: 1,
            share_devices: false,
            commands: false,
            inputs_dir: None,
            dir: None,
            spool_bytes: 64 * 1024 * 1024 * 1024,
            least_price: 0,
            most_stake: None,
            least_commit_within_s: 10,
            least_open_within_s: 10,
            longest_dispute_window_s: 30 * 24 * 60 * 60,
            most_agreeing: None,
            policies: None,
            most_assurance: None,
            metrics_file: None,
            heartbeat_s: 30,
            keep_s: 60 * 24 * 60 * 60,
            stop_within_s: 60,
        }
    }
}

impl ServeSettings {
    /// What work is taken for, as the verifier is told.
    pub(super) fn conditions(&self) -> Conditions {
        Conditions {
            least_price: self.least_price,
            most_stake: self.most_stake,
            least_commit_within_s: self.least_commit_within_s,
            least_open_within_s: self.least_open_within_s,
            longest_dispute_window_s: Some(self.longest_dispute_window_s),
            most_agreeing: self.most_agreeing,
            policies: self.policies.clone(),
        }
    }

    /// What is wrong with them.
    pub(crate) fn fault(&self) -> Option<String> {
        let most = u64::try_from(MAX_HELD).unwrap_or(u64::MAX);
        let bounded = [
            ("serve.enrol_within_s", self.enrol_within_s, 24 * 3600),
            ("serve.capacity", u64::from(self.capacity), most),
            ("serve.heartbeat_s", self.heartbeat_s, 3600),
            ("serve.keep_s", self.keep_s, 10 * 365 * 24 * 3600),
            ("serve.spool_bytes", self.spool_bytes, u64::MAX),
        ];
        let wrong = bounded
            .into_iter()
            .find(|(_, value, most)| !(1..=*most).contains(value));
        // What an assignment waits for between its commitment and its window: others' work, openings, judgements.
        let least = u64::from(self.longest_dispute_window_s).saturating_add(A_DAY_S);
        let short = (self.keep_s < least).then(|| {
            format!(
                "serve.keep_s: expected at least {least}, a day more than serve.longest_dispute_window_s, got {}",
                self.keep_s
            )
        });
        let named = self.policies.as_ref().map_or(0, Vec::len);
        let many = (named > MAX_POLICIES)
            .then(|| format!("serve.policies: expected at most {MAX_POLICIES}, got {named}"));
        wrong
            .map(|(name, value, most)| format!("{name}: expected 1 to {most}, got {value}"))
            .or(short)
            .or(many)
    }
}
