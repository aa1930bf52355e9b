//! Manifests from a service: one request for all, and every rule of freshness.

use super::*;

#[tokio::test]
async fn a_manifest_is_asked_for_fetched_and_found() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "nvapi-test\n").unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let fake = Fake::new(Fake::any_rim).await;
    let mut settings = with_rims(&fake);
    settings.rim_service.url = Some(fake.url.clone() + "/mirror/");
    settings.rim_service.service_key_file = Some(key);
    let site = Site::new(&settings, None);

    let Lookup::Ask(need) = site.rim(DRIVER_ID) else {
        panic!("nothing is at hand");
    };
    assert_eq!(need, Need::Rim(DRIVER_ID.to_owned()));
    site.collateral.fetch(vec![need], soon()).await;
    let found = site.found(DRIVER_ID);
    assert!(matches!(*found.rim, Examined::Authentic(_)));
    assert_eq!(found.sha256, crypto::sha256(&found.document));
    assert_eq!(
        (found.origin, found.fetched_at),
        (Origin::Service, Some(NOW))
    );
    assert_eq!(found.rim.peek().unwrap().version(), DRIVER_VERSION);
    let updated = UnixTime::parse_rfc3339("2026-05-06T07:08:09Z");
    assert_eq!(found.last_updated, updated);

    let asked = fake.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, format!("/mirror/v1/rim/{DRIVER_ID}"));
    assert_eq!(asked[0].headers["authorization"], "Bearer nvapi-test");
    assert_eq!(site.collateral.rim_ids(NOW).unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_who_wait_are_one_request() {
    let fake = Fake::new(|asked| Says {
        after: Duration::from_millis(200),
        ..Fake::any_rim(asked)
    })
    .await;
    let site = Site::new(&with_rims(&fake), None);
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let collateral = Arc::clone(&site.collateral);
            tokio::spawn(async move {
                let need = Need::Rim(DRIVER_ID.to_owned());
                collateral.fetch(vec![need], soon()).await;
                matches!(collateral.look_up_rim(DRIVER_ID, NOW), Lookup::Found(_))
            })
        })
        .collect();
    for waiter in waiting {
        assert!(waiter.await.unwrap());
    }
    assert_eq!(fake.hits(), 1);
}

#[tokio::test]
async fn who_gives_up_leaves_the_request_to_the_others() {
    let fake = Fake::new(|asked| Says {
        after: Duration::from_millis(200),
        ..Fake::any_rim(asked)
    })
    .await;
    let site = Site::new(&with_rims(&fake), None);
    let need = Need::Rim(DRIVER_ID.to_owned());
    let hurried = Instant::now() + Duration::from_millis(20);
    site.collateral.fetch(vec![need.clone()], hurried).await;
    assert!(matches!(site.rim(DRIVER_ID), Lookup::Ask(_)));
    let absence = site.collateral.settle_rim(DRIVER_ID, NOW).unwrap_err();
    assert_eq!(absence.reason.message, "RIM service: no answer in time");
    assert_eq!(absence.kind, AbsenceKind::Unreachable);
    assert_eq!(absence.reason.code, Code::RimNotAvailable);

    // Another one is dropped while it waits.
    let waiting = site.collateral.fetch(vec![need.clone()], soon());
    drop(tokio::time::timeout(Duration::from_millis(20), waiting).await);
    site.collateral.fetch(vec![need], soon()).await;
    site.found(DRIVER_ID);
    assert_eq!(fake.hits(), 1);
}

#[tokio::test]
async fn after_half_its_time_a_manifest_is_renewed_behind_the_scenes() {
    let fake = Fake::new(Fake::any_rim).await;
    let site = Site::new(&with_rims(&fake), None);
    site.want(DRIVER_ID).await;
    site.clock.advance_s(DAY / 2 - 1);
    site.found(DRIVER_ID);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(fake.hits(), 1, "fresh enough");

    site.clock.advance_s(1);
    site.collateral
        .settle_rim(DRIVER_ID, site.clock.now())
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        fake.hits(),
        1,
        "who settles for what is at hand asks nobody"
    );

    let at_once = site.found(DRIVER_ID);
    assert_eq!(at_once.fetched_at, Some(NOW));
    fake.until_asked(2).await;
    let renewed = site.clock.now();
    while site.found(DRIVER_ID).fetched_at != Some(renewed) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(fake.hits(), 2, "a refresh is one request too");
}

