use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use receipt::Jwk;
use tempfile::TempDir;

use super::filed::files_in;
use super::*;
use crate::clock::ManualClock;
use crate::private_files::PrivateFileError;
use crate::store::{SqlStore, StoreError};

const NOW: i64 = 1_800_000_000;
const OVERLAP: i64 = 900;

/// A service's state directory, its store and a clock.
struct Place {
    folder: TempDir,
    config: Config,
    clock: Arc<ManualClock>,
}

impl Place {
    fn new(algorithm: Algorithm) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            issuer: "https://verifier.example".into(),
            audience: vec!["https://market.example".into()],
            state_dir: folder.path().join("state"),
            signing_algorithm: algorithm,
            ..Config::default()
        };
        private_files::directory(&config.state_dir).unwrap();
        let clock = Arc::new(ManualClock::new(UnixTime::from_secs(NOW)));
        Self {
            folder,
            config,
            clock,
        }
    }

    fn keys_directory(&self) -> PathBuf {
        self.config.state_dir.join(DIRECTORY)
    }

    fn private_keys(&self) -> Vec<PathBuf> {
        files_in(&self.keys_directory(), "pk8").unwrap()
    }

    async fn store(&self) -> Arc<SqlStore> {
        let path = self.config.state_dir.join(crate::service::DATABASE);
        Arc::new(SqlStore::sqlite(&path).await.unwrap())
    }

    async fn try_open(&self) -> Result<Keys, KeyError> {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Keys::open(&self.config, self.store().await, clock).await
    }

    async fn open(&self) -> Keys {
        self.try_open().await.unwrap()
    }

    async fn desk(&self) -> KeyDesk {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        KeyDesk::open(self.config.clone(), clock).await.unwrap()
    }

    fn at(&self, seconds: i64) {
        self.clock.set(UnixTime::from_secs(NOW + seconds));
    }

    fn signer(&self, keys: &Keys) -> Result<Thumbprint, NoSigner> {
        let signer = keys.signer_at(self.clock.now());
        signer.map(|signer| signer.public_jwk().kid())
    }
}

fn kid_of(listed: &ListedKey) -> Thumbprint {
    listed.kid.parse().unwrap()
}

fn retired_at(keys: &Keys, kid: Thumbprint) -> Option<u64> {
    let published = keys.published();
    let key = published.find(&kid).expect("a published key");
    key.retired_at.map(receipt::UnixTime::secs)
}

#[tokio::test]
async fn the_first_key_is_made_once_with_mode_0600_and_signs_at_once() {
    for algorithm in Algorithm::ALL {
        let place = Place::new(*algorithm);
        let first = place.open().await;
        let [file] = &place.private_keys()[..] else {
            panic!("one key")
        };
        assert_eq!(std::fs::metadata(file).unwrap().mode() & 0o7777, 0o600);
        let second = place.open().await;
        assert_eq!(place.signer(&first), place.signer(&second), "{algorithm}");
        let signer = first.signer_at(place.clock.now()).unwrap();
        assert_eq!(signer.public_jwk().algorithm(), *algorithm);
        assert_eq!(first.published().keys().len(), 1);
    }
}

#[tokio::test]
async fn the_key_for_nvidia_is_another_one_and_not_published_for_receipts() {
    let place = Place::new(Algorithm::Ed25519);
    let nvidia_key = nvidia(&place.config.state_dir).unwrap();
    let keys = place.open().await;
    assert_eq!(nvidia_key.public_jwk().algorithm(), Algorithm::Es384);
    let kid = nvidia_key.public_jwk().kid();
    assert_eq!(keys.published().find(&kid), None);
    let again = nvidia(&place.config.state_dir).unwrap();
    assert_eq!(again.public_jwk().kid(), kid);
    let file = std::fs::metadata(place.keys_directory().join(NVIDIA_KEY)).unwrap();
    assert_eq!(file.mode() & 0o7777, 0o600);
}

#[tokio::test]
async fn a_key_others_could_read_is_refused() {
    let place = Place::new(Algorithm::Es384);
    place.open().await;
    let path = place.private_keys().remove(0);
    for mode in [0o640, 0o604, 0o700] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let refused = place.try_open().await.unwrap_err();
        let too_wide = matches!(
            refused,
            KeyError::File(PrivateFileError::ModeTooWide { .. })
        );
        assert!(too_wide, "{mode:o}: {refused}");
    }
}

