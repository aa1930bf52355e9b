use std::sync::Arc;

use super::*;
use crate::parties::{Kind, Scopes};
use crate::store::parties::{AddedKey, AddedParty, ApiKey, PageOf, Party, PartyStore};

pub(super) fn party(n: i64, kind: Kind) -> Party {
    Party {
        id: Id::random(),
        kind,
        name: format!("party {n}"),
        oidc_name: (n > 0).then(|| format!("oidc {n}")),
        created_at: UnixTime::from_secs(n),
        barred_at: None,
    }
}

fn key(party: &Party, n: u8) -> ApiKey {
    ApiKey {
        id: Id::random(),
        party: party.id,
        prefix: format!("{n:08}"),
        sha256: [n; 32],
        scopes: "jobs:read books:read".parse::<Scopes>().unwrap(),
        label: n.is_multiple_of(2).then(|| "even".to_owned()),
        created_at: UnixTime::from_secs(i64::from(n)),
        expires_at: n.is_multiple_of(2).then_some(EXPIRES),
        revoked_at: None,
        last_used_at: None,
    }
}

on_both! {
    async fn parties_are_found_by_both_names_and_listed_from_the_latest(rig) {
        let store = &rig.store;
        let parties = [0, 1, 2, 3].map(|n| party(n, Kind::Tenant));
        for party in &parties {
            assert_eq!(store.add_party(party.clone(), by(NOW)).await.unwrap(), AddedParty::Stored);
            assert_eq!(store.party(party.id).await.unwrap().as_ref(), Some(party));
        }
        let same_name = party(1, Kind::Provider);
        assert_eq!(store.add_party(same_name.clone(), by(NOW)).await.unwrap(), AddedParty::OidcNameTaken);
        assert_eq!(store.party(same_name.id).await.unwrap(), None);
        assert_eq!(store.party_of_oidc_name("oidc 1").await.unwrap().as_ref(), Some(&parties[1]));
        assert_eq!(store.party_of_oidc_name("oidc 9").await.unwrap(), None);
        // Without a name there, two are not one.
        store.add_party(party(0, Kind::Tenant), by(NOW)).await.unwrap();
        let page = |after| store.parties(PageOf { after, limit: 2 });
        let first = page(None).await.unwrap();
        assert_eq!(first, [parties[3].clone(), parties[2].clone()]);
        let second = page(Some((first[1].created_at, first[1].id))).await.unwrap();
        assert_eq!(second[0], parties[1]);
        assert_eq!(second.len(), 2);
    }

    async fn keys_are_found_by_prefix_until_they_end(rig) {
        let store = &rig.store;
        let one = party(1, Kind::Tenant);
        store.add_party(one.clone(), by(NOW)).await.unwrap();
        let keys = [1, 2].map(|n| key(&one, n));
        for key in &keys {
            assert_eq!(store.add_api_key(key.clone(), 9, by(NOW)).await.unwrap(), AddedKey::Stored);
        }
        let found = store.api_key_of_prefix("00000002").await.unwrap();
        assert_eq!(found, Some((keys[1].clone(), one.clone())));
        assert_eq!(store.api_key_of_prefix("00000009").await.unwrap(), None);
        let same_prefix = store.add_api_key(key(&one, 2), 9, by(NOW)).await.unwrap();
        assert_eq!(same_prefix, AddedKey::PrefixTaken);
        let of_nobody = store.add_api_key(key(&party(2, Kind::Tenant), 3), 9, by(NOW)).await.unwrap();
        assert_eq!(of_nobody, AddedKey::NoParty);
        let at = UnixTime::from_secs;
        store.api_key_used(keys[0].id, at(50)).await.unwrap();
        store.api_key_used(keys[0].id, at(40)).await.unwrap();
        assert!(store.revoke_api_key(one.id, keys[0].id, by(at(60))).await.unwrap());
        assert!(store.revoke_api_key(one.id, keys[0].id, by(at(70))).await.unwrap());
        assert!(!store.revoke_api_key(Id::random(), keys[1].id, by(at(60))).await.unwrap());
        let ended = ApiKey {
            last_used_at: Some(at(50)),
            revoked_at: Some(at(60)),
            ..keys[0].clone()
        };
        assert_eq!(store.api_keys(one.id, 9).await.unwrap(), [keys[1].clone(), ended]);
        assert_eq!(store.api_keys(one.id, 1).await.unwrap().len(), 1);
    }

    async fn only_keys_that_count_are_counted(rig) {
        let store = &rig.store;
        let one = party(1, Kind::Tenant);
        store.add_party(one.clone(), by(NOW)).await.unwrap();
        let revoked = key(&one, 1);
        store.add_api_key(revoked.clone(), 2, by(NOW)).await.unwrap();
        store.add_api_key(key(&one, 2), 2, by(NOW)).await.unwrap();
        assert_eq!(store.add_api_key(key(&one, 3), 2, by(NOW)).await.unwrap(), AddedKey::TooMany);
        store.revoke_api_key(one.id, revoked.id, by(NOW)).await.unwrap();
        assert_eq!(store.add_api_key(key(&one, 3), 2, by(NOW)).await.unwrap(), AddedKey::Stored);
        let after_the_end_of_2 = ApiKey {
            created_at: EXPIRES,
            ..key(&one, 5)
        };
        assert_eq!(store.add_api_key(after_the_end_of_2, 2, by(NOW)).await.unwrap(), AddedKey::Stored);
    }

    async fn as_many_keys_as_there_may_be_also_when_all_come_at_once(rig) {
        let one = party(1, Kind::Tenant);
        rig.store.add_party(one.clone(), by(NOW)).await.unwrap();
        let (store, other) = (Arc::new(rig.store.clone()), Arc::new(rig.reopen().await));
        let adds: Vec<_> = (1..=8)
            .map(|n| {
                let store = if n % 2 == 0 { Arc::clone(&store) } else { Arc::clone(&other) };
                let key = key(&one, n);
                tokio::spawn(async move { store.add_api_key(key, 3, by(NOW)).await.unwrap() })
            })
            .collect();
        let mut stored = 0;
        for add in adds {
            stored += usize::from(add.await.unwrap() == AddedKey::Stored);
        }
        assert_eq!(stored, 3);
    }
}