#[tokio::test]
async fn of_another_day_a_manifest_counts_whenever_it_came() {
    let fake = Fake::new(Fake::any_rim).await;
    let site = Site::new(&with_rims(&fake), None);
    let of_the_past = || site.collateral.rim_of_the_past(DRIVER_ID, NOW);
    of_the_past().unwrap_err();
    site.clock.advance_s(DAY);
    site.want(DRIVER_ID).await;
    assert_eq!(of_the_past().unwrap().fetched_at, Some(site.clock.now()));
    assert_eq!(fake.hits(), 1);
    // Too old for today, and good for its day.
    let site = Site::new(&with_rims(&fake), None);
    site.want(DRIVER_ID).await;
    site.clock.advance_s(8 * DAY);
    let of_the_past = site.collateral.rim_of_the_past(DRIVER_ID, NOW);
    assert_eq!(of_the_past.unwrap().fetched_at, Some(NOW));
    assert_eq!(fake.hits(), 2);
}

#[tokio::test]
async fn a_refresh_that_fails_costs_nothing_while_the_copy_is_fresh() {
    let fake = Fake::new(Fake::any_rim).await;
    let site = Site::new(&with_rims(&fake), None);
    site.want(DRIVER_ID).await;
    fake.says(|_| Says::status(500));
    site.clock.advance_s(DAY / 2);
    for _ in 0..5 {
        assert_eq!(site.found(DRIVER_ID).origin, Origin::Service);
    }
    fake.until_asked(2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(site.found(DRIVER_ID).origin, Origin::Service);
    assert_eq!(fake.hits(), 2, "a failure is remembered");
}

#[tokio::test]
async fn an_outage_is_bridged_up_to_the_bound_and_said_so() {
    let fake = Fake::new(Fake::any_rim).await;
    let site = Site::new(&with_rims(&fake), None);
    site.want(DRIVER_ID).await;
    fake.says(|_| Says::status(503));

    site.clock.advance_s(DAY + 1);
    assert!(matches!(site.rim(DRIVER_ID), Lookup::Ask(_)), "tried first");
    site.want(DRIVER_ID).await;
    let stale = site.found(DRIVER_ID);
    assert!(stale.is_stale() && stale.origin == Origin::StaleCopy);
    assert_eq!(stale.fetched_at, Some(NOW));

    site.clock.set(UnixTime::from_secs(NOW.secs() + 7 * DAY));
    site.want(DRIVER_ID).await;
    assert!(site.found(DRIVER_ID).is_stale());
    site.clock.advance_s(1);
    let absence = site.absent(DRIVER_ID);
    assert_eq!(absence.kind, AbsenceKind::Unreachable);
    assert_eq!(absence.reason.message, "RIM service: status 503");
    assert_eq!(absence.reason.expected.as_deref(), Some(DRIVER_ID));

    fake.says(Fake::any_rim);
    site.clock.advance_s(10);
    site.want(DRIVER_ID).await;
    assert!(!site.found(DRIVER_ID).is_stale());
}

#[tokio::test]
async fn a_service_too_slow_for_this_request_leaves_it_the_stale_copy() {
    let fake = Fake::new(Fake::any_rim).await;
    let site = Site::new(&with_rims(&fake), None);
    site.want(DRIVER_ID).await;
    fake.says(|asked| Says {
        after: Duration::from_millis(500),
        ..Fake::any_rim(asked)
    });
    site.clock.advance_s(DAY + 1);
    let Lookup::Ask(need) = site.rim(DRIVER_ID) else {
        panic!("no longer fresh");
    };
    let hurried = Instant::now() + Duration::from_millis(20);
    site.collateral.fetch(vec![need.clone()], hurried).await;
    let settled = |now| site.collateral.settle_rim(DRIVER_ID, now);
    assert!(settled(site.clock.now()).unwrap().is_stale());
    settled(UnixTime::from_secs(NOW.secs() + 7 * DAY + 1)).unwrap_err();
    site.collateral.fetch(vec![need], soon()).await;
    assert!(!settled(site.clock.now()).unwrap().is_stale());
    assert_eq!(fake.hits(), 2);
}

#[tokio::test]
async fn a_manifest_the_service_does_not_have_is_remembered_as_missing() {
    let fake = Fake::new(|_| Says::no_such_rim()).await;
    let site = Site::new(&with_rims(&fake), None);
    site.want(DRIVER_ID).await;
    let absence = site.absent(DRIVER_ID);
    assert_eq!(absence.kind, AbsenceKind::Missing);
    assert_eq!(absence.reason.code, Code::RimNotAvailable);
    assert_eq!(
        absence.reason.message,
        "RIM service: no manifest of this id"
    );
    site.clock.advance_s(299);
    site.absent(DRIVER_ID);
    site.clock.advance_s(1);
    assert!(matches!(site.rim(DRIVER_ID), Lookup::Ask(_)));
    assert_eq!(fake.hits(), 1);
}

#[tokio::test]
async fn a_manifest_taken_back_is_dropped() {
    let fake = Fake::new(Fake::any_rim).await;
    let site = Site::new(&with_rims(&fake), None);
    site.want(DRIVER_ID).await;
    fake.says(|_| Says::no_such_rim());
    site.clock.advance_s(DAY / 2);
    site.found(DRIVER_ID);
    fake.until_asked(2).await;
    while !matches!(site.rim(DRIVER_ID), Lookup::Absent(_)) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(site.absent(DRIVER_ID).kind, AbsenceKind::Missing);
}

#[tokio::test]
async fn the_directory_comes_before_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("{DRIVER_ID}.xml"));
    std::fs::write(&file, PKI.manifest(DRIVER_VERSION)).unwrap();
    let fake = Fake::new(Fake::any_rim).await;
    let mut settings = with_rims(&fake);
    settings.rim_dir = Some(folder.path().to_owned());
    let site = Site::new(&settings, None);
    let found = site.found(DRIVER_ID);
    assert_eq!((found.origin, found.fetched_at), (Origin::Directory, None));
    // What the operator filed stands, also when it is refused.
    std::fs::write(&file, "<html/>").unwrap();
    tokio::time::sleep(LOOK_AGAIN).await;
    assert!(matches!(
        *site.found(DRIVER_ID).rim,
        Examined::Unreadable(_)
    ));
    assert_eq!(fake.hits(), 0);
    std::fs::remove_file(&file).unwrap();
    tokio::time::sleep(LOOK_AGAIN).await;
    site.want(DRIVER_ID).await;
    assert_eq!(site.found(DRIVER_ID).origin, Origin::Service);
}

