//! The shortest correct marketplace: pays for a job once, on a receipt it checked itself, offline.
//!
//! ```text
//! cargo run --release -p pogw-receipt --example marketplace -- TOKEN JWKS ISSUER AUDIENCE JOB_DIGEST
//! ```
//!
//! What it pays for: A2 and `freivalds` mean that the output is right, but for the stated error probability, and was
//! fixed before a genuine device signed; not that the device computed it.
//!
//! `TOKEN` and `JWKS` are files; the key set is one you fetched over TLS from the issuer you chose, ahead of time, and
//! fetch again now and then. What is left to do in earnest: ask the verifier how the receipt stands, and pay where it
//! `holds` (a job may find work wrong after its receipt was issued, until it is settled); keep the set of paid ids in your
//! database, under a unique constraint, in the transaction that pays.

#![expect(
    clippy::disallowed_methods,
    reason = "a marketplace has files and a clock; the crate it calls has not"
)]

use std::collections::HashSet;
use std::env;
use std::error::Error;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use receipt::{Expectations, Jwks, Level, UnixTime, Validator};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [token, jwks, issuer, audience, job] = args.as_slice() else {
        return Err("usage: marketplace TOKEN JWKS ISSUER AUDIENCE JOB_DIGEST".into());
    };
    let keys = Jwks::parse(&fs::read_to_string(jwks)?)?;
    let expected = Expectations::new(issuer, audience)?
        .minimum_level(Level::A2)
        .job(job.parse()?);
    let now = UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    let mut paid = HashSet::new();

    match Validator::new(keys, expected).validate(fs::read_to_string(token)?.trim_end(), now) {
        Err(rejected) => println!("pay nothing: {} ({rejected})", rejected.code()),
        Ok(receipt) if receipt.results().is_empty() => {
            println!("pay nothing: no check of the result held");
        }
        Ok(receipt) if paid.insert(receipt.id().to_owned()) => {
            let results: Vec<_> = receipt
                .results()
                .iter()
                .map(|check| check.as_str())
                .collect();
            let (level, results) = (receipt.level(), results.join(" and "));
            println!(
                "pay {} for {}: {level}, {results}",
                receipt.subject(),
                receipt.job_digest()
            );
        }
        Ok(receipt) => println!("paid already: {}", receipt.id()),
    }
    Ok(())
}
