//! The verifier: the way to it, whether it is ready, and what time its clock shows.
//!
//! The test is one request. Only if it fails, the steps are tried one by one to find the one that fails, since a
//! request may take another way, through a proxy.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Finding, FindingId, Limits, coverage, now, within};
use crate::agent::blocking;
use crate::clock::Clock;
use crate::http::{self, Answer, HttpSettings};
use crate::verifier::Verifier;

/// How far two clocks may be apart, seconds. Challenges live for minutes and are counted on one clock alone; what
/// suffers first is the judgement of certificates and manifests that begin or end today.
const MAX_OFFSET_S: u64 = 60;
/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

/// Everything about a verifier.
const QUESTIONS: [FindingId; 8] = [
    FindingId::VerifierAddress,
    FindingId::VerifierName,
    FindingId::VerifierConnect,
    FindingId::VerifierTls,
    FindingId::VerifierHttp,
    FindingId::VerifierReady,
    FindingId::Clock,
    FindingId::ReferenceManifest,
];

/// The settings of requests, with less patience.
pub(super) fn http_settings(settings: &HttpSettings, limits: Limits) -> HttpSettings {
    let at_most = |seconds: u64| seconds.min(limits.network_s).max(1);
    HttpSettings {
        connect_timeout_s: at_most(settings.connect_timeout_s),
        timeout_s: at_most(settings.timeout_s),
        ca_file: settings.ca_file.clone(),
    }
}

/// Where none is set.
pub(super) fn without_verifier() -> Vec<Finding> {
    let address = FindingId::VerifierAddress;
    let mut findings = vec![Finding::unknown(address, "no verifier is set")];
    let rest = QUESTIONS.into_iter().filter(|id| *id != address);
    findings.extend(rest.map(|id| Finding::open(id, address)));
    findings
}

pub(super) async fn examine(
    verifier: &Verifier,
    limits: Limits,
    ids: &[String],
    clock: &dyn Clock,
) -> Vec<Finding> {
    let address = Finding::ok(FindingId::VerifierAddress, verifier.url());
    let mut findings = vec![address];
    let answer = match verifier.get("readyz", &[]).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            findings.extend(way(verifier, limits, &error).await);
            return findings;
        }
        Err(error) => {
            let http = Finding::problem(FindingId::VerifierHttp, error.to_string());
            findings.extend(through(verifier));
            findings.extend(failed(verifier, http.code(error.code())));
            return findings;
        }
    };
    let mut readings = Vec::from_iter(date(&answer, clock));
    let status = format!("HTTP {}", answer.status);
    findings.extend(through(verifier));
    findings.push(Finding::ok(FindingId::VerifierHttp, status));
    findings.push(ready(&answer));
    let (manifests, as_of) = coverage::examine(verifier, ids, clock).await;
    findings.extend(manifests);
    readings.extend(as_of);
    findings.push(clocks(&readings));
    findings
}

/// How far the host's clock is from one of the verifier's.
pub(super) struct Reading {
    pub(super) of: &'static str,
    /// Positive: this host is ahead.
    pub(super) ahead_s: i64,
}

fn date(answer: &Answer, clock: &dyn Clock) -> Option<Reading> {
    Some(Reading {
        of: "the `Date` of the verifier's answer",
        ahead_s: now(clock).secs().saturating_sub(answer.date()?.secs()),
    })
}

fn clocks(readings: &[Reading]) -> Finding {
    let id = FindingId::Clock;
    let told: Vec<_> = readings
        .iter()
        .map(|Reading { of, ahead_s }| {
            let (apart, word) = (ahead_s.unsigned_abs(), direction(*ahead_s));
            format!("this host is {apart} s {word} {of}")
        })
        .collect();
    let apart = readings
        .iter()
        .map(|reading| reading.ahead_s.unsigned_abs());
    match apart.max() {
        None => Finding::unknown(id, "the verifier told no time"),
        Some(apart) if apart > MAX_OFFSET_S => Finding::problem(id, told.join("; ")),
        Some(_) => Finding::ok(id, told.join("; ")),
    }
}

fn direction(ahead_s: i64) -> &'static str {
    match ahead_s {
        ..0 => "behind",
        0.. => "ahead of",
    }
}

fn ready(answer: &Answer) -> Finding {
    let id = FindingId::VerifierReady;
    let problem = answer.problem();
    match answer.status {
        200 => Finding::ok(id, "ready"),
        404 => Finding::unknown(id, "there is no /readyz at this address").mend(
            "Nothing here says no: a verifier may tell its readiness on an inner address alone.",
        ),
        500..600 if problem.code.is_empty() => Finding::problem(id, problem.to_string()),
        500..600 => Finding::problem(id, problem.to_string()).code(problem.code),
        _ => Finding::unknown(id, problem.to_string()),
    }
}

