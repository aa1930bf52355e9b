//! Restarts: what was fetched is there again, as far as it may be believed.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn shelved(state: &Path) -> PathBuf {
    state.join("collateral").join(format!("{DRIVER_ID}.rim"))
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A state directory with a manifest fetched at [`NOW`], and the service it came from.
async fn fetched() -> (tempfile::TempDir, Fake) {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(Fake::any_rim).await;
    let site = Site::new(&with_rims(&fake), Some(folder.path()));
    site.want(DRIVER_ID).await;
    until(|| shelved(folder.path()).exists()).await;
    fake.says(|_| Says::status(500));
    (folder, fake)
}

#[tokio::test]
async fn a_site_without_its_service_survives_a_restart_within_the_bound() {
    let (folder, fake) = fetched().await;
    let mode = std::fs::metadata(shelved(folder.path()))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let at = |secs: i64| {
        let now = UnixTime::from_secs(NOW.secs() + secs);
        Site::at(&with_rims(&fake), Some(folder.path()), now)
    };
    let soon_after = at(60).found(DRIVER_ID);
    assert_eq!(soon_after.origin, Origin::Service);
    assert_eq!(soon_after.fetched_at, Some(NOW));
    assert_eq!(
        soon_after.last_updated,
        UnixTime::parse_rfc3339("2026-05-06T07:08:09Z")
    );
    let late = at(6 * DAY);
    late.want(DRIVER_ID).await;
    assert!(late.found(DRIVER_ID).is_stale());
    let too_late = at(7 * DAY + 1);
    too_late.want(DRIVER_ID).await;
    assert_eq!(too_late.absent(DRIVER_ID).kind, AbsenceKind::Unreachable);
}

#[tokio::test]
async fn a_file_that_was_changed_is_passed_over() {
    let (folder, fake) = fetched().await;
    let path = shelved(folder.path());
    let good = std::fs::read(&path).unwrap();
    let restarted = || Site::new(&with_rims(&fake), Some(folder.path()));
    let text = String::from_utf8(good.clone()).unwrap();
    let future = text.replace("1800000000", "1900000000");
    let forged = PKI.manifest(DRIVER_VERSION);
    let forged = String::from_utf8(forged).unwrap().replace("r1", "r2");
    let filed = |document: &str| {
        let digest = hex::encode(crypto::sha256(document.as_bytes()));
        format!(
            "{{\"id\":\"{DRIVER_ID}\",\"sha256\":\"{digest}\",\"fetched_at\":1800000000,\"last_updated\":null}}\n{document}"
        )
    };
    let forged = filed(&forged);
    let of_another_chip = String::from_utf8(PKI.manifest_of("GB100", DRIVER_VERSION)).unwrap();
    let of_another_chip = filed(&of_another_chip);
    for spoilt in [
        text.replace("\"r1\"", "\"r2\""),
        text.replace("_550.90.07\"", "_550.90.08\""),
        text.replace("{", "["),
        text[..200].to_owned(),
        String::new(),
        future,
        forged,
        of_another_chip,
    ] {
        std::fs::write(&path, &spoilt).unwrap();
        let found = restarted().rim(DRIVER_ID);
        assert!(matches!(found, Lookup::Ask(_)), "{:.300}", spoilt);
    }
    std::fs::write(&path, &good).unwrap();
    restarted().found(DRIVER_ID);
    // Another verifier that trusts other roots believes none of it.
    let clock = Arc::new(ManualClock::new(NOW));
    let stranger = Collateral::open(
        &with_rims(&fake),
        TrustAnchors::default(),
        clock,
        Some(folder.path()),
    );
    let found = stranger.unwrap().look_up_rim(DRIVER_ID, NOW);
    assert!(matches!(found, Lookup::Ask(_)));
}

#[tokio::test]
async fn a_manifest_taken_back_leaves_the_disk() {
    let (folder, fake) = fetched().await;
    fake.says(|_| Says::no_such_rim());
    let now = UnixTime::from_secs(NOW.secs() + DAY + 1);
    let site = Site::at(&with_rims(&fake), Some(folder.path()), now);
    site.want(DRIVER_ID).await;
    until(|| !shelved(folder.path()).exists()).await;
    assert_eq!(site.absent(DRIVER_ID).kind, AbsenceKind::Missing);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_fails_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(Fake::any_rim).await;
    // Where the directory should be is a file.
    std::fs::write(folder.path().join("collateral"), "in the way").unwrap();
    for _ in 0..2 {
        let site = Site::new(&with_rims(&fake), Some(folder.path()));
        site.want(DRIVER_ID).await;
        site.found(DRIVER_ID);
    }
    assert_eq!(fake.hits(), 2);
}

/// A manifest as it is kept in memory.
fn kept() -> fetch::KeptRim {
    let document = PKI.manifest(DRIVER_VERSION);
    fetch::KeptRim {
        rim: Arc::new(Rim::examine(&document, &PKI.anchors())),
        sha256: crypto::sha256(&document),
        document: document.into(),
        last_updated: None,
    }
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("collateral");
    let shelf = Shelf::new(place.clone());
    let count = || std::fs::read_dir(&place).unwrap().count();
    // A directory that others may enter is not ours to write to.
    std::fs::create_dir(&place).unwrap();
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o755)).unwrap();
    shelf.put(DRIVER_ID, &kept(), NOW);
    assert_eq!(count(), 0);
    // Where the file should be is a directory.
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::create_dir(shelved(folder.path())).unwrap();
    shelf.put(DRIVER_ID, &kept(), NOW);
    assert_eq!((count(), shelf.load().len()), (1, 0));
    std::fs::remove_dir(shelved(folder.path())).unwrap();
    shelf.put(DRIVER_ID, &kept(), NOW);
    assert_eq!((count(), shelf.load().len()), (1, 1));
    shelf.remove(DRIVER_ID);
    shelf.remove(DRIVER_ID);
    assert_eq!(count(), 0);
}

#[test]
fn the_oldest_manifests_make_room() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("collateral");
    let shelf = Shelf::new(place.clone());
    crate::private_files::directory(&place).unwrap();
    for n in 0..fetch::RIMS_KEPT.get() + 3 {
        let file = std::fs::File::create(place.join(format!("A{n}.rim"))).unwrap();
        let seconds = u64::try_from(n).unwrap();
        let modified = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        file.set_modified(modified).unwrap();
    }
    shelf.put(DRIVER_ID, &kept(), NOW);
    let names = std::fs::read_dir(&place).unwrap();
    assert_eq!(names.count(), fetch::RIMS_KEPT.get());
    assert!(!place.join("A3.rim").exists() && place.join("A4.rim").exists());
    assert!(shelved(folder.path()).exists());
}
