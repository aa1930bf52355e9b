//! A stand-in for a verifier that has assignments: it says what a test scripts, checks every signature, and remembers what
//! it was told. It judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use evidence::UnixTime;
use evidence::work::request::{ReceivedRequest, Target};
use evidence::work::wire::{
    Answer, Ended, Enrolled, Enrolment, Heartbeat, HeartbeatAnswer, Id, Lease, Next, NextRequest,
    Release, Secret,
};
use evidence::work::{Base64Url, ResultCommitment, is_enrolment_proof};
use serde::Serialize;

use crate::kit::CHALLENGE;
use crate::server::{Reply, Seen, Server};

pub(crate) const TOKEN: &str = "pogw-token-for-one";
pub(crate) const AGENT: &str = "agent-1";

/// How long a test waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the verifier was told, and what it says.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) key: Option<Base64Url<32>>,
    pub(crate) enrolments: u32,
    /// What is asked by the long poll until it is done.
    pub(crate) asked: Vec<Next>,
    pub(crate) accepted: Vec<Id>,
    pub(crate) renewed: u32,
    pub(crate) released: BTreeMap<Id, String>,
    pub(crate) commitments: BTreeMap<Id, Vec<ResultCommitment>>,
    pub(crate) openings: BTreeMap<(Id, u32), Vec<Vec<u8>>>,
    pub(crate) answers: BTreeMap<(Id, u32), Vec<Vec<u8>>>,
    pub(crate) heartbeats: Vec<Heartbeat>,
    pub(crate) polls: u32,
    pub(crate) ended: Vec<Ended>,
    /// Life of leases, seconds.
    pub(crate) lease_s: i64,
    /// Whether it asks again what the agent says it knows.
    pub(crate) forgetful: bool,
    /// Whether it is of before there were conditions.
    pub(crate) knows_no_conditions: bool,
    /// By how many seconds its clock is ahead.
    pub(crate) ahead_s: i64,
    /// Requests of this name are kept waiting: before they are done, or after.
    pub(crate) stall: Option<(&'static str, When)>,
    /// Whether one is.
    pub(crate) stalled: bool,
    /// Requests of this name are answered so.
    pub(crate) refusals: BTreeMap<&'static str, Reply>,
    nonces: BTreeSet<Base64Url<16>>,
    /// What a verifier should never see.
    pub(crate) faults: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

pub(crate) struct Verifier {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Verifier {
    pub(crate) fn start() -> Self {
        let state = State {
            lease_s: 60,
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let of_server = Arc::clone(&state);
        let server = Server::answering(move |request| reply(&of_server, request));
        Self { server, state }
    }

    pub(crate) fn url(&self) -> &str {
        &self.server.url
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn ask(&self, next: Next) {
        self.state().asked.push(next);
    }

    /// Waits until something holds of the state.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let started = Instant::now();
        while !holds(&self.state()) {
            assert!(started.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[track_caller]
    pub(crate) fn assert_no_faults(&self) {
        let state = self.state();
        assert!(state.faults.is_empty(), "{:?}", state.faults);
    }
}

fn reply(state: &Mutex<State>, request: &Seen) -> Reply {
    let name = name_of(&request.path);
    stall(state, name, When::Before);
    let refusal = state.lock().unwrap().refusals.get(name).cloned();
    let reply = match (refusal, name) {
        (Some(refusal), _) => refusal,
        (None, "next") => next(state, request),
        (None, _) => done(&mut state.lock().unwrap(), name, request),
    };
    stall(state, name, When::After);
    let ahead_s = state.lock().unwrap().ahead_s;
    dated(reply, ahead_s)
}

/// The last part of a path.
fn name_of(path: &str) -> &'static str {
    const NAMES: [&str; 9] = [
        "agents",
        "heartbeat",
        "next",
        "accept",
        "renew",
        "release",
        "commitment",
        "opening",
        "answer",
    ];
    let last = path.rsplit('/').next().unwrap_or_default();
    NAMES
        .into_iter()
        .find(|name| *name == last)
        .unwrap_or("unknown")
}

/// Keeps a request waiting for as long as the test wants.
fn stall(state: &Mutex<State>, name: &'static str, when: When) {
    let wanted = |state: &State| state.stall == Some((name, when));
    if !wanted(&state.lock().unwrap()) {
        return;
    }
    state.lock().unwrap().stalled = true;
    while wanted(&state.lock().unwrap()) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn dated(reply: Reply, ahead_s: i64) -> Reply {
    match reply {
        Reply::Answer(status, mut headers, body) => {
            let date =
                std::time::SystemTime::now() + Duration::from_secs(ahead_s.try_into().unwrap());
            headers.push(("Date", httpdate::fmt_http_date(date)));
            Reply::Answer(status, headers, body)
        }
        other => other,
    }
}

fn json(status: u16, body: &impl Serialize) -> Reply {
    Reply::json(
        status,
        "application/json",
        &serde_json::to_string(body).unwrap(),
    )
}

fn nothing() -> Reply {
    Reply::Answer(204, Vec::new(), Vec::new())
}

impl State {
    pub(crate) fn now(&self) -> UnixTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        UnixTime::from_secs(i64::try_from(since.unwrap().as_secs()).unwrap() + self.ahead_s)
    }

    fn lease(&self) -> Reply {
        let until = UnixTime::from_secs(self.now().secs() + self.lease_s);
        let lease = Lease {
            challenge: CHALLENGE,
            replica_key: Secret::new(super::REPLICA_KEY),
            until,
            commit_until: super::in_an_hour(),
        };
        json(200, &lease)
    }

    /// Whether the agent's key signed this request, for the first time.
    fn check(&mut self, request: &Seen) -> Result<(), String> {
        let (path, query) = match request.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.target.as_str(), None),
        };
        let target = Target::new(&request.method, path, query).map_err(|e| e.to_string())?;
        let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
        let received = ReceivedRequest::parse(
            &target,
            header("content-digest"),
            header("signature-input"),
            header("signature"),
        );
        let received = received.map_err(|e| e.to_string())?;
        let key = self.key.ok_or("not enrolled")?;
        let now = self.now();
        received
            .verify(&key.0, &request.body, now)
            .map_err(|e| e.to_string())?;
        let params = received.params();
        if params.key_id != AGENT || !self.nonces.insert(params.nonce) {
            return Err(format!("{params:?}"));
        }
        Ok(())
    }
}

fn checked(state: &mut State, request: &Seen) -> Option<Reply> {
    let error = state.check(request).err()?;
    if error.contains("signature was created") {
        return Some(Reply::problem(401, "signature_expired"));
    }
    state.faults.push(format!("{}: {error}", request.target));
    Some(Reply::problem(401, "signature_invalid"))
}

fn next(state: &Mutex<State>, request: &Seen) -> Reply {
    let mut at = state.lock().unwrap();
    if let Some(refused) = checked(&mut at, request) {
        return refused;
    }
    at.polls += 1;
    let known: NextRequest = serde_json::from_slice(&request.body).unwrap();
    let forgetful = at.forgetful;
    drop(at);
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        let at = state.lock().unwrap();
        let mut asked = at.asked.iter();
        if let Some(next) = asked.find(|next| forgetful || !known.known.contains(&next.name())) {
            return json(200, next);
        }
        drop(at);
        std::thread::sleep(Duration::from_millis(10));
    }
    nothing()
}

fn done(state: &mut State, name: &str, request: &Seen) -> Reply {
    if name == "agents" {
        return enrol(state, &request.body);
    }
    if let Some(refused) = checked(state, request) {
        return refused;
    }
    let id = request
        .path
        .split('/')
        .nth(3)
        .map(|id| Id::parse(id).unwrap())
        .unwrap();
    let number = || {
        request
            .target
            .split_once("round=")
            .map_or(0, |(_, n)| n.parse().unwrap())
    };
    match name {
        "heartbeat" => {
            let heartbeat: Heartbeat = serde_json::from_slice(&request.body).unwrap();
            if state.knows_no_conditions && heartbeat.conditions.is_some() {
                return Reply::problem(400, "request_malformed");
            }
            let ended = state
                .ended
                .iter()
                .filter(|ended| heartbeat.held.contains(&ended.assignment));
            let ended = ended.cloned().collect();
            state.heartbeats.push(heartbeat);
            return json(
                200,
                &HeartbeatAnswer {
                    heartbeat_every_s: 30,
                    now: state.now(),
                    ended,
                },
            );
        }
        "accept" => {
            state.accepted.push(id.clone());
            state
                .asked
                .retain(|next| !matches!(next, Next::Offer(offer) if offer.assignment == id));
            return state.lease();
        }
        "renew" => {
            state.renewed += 1;
            return state.lease();
        }
        "release" => {
            let release: Release = serde_json::from_slice(&request.body).unwrap();
            state.asked.retain(|next| *next.assignment() != id);
            state.released.insert(id, release.code.to_string());
        }
        "commitment" => {
            let commitment = serde_json::from_slice(&request.body).unwrap();
            state.commitments.entry(id).or_default().push(commitment);
        }
        "opening" => {
            let round = number();
            state
                .asked
                .retain(|next| !matches!(next, Next::Open(open) if open.assignment == id));
            state
                .openings
                .entry((id, round))
                .or_default()
                .push(request.body.clone());
            return Reply::Answer(202, Vec::new(), Vec::new());
        }
        "answer" => {
            let answer: Answer = serde_json::from_slice(&request.body).unwrap();
            state
                .asked
                .retain(|next| !matches!(next, Next::Question(q) if q.assignment == id));
            state
                .answers
                .entry((id, answer.number))
                .or_default()
                .push(request.body.clone());
        }
        other => state.faults.push(format!("asked for {other}")),
    }
    nothing()
}

/// The same key with the same token is answered the same.
fn enrol(state: &mut State, body: &[u8]) -> Reply {
    let enrolment: Enrolment = serde_json::from_slice(body).unwrap();
    let token = enrolment.token.reveal();
    let is_proven = is_enrolment_proof(token, &enrolment.agent_key, &enrolment.proof);
    if !is_proven || token != TOKEN {
        return Reply::problem(401, "enrolment_token_unknown");
    }
    if state.key.is_some_and(|key| key != enrolment.agent_key) {
        return Reply::problem(409, "enrolment_token_spent");
    }
    state.key = Some(enrolment.agent_key);
    state.enrolments += 1;
    let [id, provider] = [AGENT, "provider-1"].map(|id| Id::parse(id).unwrap());
    let now = state.now();
    json(
        201,
        &Enrolled {
            id,
            provider,
            heartbeat_every_s: 30,
            now,
        },
    )
}