#[tokio::test]
async fn without_a_source_the_reason_says_so() {
    let site = Site::new(&AppraisalSettings::default(), None);
    let absence = site.absent(DRIVER_ID);
    assert_eq!(absence.kind, AbsenceKind::NotConfigured);
    let folder = tempfile::tempdir().unwrap();
    let mut settings = AppraisalSettings {
        rim_dir: Some(folder.path().to_owned()),
        ..AppraisalSettings::default()
    };
    let absence = Site::new(&settings, None).absent(DRIVER_ID);
    assert_eq!(absence.kind, AbsenceKind::Missing);
    // A path that is no directory cannot be looked into.
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    settings.rim_dir = Some(file);
    let absence = Site::new(&settings, None).absent(DRIVER_ID);
    assert_eq!(absence.kind, AbsenceKind::Unreachable);
}

#[tokio::test]
async fn an_unsafe_id_goes_nowhere() {
    let fake = Fake::new(Fake::any_rim).await;
    let site = Site::new(&with_rims(&fake), None);
    for id in ["", "..", "../x", "a/b", "a b", "a%2fb", "a?b"] {
        site.want(id).await;
        assert_eq!(site.absent(id).kind, AbsenceKind::Missing, "{id}");
    }
    assert_eq!(fake.hits(), 0);
}