#[tokio::test]
async fn what_is_no_key_is_refused_by_its_path() {
    let place = Place::new(Algorithm::Es384);
    place.open().await;
    let path = place.keys_directory().join("other.pk8");
    private_files::create(&path, b"no key").unwrap();
    let refused = place.try_open().await.unwrap_err();
    assert!(matches!(refused, KeyError::NotAKey(found) if found == path));
}

#[tokio::test]
async fn a_rotation_publishes_first_and_signs_after_the_overlap() {
    let place = Place::new(Algorithm::Es384);
    let keys = place.open().await;
    let first = place.signer(&keys).unwrap();
    let listed = place
        .desk()
        .await
        .rotate(Some(Algorithm::Ed25519), Rotation::Published)
        .await
        .unwrap();
    let second = kid_of(&listed);
    assert_eq!((listed.stage, listed.usable_from), ("added", None));

    // Until a verifier looks, nobody can have the key, however long that takes.
    place.at(10 * OVERLAP);
    assert_eq!(place.signer(&keys), Ok(first));
    keys.refresh().await.unwrap();
    assert_eq!(keys.published().keys().len(), 2);
    keys.refresh().await.unwrap();
    place.at(11 * OVERLAP - 1);
    assert_eq!(place.signer(&keys), Ok(first));
    place.at(11 * OVERLAP);
    assert_eq!(place.signer(&keys), Ok(second));
    // What bears an earlier time is signed by the key of that time.
    let before = keys.signer_at(UnixTime::from_secs(NOW + 11 * OVERLAP - 1));
    assert_eq!(before.unwrap().public_jwk().kid(), first);

    keys.refresh().await.unwrap();
    // Others may hold the first alone, and have to hear of it.
    let end = u64::try_from(NOW + 11 * OVERLAP + HEEDED_S).unwrap();
    assert_eq!(retired_at(&keys, first), Some(end));
    assert_eq!(retired_at(&keys, second), None);
    assert_eq!(place.signer(&place.open().await), Ok(second));
}

#[tokio::test]
async fn a_key_of_another_algorithm_than_configured_goes_on_signing() {
    let mut place = Place::new(Algorithm::Es384);
    let first = place.signer(&place.open().await).unwrap();
    place.config.signing_algorithm = Algorithm::Ed25519;
    assert_eq!(place.signer(&place.open().await), Ok(first));
}

#[tokio::test]
async fn a_second_verifier_with_a_key_of_its_own_waits_until_it_is_known() {
    let place = Place::new(Algorithm::Es384);
    let first = place.open().await;
    let other = Place::new(Algorithm::Es384);
    let clock = Arc::clone(&place.clock) as Arc<dyn Clock>;
    let second = Keys::open(&other.config, place.store().await, clock);
    let second = second.await.unwrap();
    second.refresh().await.unwrap();
    let from = Some(UnixTime::from_secs(NOW + OVERLAP));
    assert_eq!(place.signer(&second), Err(NoSigner { from }));
    first.refresh().await.unwrap();
    assert_eq!(first.published().keys(), second.published().keys());

    place.at(OVERLAP);
    let (of_first, of_second) = (place.signer(&first), place.signer(&second));
    assert!(of_first.is_ok() && of_second.is_ok() && of_first != of_second);
    // Neither retires what it does not hold.
    for keys in [&first, &second] {
        keys.refresh().await.unwrap();
    }
    assert_eq!(retired_at(&first, of_first.unwrap()), None);
    assert_eq!(retired_at(&first, of_second.unwrap()), None);
}

#[tokio::test]
async fn verifiers_that_share_a_directory_follow_a_rotation_together() {
    let place = Place::new(Algorithm::Es256);
    let (one, two) = (place.open().await, place.open().await);
    let desk = place.desk().await;
    let second = kid_of(&desk.rotate(None, Rotation::Published).await.unwrap());
    for keys in [&one, &two, &one, &two] {
        keys.refresh().await.unwrap();
    }
    place.at(OVERLAP);
    assert_eq!(place.signer(&one), Ok(second));
    assert_eq!(place.signer(&two), Ok(second));
}

