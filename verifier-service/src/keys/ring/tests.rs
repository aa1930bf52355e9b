use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use receipt::{Algorithm, Jwk};

use super::*;

const NOW: i64 = 1_000_000;

fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(secs)
}

/// A key that may sign since `from`.
fn key(n: u8, from: Option<i64>) -> KeyRecord {
    KeyRecord {
        jwk: public_key(n),
        added_at: at(NOW - 1000),
        usable_from: from.map(at),
        retired_at: None,
        leaked_at: None,
        receipts_live_s: None,
    }
}

/// A public key from a seed of one byte.
fn public_key(n: u8) -> Jwk {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[n; 32]).unwrap();
    Jwk::from_public_key(Algorithm::Ed25519, pair.public_key().as_ref()).unwrap()
}

fn ring(keys: &[KeyRecord]) -> Ring {
    Ring::new(keys.to_vec(), Vec::new())
}

fn all(_: Thumbprint) -> bool {
    true
}

fn kid(n: u8) -> Thumbprint {
    key(n, None).jwk.kid()
}

fn signer(ring: &Ring, now: i64) -> Option<Thumbprint> {
    ring.signs_at(at(now), all).map(|key| key.jwk.kid())
}

#[test]
fn a_key_passes_through_its_stages_in_one_direction() {
    let mut key = key(1, None);
    assert_eq!(key.stage(at(NOW)), Stage::Added);
    key.usable_from = Some(at(NOW + 10));
    assert_eq!(key.stage(at(NOW + 9)), Stage::Announced);
    assert_eq!(key.stage(at(NOW + 10)), Stage::Usable);
    key.retired_at = Some(at(NOW + 20));
    assert_eq!(key.stage(at(NOW + 19)), Stage::Usable);
    assert_eq!(key.stage(at(NOW + 20)), Stage::Retired);
    // Some receipts have no end: neither has the key.
    assert_eq!(key.stage(at(i64::MAX)), Stage::Retired);
    key.receipts_live_s = Some(30);
    let last = NOW + 20 + 30 + LINGERS_S;
    assert_eq!(key.stage(at(last)), Stage::Retired);
    assert_eq!(key.stage(at(last + 1)), Stage::Past);
    key.leaked_at = Some(at(NOW));
    assert_eq!(key.stage(at(NOW)), Stage::Leaked);
}

#[test]
fn the_successor_signs_from_the_second_in_which_it_may() {
    let ring = ring(&[key(1, Some(NOW - 100)), key(2, Some(NOW)), key(3, None)]);
    assert_eq!(signer(&ring, NOW - 101), None);
    assert_eq!(signer(&ring, NOW - 1), Some(kid(1)));
    assert_eq!(signer(&ring, NOW), Some(kid(2)));
    assert_eq!(ring.succeeded(at(NOW - 1), all), []);
    assert_eq!(ring.succeeded(at(NOW), all), [kid(1)]);
    assert_eq!(ring.unpublished().collect::<Vec<_>>(), [kid(3)]);
}

#[test]
fn what_is_not_held_signs_nothing_and_retires_nothing() {
    let ring = ring(&[key(1, Some(NOW - 100)), key(2, Some(NOW + 50))]);
    let first = |k: Thumbprint| k == kid(1);
    let second = |k: Thumbprint| k == kid(2);
    let signing = |now, held: &dyn Fn(Thumbprint) -> bool| {
        ring.signs_at(at(now), held).map(|key| key.jwk.kid())
    };
    assert_eq!(signing(NOW + 60, &first), Some(kid(1)));
    assert_eq!(ring.succeeded(at(NOW + 60), first), []);
    assert_eq!(signing(NOW, &second), None);
    assert_eq!(ring.signs_from(second), Some(at(NOW + 50)));
    assert_eq!(ring.signs_from(|_| false), None);
}

#[test]
fn of_three_keys_in_a_row_each_is_succeeded_by_the_next() {
    let keys = [
        key(1, Some(NOW)),
        key(2, Some(NOW + 10)),
        key(3, Some(NOW + 20)),
    ];
    let mut keys = keys;
    let succeeded = |keys: &[KeyRecord], now| ring(keys).succeeded(at(now), all);
    assert_eq!(succeeded(&keys, NOW + 10), [kid(1)]);
    assert_eq!(succeeded(&keys, NOW + 30), [kid(1), kid(2)]);
    // What has an end is given no other.
    keys[0].retired_at = Some(at(NOW + 40));
    assert_eq!(succeeded(&keys, NOW + 30), [kid(2)]);
}

#[test]
fn a_key_is_published_from_before_it_signs_until_its_receipts_end() {
    let mut keys = [
        key(1, Some(NOW)),
        key(2, None),
        key(3, Some(NOW + 5)),
        key(4, Some(NOW)),
    ];
    keys[0].retired_at = Some(at(NOW + 1));
    keys[0].receipts_live_s = Some(10);
    keys[3].leaked_at = Some(at(NOW));
    let published = |now| {
        let set = ring(&keys).published(at(now)).unwrap();
        let keys = set.keys().iter();
        keys.map(|key| (key.jwk.kid(), key.retired_at.map(receipt::UnixTime::secs)))
            .collect::<Vec<_>>()
    };
    let retired = Some(u64::try_from(NOW + 1).unwrap());
    assert_eq!(
        published(NOW),
        [(kid(1), retired), (kid(2), None), (kid(3), None)]
    );
    let after = NOW + 1 + 10 + LINGERS_S + 1;
    assert_eq!(published(after), [(kid(2), None), (kid(3), None)]);
}

#[test]
fn keys_of_another_service_stand_beside_ours_once() {
    let foreign = |n| PublishedKey {
        jwk: key(n, None).jwk,
        retired_at: Some(receipt::UnixTime::from_secs(5)),
    };
    let ring = Ring::new(vec![key(1, Some(NOW))], vec![foreign(1), foreign(2)]);
    let set = ring.published(at(NOW)).unwrap();
    assert_eq!(set.keys().len(), 2);
    assert_eq!(set.find(&kid(1)).unwrap().retired_at, None);
    assert!(set.find(&kid(2)).unwrap().retired_at.is_some());
    let none = Ring::default().published(at(NOW));
    assert_eq!(none, Err(JwksError::NoUsableKey));
}