#[tokio::test]
async fn what_came_since_the_look_up_is_not_asked_for_again() {
    let fake = Fake::new(Fake::any_rim).await;
    let site = Site::new(&with_rims(&fake), None);
    let need = || vec![Need::Rim(DRIVER_ID.to_owned())];
    // Two looked for it when it was not there, and the second comes to ask when the first has it.
    for _ in 0..2 {
        let asking = site.collateral.fetch_missing(need(), None, soon());
        asking.await;
        site.found(DRIVER_ID);
    }
    assert_eq!(fake.hits(), 1);
    fake.says(|_| Says::status(500));
    let other = || vec![Need::Rim("NV_GPU_DRIVER_GH100_1".to_owned())];
    for _ in 0..2 {
        let asking = site.collateral.fetch_missing(other(), None, soon());
        asking.await;
    }
    assert_eq!(fake.hits(), 2, "nor what could not be had");
}

#[tokio::test]
async fn what_clients_of_the_mirror_ask_for_is_kept_apart() {
    let fake = Fake::new(Fake::any_rim).await;
    let site = Site::new(&with_rims(&fake), None);
    let ids = || vec![DRIVER_ID.to_owned()];
    site.collateral.mirror(ids(), soon()).await;
    let mirrored = site.collateral.settle_mirrored(DRIVER_ID, NOW).unwrap();
    assert_eq!(mirrored.origin, Origin::Service);
    assert_eq!(fake.hits(), 1);
    let Lookup::Ask(need) = site.rim(DRIVER_ID) else {
        panic!("an appraisal goes by what appraisals asked for");
    };
    // And the other way round: what appraisals have is handed out.
    site.collateral.fetch(vec![need], soon()).await;
    site.collateral
        .fetcher
        .mirrored
        .withdraw(&DRIVER_ID.to_owned());
    let mirrored = site.collateral.settle_mirrored(DRIVER_ID, NOW).unwrap();
    assert_eq!(mirrored.sha256, site.found(DRIVER_ID).sha256);
    assert_eq!(fake.hits(), 2);
}

#[tokio::test]
async fn clients_of_the_mirror_take_no_place_from_an_appraisal() {
    let fake = Fake::new(Fake::any_rim).await;
    let site = Site::new(&with_rims(&fake), None);
    let places = &site.collateral.fetcher.mirror_places;
    let all = u32::try_from(places.available_permits()).unwrap();
    let taken = places.acquire_many(all).await.unwrap();
    site.collateral
        .fetch(vec![Need::Rim(DRIVER_ID.to_owned())], soon())
        .await;
    assert_eq!(site.found(DRIVER_ID).origin, Origin::Service);
    drop(taken);
}

#[tokio::test]
async fn nor_does_a_flood_of_them_keep_an_appraisal_on_the_ground() {
    let (flood, crawls) = ("_9.", Duration::from_secs(3600));
    let fake = Fake::new(move |asked| Says {
        after: if asked.path.contains(flood) {
            crawls
        } else {
            Duration::ZERO
        },
        ..Fake::any_rim(asked)
    });
    let fake = fake.await;
    let site = Site::new(&with_rims(&fake), None);
    let ids = |n: usize| format!("NV_GPU_DRIVER_GH100{flood}{n}");
    let asked = (0..2 * MAX_FLIGHTS).map(ids).collect();
    site.collateral.mirror(asked, Instant::now()).await;
    let fetcher = &site.collateral.fetcher;
    let one_more = Errand::Mirror(DRIVER_ID.to_owned());
    assert!(
        fetcher.launch(one_more).is_none(),
        "the flood takes every place of strangers"
    );
    let by_relay: Vec<_> = (0..MAX_FLIGHTS)
        .map(|n| fetcher.relay_flights.join(&Errand::Mirror(ids(n))))
        .collect();
    assert!(
        by_relay.iter().all(Option::is_some),
        "relay and mirror keep each other from nothing"
    );
    site.want(DRIVER_ID).await;
    assert_eq!(site.found(DRIVER_ID).origin, Origin::Service);
}