/// A verifier that holds the first key of `place` in a file of its own, on the same store.
async fn second_with_the_same_key(place: &Place) -> (Place, Keys) {
    let mut other = Place::new(Algorithm::Es384);
    other.config.keys.files = place.private_keys();
    let clock = Arc::clone(&place.clock) as Arc<dyn Clock>;
    let keys = Keys::open(&other.config, place.store().await, clock).await;
    (other, keys.unwrap())
}

#[tokio::test]
async fn what_a_verifier_without_the_successor_signs_counts_until_it_has_heard_of_the_end() {
    let place = Place::new(Algorithm::Es384);
    let one = place.open().await;
    let first = place.signer(&one).unwrap();
    let (_other, two) = second_with_the_same_key(&place).await;
    let desk = place.desk().await;
    let second = kid_of(&desk.rotate(None, Rotation::Published).await.unwrap());
    one.refresh().await.unwrap();
    two.refresh().await.unwrap();
    // Each looks every five seconds, at seconds of its own.
    for second_now in OVERLAP..OVERLAP + 30 {
        place.at(second_now);
        if second_now % 5 == 1 {
            one.refresh().await.unwrap();
        }
        if second_now % 5 == 0 {
            two.refresh().await.unwrap();
        }
        assert_eq!(place.signer(&one), Ok(second));
        let end = one.published().find(&first).unwrap().retired_at;
        let signs = place.signer(&two);
        let now = u64::try_from(NOW + second_now).unwrap();
        let counts = end.is_none_or(|end| now < end.secs());
        assert!(signs.is_err() || counts, "{second_now}: {signs:?}, {end:?}");
    }
    // It holds nothing that may sign, and says so truly.
    let none = place.signer(&two).unwrap_err();
    assert_eq!(none, NoSigner { from: None });
    assert!(
        none.to_string().contains("every key held here was retired"),
        "{none}"
    );
}