/// The steps before HTTP of a request that got through.
fn through(verifier: &Verifier) -> [Finding; 3] {
    let through = |id| Finding::ok(id, "a request got through");
    [
        through(FindingId::VerifierName),
        through(FindingId::VerifierConnect),
        tls(verifier).unwrap_or_else(|| through(FindingId::VerifierTls)),
    ]
}

/// What there is to say of TLS where there is none.
fn tls(verifier: &Verifier) -> Option<Finding> {
    let plain = verifier.base().scheme() == "http";
    plain.then(|| Finding::not_applicable(FindingId::VerifierTls, "the address is http"))
}

/// A step that failed, and everything behind it.
fn failed(verifier: &Verifier, step: Finding) -> Vec<Finding> {
    let id = step.id;
    let behind = QUESTIONS.into_iter().filter(|behind| *behind > id);
    let open = behind.map(|behind| match (behind, tls(verifier)) {
        (FindingId::VerifierTls, Some(none)) => none,
        _ => Finding::open(behind, id),
    });
    std::iter::once(step).chain(open).collect()
}

/// Which step of a failed request it was.
async fn way(verifier: &Verifier, limits: Limits, error: &reqwest::Error) -> Vec<Finding> {
    let limit = Duration::from_secs(limits.network_s);
    let addresses = match resolve(verifier, limit).await {
        Ok(addresses) => addresses,
        Err(why) => return failed(verifier, Finding::problem(FindingId::VerifierName, why)),
    };
    let shown: Vec<_> = addresses.iter().map(|a| a.ip().to_string()).collect();
    let mut steps = vec![Finding::ok(FindingId::VerifierName, shown.join(" "))];
    match connect(&addresses, limit).await {
        Ok(address) => {
            let connected = format!("connected to {address}");
            steps.push(Finding::ok(FindingId::VerifierConnect, connected));
        }
        Err(why) => {
            let step = Finding::problem(FindingId::VerifierConnect, why);
            steps.extend(failed(verifier, step));
            return steps;
        }
    }
    let why = http::chain(error);
    match tls(verifier) {
        // The client counts the handshake as part of connecting.
        None if error.is_connect() => {
            let step = Finding::problem(FindingId::VerifierTls, why);
            steps.extend(failed(verifier, step));
            return steps;
        }
        None => steps.push(Finding::ok(FindingId::VerifierTls, "the handshake is done")),
        Some(none) => steps.push(none),
    }
    let step = Finding::problem(FindingId::VerifierHttp, why);
    steps.extend(failed(verifier, step));
    steps
}

async fn resolve(verifier: &Verifier, limit: Duration) -> Result<Vec<SocketAddr>, String> {
    let url = verifier.base().clone();
    // On a thread that can be left behind: name servers have a patience of their own.
    let resolved = blocking(move || within(limit, move || url.socket_addrs(|| None))).await;
    match resolved {
        Some(Ok(addresses)) if addresses.is_empty() => Err("the name has no address".to_owned()),
        Some(Ok(addresses)) => Ok(addresses.into_iter().take(MAX_ADDRESSES).collect()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err(format!(
            "no answer of a name server within {} s",
            limit.as_secs()
        )),
    }
}

/// The first address that answers.
async fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<SocketAddr, String> {
    let attempts = async {
        let mut failures = Vec::new();
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(_) => return Ok(*address),
                Err(error) => failures.push(format!("{address}: {error}")),
            }
        }
        Err(failures.join("; "))
    };
    let late = || format!("no connection within {} s", limit.as_secs());
    timeout(limit, attempts)
        .await
        .unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use super::super::FindingStatus;
    use super::*;

    fn reading(ahead_s: i64) -> Reading {
        Reading {
            of: "the clock",
            ahead_s,
        }
    }

    #[test]
    fn clocks_may_be_a_minute_apart_and_no_more() {
        let table = [
            (vec![], FindingStatus::Unknown),
            (vec![0], FindingStatus::Ok),
            (vec![60], FindingStatus::Ok),
            (vec![-60], FindingStatus::Ok),
            (vec![61], FindingStatus::Problem),
            (vec![-61], FindingStatus::Problem),
            (vec![1, 300], FindingStatus::Problem),
            (vec![i64::MIN], FindingStatus::Problem),
        ];
        for (offsets, expected) in table {
            let readings: Vec<_> = offsets.iter().copied().map(reading).collect();
            assert_eq!(clocks(&readings).status, expected, "{offsets:?}");
        }
        let told = clocks(&[reading(-300)]).found;
        assert_eq!(told, "this host is 300 s behind the clock");
    }

    #[test]
    fn the_steps_of_the_way_stand_in_their_order() {
        assert!(QUESTIONS.is_sorted());
    }
}