#[tokio::test]
async fn a_key_that_was_to_sign_next_never_does_after_a_rotation_at_once() {
    let place = Place::new(Algorithm::Es384);
    let keys = place.open().await;
    let desk = place.desk().await;
    let lay_beside = kid_of(&desk.rotate(None, Rotation::Published).await.unwrap());
    keys.refresh().await.unwrap();
    let new = kid_of(&desk.rotate(None, Rotation::AtOnce).await.unwrap());
    for later in [10, 1_000, 100_000, 10_000_000] {
        place.at(later);
        keys.refresh().await.unwrap();
        assert_eq!(place.signer(&keys), Ok(new), "{later}");
        assert!(retired_at(&keys, lay_beside).is_some(), "{later}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_key_hides_none_beside_it() {
    let place = Place::new(Algorithm::Es384);
    let keys = place.open().await;
    private_files::create(&place.keys_directory().join("a.pk8"), b"no key").unwrap();
    let desk = place.desk().await;
    let second = kid_of(&desk.rotate(None, Rotation::AtOnce).await.unwrap());
    place.at(10);
    keys.refresh().await.unwrap();
    assert_eq!(place.signer(&keys), Ok(second));
}

#[tokio::test]
async fn a_retired_key_is_published_until_its_receipts_have_ended() {
    let mut place = Place::new(Algorithm::Es384);
    place.config.receipt_lifetime_s = Some(100);
    let keys = place.open().await;
    let first = place.signer(&keys).unwrap();
    let desk = place.desk().await;
    desk.rotate(None, Rotation::AtOnce).await.unwrap();
    place.at(10);
    keys.refresh().await.unwrap();
    assert!(retired_at(&keys, first).is_some());
    place.at(20 + 100 + 86_400);
    keys.refresh().await.unwrap();
    assert!(keys.published().find(&first).is_some());
    place.at(20 + 100 + 86_400 + 1);
    keys.refresh().await.unwrap();
    assert!(keys.published().find(&first).is_none());
}

#[tokio::test]
async fn a_life_of_receipts_that_was_promised_is_never_forgotten() {
    let mut place = Place::new(Algorithm::Es384);
    let lives =
        async |place: &Place| place.store().await.signing_keys().await.unwrap()[0].receipts_live_s;
    for (configured, noted) in [
        (Some(100), Some(100)),
        (Some(50), Some(100)),
        (Some(200), Some(200)),
        (None, None),
        (Some(1), None),
    ] {
        place.config.receipt_lifetime_s = configured;
        place.open().await;
        assert_eq!(lives(&place).await, noted, "{configured:?}");
    }
}

/// Who is at the command line goes by uid; what a verifier does by itself is its own.
#[tokio::test]
async fn what_is_done_to_keys_is_recorded_once() {
    use crate::store::audit::AuditStore;

    let place = Place::new(Algorithm::Es384);
    let keys = place.open().await;
    let first = place.signer(&keys).unwrap();
    let desk = place.desk().await;
    desk.rotate(None, Rotation::AtOnce).await.unwrap();
    keys.refresh().await.unwrap();
    for _ in 0..2 {
        desk.retire(first, Retirement::Leaked, Successor::Here)
            .await
            .unwrap();
    }
    desk.rotate(None, Rotation::Published).await.unwrap();
    for _ in 0..2 {
        keys.refresh().await.unwrap();
    }
    let entries = place.store().await.audit_after(0, 100).await.unwrap();
    let uid = private_files::this_user().unwrap().to_string();
    let by_us = ("cli".to_owned(), Some(uid));
    let by_itself = ("service".to_owned(), None);
    let found: Vec<_> = entries
        .into_iter()
        .map(|entry| (entry.action, (entry.actor, entry.actor_id)))
        .collect();
    let expected = [
        ("signing_key.add", &by_itself),
        ("signing_key.add", &by_us),
        ("signing_key.disown", &by_us),
        ("signing_key.add", &by_us),
        ("signing_key.publish", &by_itself),
    ];
    let expected = expected.map(|(action, actor)| (action.to_owned(), actor.clone()));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_leaked_key_takes_its_receipts_with_it() {
    let place = Place::new(Algorithm::Es384);
    let keys = place.open().await;
    let first = place.signer(&keys).unwrap();
    let desk = place.desk().await;
    let refused = desk
        .retire(first, Retirement::Leaked, Successor::Here)
        .await
        .unwrap_err();
    assert!(matches!(refused, KeyError::Last(kid) if kid == first));
    let second = kid_of(&desk.rotate(None, Rotation::AtOnce).await.unwrap());
    desk.retire(first, Retirement::Leaked, Successor::Here)
        .await
        .unwrap();
    keys.refresh().await.unwrap();
    assert_eq!(keys.published().find(&first), None);
    let from = Some(UnixTime::from_secs(NOW + 10));
    assert_eq!(place.signer(&keys), Err(NoSigner { from }));
    place.at(10);
    assert_eq!(place.signer(&keys), Ok(second));
    let mut stages: Vec<_> = desk
        .list()
        .await
        .unwrap()
        .iter()
        .map(|key| key.stage)
        .collect();
    stages.sort_unstable();
    assert_eq!(stages, ["leaked", "usable"]);
}

#[tokio::test]
async fn only_a_key_with_a_ready_successor_is_retired_by_hand() {
    let place = Place::new(Algorithm::Es384);
    let keys = place.open().await;
    let first = place.signer(&keys).unwrap();
    let desk = place.desk().await;
    let stranger = Thumbprint::from_bytes([7; 32]);
    let unknown = desk
        .retire(stranger, Retirement::Due, Successor::Here)
        .await
        .unwrap_err();
    assert!(matches!(unknown, KeyError::Unknown(kid) if kid == stranger));
    desk.rotate(None, Rotation::Published).await.unwrap();
    keys.refresh().await.unwrap();
    let last = desk
        .retire(first, Retirement::Due, Successor::Here)
        .await
        .unwrap_err();
    assert!(matches!(last, KeyError::Last(kid) if kid == first));
    place.at(OVERLAP);
    let at = desk
        .retire(first, Retirement::Due, Successor::Here)
        .await
        .unwrap();
    assert_eq!(at, UnixTime::from_secs(NOW + OVERLAP + 10));
}

#[tokio::test]
async fn a_key_of_another_verifier_is_not_retired_from_here() {
    let place = Place::new(Algorithm::Es384);
    let keys = place.open().await;
    let first = place.signer(&keys).unwrap();
    let desk = place.desk().await;
    desk.rotate(None, Rotation::Published).await.unwrap();
    keys.refresh().await.unwrap();
    place.at(OVERLAP);
    // As if the first were on another host.
    let there = place.folder.path().join("there.pk8");
    let file = place.keys_directory().join(format!("signing-{first}.pk8"));
    std::fs::rename(file, there).unwrap();
    let here = desk.retire(first, Retirement::Due, Successor::Here).await;
    assert!(matches!(here.unwrap_err(), KeyError::OfAnother(kid) if kid == first));
    let said = desk
        .retire(first, Retirement::Due, Successor::Elsewhere)
        .await;
    assert_eq!(said.unwrap(), UnixTime::from_secs(NOW + OVERLAP + 10));
}

/// Keys of another service, retired, in the directory of a place.
fn publish_many(place: &Place, count: usize) {
    let keys = (0..count).map(|n| {
        let path = place.folder.path().join(format!("former-{n}.pk8"));
        let former = own_key(&path, Algorithm::Ed25519).unwrap();
        let mut key = PublishedKey::from(former.public_jwk().clone());
        key.retired_at = Some(receipt::UnixTime::from_secs(1_790_000_000));
        key
    });
    let set = Jwks::new(keys.collect()).unwrap();
    let directory = place.keys_directory().join(RETIRED);
    private_files::directory(&directory).unwrap();
    std::fs::write(directory.join("former.json"), set.to_json()).unwrap();
}

#[tokio::test]
async fn a_key_set_is_not_filled_past_what_validators_take() {
    let full = Place::new(Algorithm::Ed25519);
    private_files::directory(&full.keys_directory()).unwrap();
    publish_many(&full, MOST_PUBLISHED);
    let refused = full.try_open().await.unwrap_err();
    assert!(
        matches!(refused, KeyError::TooMany(MOST_PUBLISHED)),
        "{refused}"
    );
    assert_eq!(full.private_keys(), Vec::<PathBuf>::new(), "none was made");

    let place = Place::new(Algorithm::Ed25519);
    private_files::directory(&place.keys_directory()).unwrap();
    publish_many(&place, MOST_PUBLISHED - 1);
    let keys = place.open().await;
    assert_eq!(keys.published().keys().len(), MOST_PUBLISHED);
    let refused = place.desk().await.rotate(None, Rotation::Published).await;
    assert!(matches!(
        refused.unwrap_err(),
        KeyError::TooMany(MOST_PUBLISHED)
    ));
    place.open().await;
}

#[tokio::test]
async fn the_end_of_the_last_key_is_said_once() {
    let place = Place::new(Algorithm::Ed25519);
    let keys = place.open().await;
    let kid = place.signer(&keys).unwrap();
    let said = || *lock(&keys.0.end_said);
    assert_eq!(said(), None);
    let end = UnixTime::from_secs(NOW + 60);
    let by = By::service(place.clock.now());
    let store = place.store().await;
    store.retire_signing_key(kid, end, by).await.unwrap();
    keys.refresh().await.unwrap();
    assert_eq!(said(), Some((kid, end)));
    keys.refresh().await.unwrap();
    assert_eq!(said(), Some((kid, end)));
}

#[tokio::test]
async fn keys_that_no_store_orders_are_not_chosen_from() {
    let place = Place::new(Algorithm::Es384);
    place.open().await;
    place
        .desk()
        .await
        .rotate(None, Rotation::Published)
        .await
        .unwrap();
    std::fs::remove_file(place.config.state_dir.join(crate::service::DATABASE)).unwrap();
    let refused = place.try_open().await.unwrap_err();
    assert!(matches!(refused, KeyError::Ambiguous(2)), "{refused}");
}

#[tokio::test]
async fn a_service_whose_keys_were_all_retired_does_not_start() {
    let place = Place::new(Algorithm::Es384);
    let first = place.signer(&place.open().await).unwrap();
    let kept = place.private_keys();
    place
        .desk()
        .await
        .rotate(None, Rotation::AtOnce)
        .await
        .unwrap();
    let added = place
        .private_keys()
        .into_iter()
        .find(|path| !kept.contains(path));
    std::fs::remove_file(added.unwrap()).unwrap();
    place.at(20);
    // A key that may sign and that nobody has would end the service with the one it replaces.
    let desk = place.desk().await;
    let due = |successor| desk.retire(first, Retirement::Due, successor);
    let refused = due(Successor::Here).await.unwrap_err();
    assert!(matches!(refused, KeyError::SuccessorNotHeld(kid) if kid == first));
    assert_eq!(place.signer(&place.open().await), Ok(first));
    due(Successor::Elsewhere).await.unwrap();
    let refused = place.try_open().await.unwrap_err();
    assert!(matches!(refused, KeyError::AllRetired), "{refused}");
}

#[tokio::test]
async fn a_file_that_the_configuration_names_is_only_read() {
    let mut place = Place::new(Algorithm::Es384);
    let elsewhere = place.folder.path().join("elsewhere");
    private_files::directory(&elsewhere).unwrap();
    let key = own_key(&elsewhere.join("mine.pk8"), Algorithm::Ed25519).unwrap();
    place.config.keys.files = vec![elsewhere.join("mine.pk8")];
    let keys = place.open().await;
    assert_eq!(place.signer(&keys), Ok(key.public_jwk().kid()));
    assert_eq!(place.private_keys(), Vec::<PathBuf>::new());
    place.config.keys.files.push(elsewhere.join("none.pk8"));
    assert!(matches!(place.try_open().await, Err(KeyError::Read { .. })));
}

#[tokio::test]
async fn a_place_of_keys_that_is_gone_keeps_nobody_from_hearing_of_a_leak() {
    let mut place = Place::new(Algorithm::Es384);
    let elsewhere = place.folder.path().join("elsewhere");
    private_files::directory(&elsewhere).unwrap();
    let file = elsewhere.join("mine.pk8");
    let leaked = own_key(&file, Algorithm::Es384).unwrap();
    let leaked = leaked.public_jwk().kid();
    place.config.keys.files = vec![file.clone()];
    let keys = place.open().await;
    assert_eq!(place.signer(&keys), Ok(leaked));

    std::fs::remove_file(file).unwrap();
    let desk = place.desk().await;
    let second = desk.rotate(None, Rotation::AtOnce).await.unwrap();
    desk.retire(leaked, Retirement::Leaked, Successor::Here)
        .await
        .unwrap();
    keys.refresh().await.unwrap();
    assert_eq!(keys.published().find(&leaked), None);
    place.at(10);
    assert_eq!(place.signer(&keys), Ok(kid_of(&second)));
}

#[tokio::test]
async fn a_database_from_before_a_leak_does_not_bring_the_key_back() {
    let place = Place::new(Algorithm::Es384);
    let keys = place.open().await;
    let first = place.signer(&keys).unwrap();
    let desk = place.desk().await;
    desk.rotate(None, Rotation::AtOnce).await.unwrap();
    desk.retire(first, Retirement::Leaked, Successor::Here)
        .await
        .unwrap();
    let path = place.config.state_dir.join(crate::service::DATABASE);
    let store = SqlStore::sqlite(&path).await.unwrap();
    let mut tx = store.database().write().await.unwrap();
    let forget = "UPDATE signing_keys SET leaked_at = NULL, retired_at = NULL";
    tx.execute(forget, Vec::new()).await.unwrap();
    tx.commit().await.unwrap();
    let again = place.open().await;
    assert_eq!(again.published().find(&first), None);
    assert_eq!(again.published().keys().len(), 1);
}

#[tokio::test]
async fn a_key_that_was_not_found_is_looked_for_again() {
    let place = Place::new(Algorithm::Es384);
    let keys = place.open().await;
    let first = place.signer(&keys).unwrap();
    let known = place.private_keys();
    place
        .desk()
        .await
        .rotate(None, Rotation::AtOnce)
        .await
        .unwrap();
    let mut added = place.private_keys();
    added.retain(|path| !known.contains(path));
    let aside = place.folder.path().join("aside");
    std::fs::rename(&added[0], &aside).unwrap();
    keys.refresh().await.unwrap();
    place.at(20);
    assert_eq!(place.signer(&keys), Ok(first));
    std::fs::rename(&aside, &added[0]).unwrap();
    place.at(61);
    keys.refresh().await.unwrap();
    assert_ne!(place.signer(&keys), Ok(first));
}

#[tokio::test]
async fn keys_of_another_service_stay_published() {
    let place = Place::new(Algorithm::Es384);
    let keys = place.open().await;
    let former = own_key(&place.folder.path().join("former.pk8"), Algorithm::Es256).unwrap();
    let former: Jwk = former.public_jwk().clone();
    let mut key = PublishedKey::from(former.clone());
    let file = place.keys_directory().join(RETIRED).join("2026.json");
    let publish = |key: &PublishedKey| {
        let set = Jwks::new(vec![key.clone()]).unwrap();
        std::fs::write(&file, set.to_json()).unwrap();
    };
    publish(&key);
    let refused = place.try_open().await.unwrap_err();
    assert!(matches!(refused, KeyError::NotRetired { .. }), "{refused}");
    key.retired_at = Some(receipt::UnixTime::from_secs(1_790_000_000));
    publish(&key);
    let again = place.open().await;
    assert_eq!(again.published().find(&former.kid()), Some(&key));
    assert_eq!(place.signer(&again), place.signer(&keys));
}

#[tokio::test]
async fn a_store_that_fails_leaves_the_keys_that_are_known() {
    let place = Place::new(Algorithm::Es384);
    let keys = place.open().await;
    let (first, set) = (place.signer(&keys), keys.published());
    let wrong = "UPDATE signing_keys SET jwks = '{}'";
    let path = place.config.state_dir.join(crate::service::DATABASE);
    let store = SqlStore::sqlite(&path).await.unwrap();
    let mut tx = store.database().write().await.unwrap();
    tx.execute(wrong, Vec::new()).await.unwrap();
    tx.commit().await.unwrap();
    let failed = keys.refresh().await.unwrap_err();
    assert!(matches!(
        failed,
        KeyError::Store(StoreError::Malformed { .. })
    ));
    assert_eq!(place.signer(&keys), first);
    assert_eq!(keys.published(), set);
}

mod token {
    use std::process::Command;

    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, UnparsedPublicKey,
        VerificationAlgorithm,
    };
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::Value;

    use super::*;

    const PIN: &str = "98765432";

    /// A module is loaded once for the whole process, and a token added meanwhile moves the others: one test at a time.
    static MODULE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    /// A place whose keys are in a new token.
    fn place(algorithm: Algorithm, token: &str) -> Place {
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", token])
            .args(["--so-pin", PIN, "--pin", PIN])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut place = Place::new(algorithm);
        let module = std::env::var_os("POGW_TEST_PKCS11").expect("tests/softhsm/with");
        place.config.keys.pkcs11.module = Some(module.into());
        place.config.keys.pkcs11.token = token.to_owned();
        pin(&mut place, PIN);
        place
    }

    fn pin(place: &mut Place, text: &str) {
        let file = place.folder.path().join(format!("pin-{text}"));
        private_files::create(&file, format!("{text}\n").as_bytes()).unwrap();
        place.config.keys.pkcs11.pin_file = Some(file);
    }

    /// Whether another library verifies the signature by what is published.
    fn has_signed(published: &Jwks, kid: Thumbprint, message: &[u8], signature: &[u8]) -> bool {
        let set: Value = published.to_json().parse().unwrap();
        let keys = set["keys"].as_array().unwrap().iter();
        let mut of_kid = keys.filter(|key| key["kid"] == kid.to_string());
        let key = of_kid.next().unwrap();
        let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
        let (algorithm, public): (&'static dyn VerificationAlgorithm, _) = match &key["crv"] {
            crv if crv == "Ed25519" => (&ED25519, coordinate("x")),
            crv => {
                let point = [vec![4], coordinate("x"), coordinate("y")].concat();
                let of_curve: &'static dyn VerificationAlgorithm = match crv == "P-384" {
                    true => &ECDSA_P384_SHA384_FIXED,
                    false => &ECDSA_P256_SHA256_FIXED,
                };
                (of_curve, point)
            }
        };
        UnparsedPublicKey::new(algorithm, public)
            .verify(message, signature)
            .is_ok()
    }

    #[tokio::test]
    #[ignore = "needs a PKCS #11 module: tests/softhsm/with"]
    async fn keys_are_made_in_the_token_and_sign_there() {
        let _alone = MODULE.lock().await;
        for algorithm in Algorithm::ALL {
            let place = place(*algorithm, &format!("signs {algorithm}"));
            let keys = place.open().await;
            let signer = keys.signer_at(place.clock.now()).unwrap();
            let kid = signer.public_jwk().kid();
            assert_eq!(signer.public_jwk().algorithm(), *algorithm);
            for message in [&b""[..], b"a receipt", &[7; 5000]] {
                let signature = signer.sign(message).unwrap();
                assert_eq!(signature.len(), algorithm.signature_bytes());
                assert!(has_signed(&keys.published(), kid, message, &signature));
                assert!(!has_signed(&keys.published(), kid, b"another", &signature));
            }
            assert_eq!(place.private_keys(), Vec::<PathBuf>::new(), "none in files");
            assert_eq!(place.signer(&place.open().await), Ok(kid), "{algorithm}");
        }
    }

    #[tokio::test]
    #[ignore = "needs a PKCS #11 module: tests/softhsm/with"]
    async fn a_service_moves_from_files_to_a_token_by_a_rotation() {
        let _alone = MODULE.lock().await;
        let mut place = place(Algorithm::Es384, "moves");
        let settings = std::mem::take(&mut place.config.keys.pkcs11);
        let first = place.signer(&place.open().await).unwrap();
        place.config.keys.pkcs11 = settings;
        let keys = place.open().await;
        assert_eq!(place.signer(&keys), Ok(first));
        let desk = place.desk().await;
        let second = desk.rotate(None, Rotation::Published).await.unwrap();
        assert!(second.place.as_ref().unwrap().starts_with("token moves"));
        keys.refresh().await.unwrap();
        place.at(OVERLAP);
        assert_eq!(place.signer(&keys), Ok(kid_of(&second)));
        let signer = keys.signer_at(place.clock.now()).unwrap();
        let threads: Vec<_> = (0..4)
            .map(|n: u8| {
                let signer = Arc::clone(&signer);
                std::thread::spawn(move || (n, signer.sign(&[n]).unwrap()))
            })
            .collect();
        for thread in threads {
            let (n, signature) = thread.join().unwrap();
            assert!(has_signed(
                &keys.published(),
                kid_of(&second),
                &[n],
                &signature
            ));
        }
    }

    #[tokio::test]
    #[ignore = "needs a PKCS #11 module: tests/softhsm/with"]
    async fn what_is_wrong_with_a_token_is_said() {
        let _alone = MODULE.lock().await;
        let said = async |place: &Place| match place.try_open().await.unwrap_err() {
            KeyError::Token(why) => why,
            other => panic!("{other}"),
        };
        let mut place = place(Algorithm::Es384, "is wrong");
        pin(&mut place, "wrong-pin");
        assert!(said(&place).await.contains("PIN"), "{}", said(&place).await);
        place.config.keys.pkcs11.token = "nobody's".to_owned();
        let away = place.try_open().await.unwrap_err();
        assert_eq!(away.to_string(), "PKCS #11: there is no token nobody's");
        assert!(!away.is_for_the_operator(), "it may come back");
        place.config.keys.pkcs11.module = Some("/no/such/module.so".into());
        assert!(said(&place).await.starts_with("/no/such/module.so: "));
        place.config.keys.pkcs11.pin_file = Some(place.folder.path().join("none"));
        let real = std::env::var_os("POGW_TEST_PKCS11").unwrap();
        place.config.keys.pkcs11.module = Some(real.into());
        place.config.keys.pkcs11.token = "is wrong".to_owned();
        let refused = place.try_open().await.unwrap_err();
        assert!(matches!(refused, KeyError::Pin(_)), "{refused}");
    }
}
