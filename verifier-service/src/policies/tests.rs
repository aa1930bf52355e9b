//! Which policy the settings name, and why one cannot be used.

use std::sync::Arc;

use evidence::UnixTime;
use evidence::policy::RevocationMode;
use tempfile::TempDir;

use super::in_force::{Activated, Standing};
use super::*;
use crate::audit::{Actor, By};
use crate::clock::ManualClock;
use crate::store::SqlStore;
use crate::store::policies::PolicyStore;

const OURS: &str =
    "package pogw\nimport rego.v1\ndeny contains {\"code\": \"no\", \"message\": \"no\"}\n";

fn settings(policy: Option<&str>, file: Option<&Path>) -> AppraisalSettings {
    AppraisalSettings {
        policy: policy.map(str::to_owned),
        policy_file: file.map(Path::to_owned),
        ..AppraisalSettings::default()
    }
}

fn file(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn every_built_in_policy_is_found_by_name() {
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies");
    let files = std::fs::read_dir(files).unwrap();
    let files = files.filter_map(|file| {
        let path = file.unwrap().path();
        let name = path.file_stem()?.to_str()?.to_owned();
        path.extension()?.eq("rego").then_some(name)
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    let mut names = BUILT_IN.map(|(name, _)| name.to_owned());
    names.sort();
    assert_eq!(files, names);
    for name in names {
        let loaded = configured(&settings(Some(&name), None)).unwrap();
        assert_eq!(loaded.policy.identity().id, name);
        assert!(name.parse::<PolicyName>().is_ok(), "{name}");
    }
}

#[test]
fn what_they_want_to_know_about_revocation() {
    let mode = |name| {
        let terms = *built_in(name).unwrap().policy.revocation();
        assert!(!terms.allow_hold, "{name}");
        terms.mode
    };
    let cached = |max_age_s| RevocationMode::Cached { max_age_s };
    assert_eq!(mode("default"), cached(86_400));
    assert_eq!(mode("strict"), RevocationMode::Required);
    assert_eq!(mode("air-gapped"), cached(7 * 86_400));
    assert_eq!(mode("protected-pcie"), cached(86_400));
    assert_eq!(mode("tolerate-expired-manifests"), cached(86_400));
}

#[test]
fn the_settings_name_one_policy() {
    let folder = tempfile::tempdir().unwrap();
    let ours = file(&folder, "ours.rego", OURS);
    let id = |settings: &AppraisalSettings| {
        let loaded = configured(settings).map_err(|error| error.to_string())?;
        Ok::<_, String>(loaded.policy.identity().id.clone())
    };
    assert_eq!(id(&settings(None, None)), Ok("default".into()));
    assert_eq!(id(&settings(Some("strict"), None)), Ok("strict".into()));
    assert_eq!(id(&settings(None, Some(&ours))), Ok("ours".into()));
    let both = id(&settings(Some("strict"), Some(&ours))).unwrap_err();
    assert!(both.contains("must not both be set"), "{both}");
    let unknown = id(&settings(Some("Strict"), None)).unwrap_err();
    let says = "must be one of default, strict, air-gapped, protected-pcie, tolerate-expired-manifests, danger-without-revocation, got Strict";
    assert!(unknown.ends_with(says), "{unknown}");
}

#[test]
fn files_that_are_no_policy() {
    let folder = tempfile::tempdir().unwrap();
    let nv = "package policy\ndefault nv_match := true\n";
    let table = [
        ("mine.rego", OURS.as_bytes(), None),
        ("our policy.rego", OURS.as_bytes(), Some("name of the file")),
        (".rego", OURS.as_bytes(), Some("name of the file")),
        (
            "broken.rego",
            b"package pogw\ndeny contains",
            Some("does not compile"),
        ),
        ("binary.rego", b"\xff\xfe", Some("cannot read policy")),
        ("nv.rego", nv.as_bytes(), None),
        (
            "terms.rego",
            b"package pogw\nimport rego.v1\ndeny contains {} if false\nrevocation := 1\n",
            Some("data.pogw.revocation is malformed: expected an object, got 1"),
        ),
        (
            "large.rego",
            &[b' '; MAX_POLICY_BYTES + 1],
            Some("too large"),
        ),
    ];
    for (name, text, refused) in table {
        let path = file(&folder, name, text);
        let error = load(Some(&path)).err().map(|error| error.to_string());
        match refused {
            None => assert_eq!(error, None, "{name}"),
            Some(says) => assert!(
                error.as_ref().is_some_and(|error| error.contains(says)),
                "{name}: {error:?}"
            ),
        }
    }
    let missing = load(Some(&folder.path().join("missing.rego"))).unwrap_err();
    assert!(missing.to_string().contains("missing.rego"), "{missing}");
}

#[test]
fn names_of_policies() {
    let longest = "a".repeat(64);
    for good in ["a", "strict", "Site-1_v2.0", longest.as_str()] {
        assert!(good.parse::<PolicyName>().is_ok(), "{good}");
    }
    let too_long = "a".repeat(65);
    for bad in [
        "",
        ".",
        "..",
        ".a",
        "a b",
        "a/b",
        "ä",
        "a\n",
        too_long.as_str(),
    ] {
        assert!(bad.parse::<PolicyName>().is_err(), "{bad:?}");
    }
}

fn standing(name: &str, number: i64) -> Standing {
    Standing {
        policy: Arc::new(built_in(name).unwrap().policy),
        version: Some(1),
        activation: Some(Activated {
            number,
            at: UnixTime::from_secs(0),
        }),
    }
}

#[test]
fn a_decision_in_progress_keeps_its_policy_and_late_news_do_not_count() {
    let in_force = InForce::new(built_in("default").unwrap());
    let (shared, deciding) = (in_force.clone(), in_force.current());
    let id = || shared.current().identity().id.clone();
    in_force.replace(standing("strict", 2));
    assert_eq!(id(), "strict");
    // This one was committed before the other.
    in_force.replace(standing("air-gapped", 1));
    assert_eq!(id(), "strict");
    in_force.replace(standing("air-gapped", 3));
    assert_eq!(id(), "air-gapped");
    assert_eq!(deciding.identity().id, "default");
    assert_eq!(in_force.configured().policy.identity().id, "default");
}

async fn open(store: &Arc<SqlStore>, settings: &AppraisalSettings) -> Result<Book, BookError> {
    let clock = Arc::new(ManualClock::new(UnixTime::from_secs(1_800_000_000)));
    let in_force = InForce::new(configured(settings).unwrap());
    let store = Arc::clone(store) as Arc<dyn PolicyStore>;
    Book::open(store, in_force, settings.policy_pinned, clock).await
}

fn decides(book: &Book) -> (String, Option<u32>) {
    let standing = book.standing();
    (standing.policy.identity().id.clone(), standing.version)
}

#[tokio::test]
async fn what_decides_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::sqlite(&folder.path().join("db")).await.unwrap();
    let store = Arc::new(store);
    let ours = file(&folder, "ours.rego", OURS);
    let (first, second) = (settings(None, Some(&ours)), settings(Some("strict"), None));

    // The configuration, and it may change.
    let book = open(&store, &first).await.unwrap();
    assert_eq!(decides(&book), ("ours".into(), Some(1)));
    let book = open(&store, &second).await.unwrap();
    assert_eq!(decides(&book), ("strict".into(), Some(1)));
    // A file that changed is another version; one that changed back is the version it was.
    let changed = format!("{OURS}# changed\n");
    for (text, version) in [(changed.as_str(), 2), (OURS, 1), (changed.as_str(), 2)] {
        std::fs::write(&ours, text).unwrap();
        let book = open(&store, &first).await.unwrap();
        assert_eq!(decides(&book), ("ours".into(), Some(version)));
    }

    // What was activated decides from then on, whatever the configuration names.
    let workers = crate::workers::Workers::new(std::num::NonZeroUsize::MIN);
    let name = || "air-gapped".parse().unwrap();
    book.activate(name(), 1, by(), &workers).await.unwrap();
    assert_eq!(decides(&book), ("air-gapped".into(), Some(1)));
    for settings in [&first, &second] {
        let book = open(&store, settings).await.unwrap();
        assert_eq!(decides(&book), ("air-gapped".into(), Some(1)));
    }

    // Unless the configuration pins its own.
    let pinned = AppraisalSettings {
        policy_pinned: true,
        ..second.clone()
    };
    let book = open(&store, &pinned).await.unwrap();
    assert_eq!(decides(&book), ("strict".into(), Some(1)));
    let refused = book.activate(name(), 1, by(), &workers).await.unwrap_err();
    assert_eq!(refused.code(), "policy_pinned");
    let book = open(&store, &second).await.unwrap();
    assert_eq!(decides(&book), ("air-gapped".into(), Some(1)));
}

fn by() -> By {
    By::new(Actor::Operator, UnixTime::from_secs(1_800_000_000))
}

/// As after a downgrade: the text was good for another version of this program.
#[tokio::test]
async fn an_activated_policy_that_cannot_be_used_is_not_replaced_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::sqlite(&folder.path().join("db")).await.unwrap();
    let store = Arc::new(store);
    let now = UnixTime::from_secs(1_800_000_000);
    let new = crate::store::policies::NewPolicy {
        id: "later".into(),
        text: "package pogw\nsomething of tomorrow".into(),
        by: By::service(now),
        unless: crate::store::policies::Unless::Newest,
    };
    store.add_policy(new).await.unwrap();
    store
        .activate_policy("later", 1, By::service(now))
        .await
        .unwrap();
    let refused = open(&store, &settings(None, None)).await.err().unwrap();
    let says = "version 1 of policy later, activated last, cannot be used: policy later cannot be used: policy does not compile";
    assert!(refused.to_string().starts_with(says), "{refused}");
    let pinned = AppraisalSettings {
        policy_pinned: true,
        ..AppraisalSettings::default()
    };
    assert_eq!(
        decides(&open(&store, &pinned).await.unwrap()),
        ("default".into(), Some(1))
    );
}

#[tokio::test]
async fn what_another_verifier_activates_decides_here_at_the_next_look() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::sqlite(&folder.path().join("db")).await.unwrap();
    let store = Arc::new(store);
    let settings = settings(None, None);
    let one = open(&store, &settings).await.unwrap();
    let other = open(&store, &settings).await.unwrap();
    let pinned = AppraisalSettings {
        policy_pinned: true,
        ..settings
    };
    let pinned = open(&store, &pinned).await.unwrap();
    let workers = crate::workers::Workers::new(std::num::NonZeroUsize::MIN);
    let strict = "strict".parse().unwrap();
    one.activate(strict, 1, by(), &workers).await.unwrap();
    assert_eq!(decides(&other), ("default".into(), Some(1)));
    other.catch_up().await.unwrap();
    assert_eq!(decides(&other), ("strict".into(), Some(1)));
    pinned.follow().await;

    // One that was uploaded by a later version of this program.
    let now = UnixTime::from_secs(1_800_000_000);
    let new = crate::store::policies::NewPolicy {
        id: "later".into(),
        text: "package pogw\nsomething of tomorrow".into(),
        by: By::service(now),
        unless: crate::store::policies::Unless::Newest,
    };
    store.add_policy(new).await.unwrap();
    store
        .activate_policy("later", 1, By::service(now))
        .await
        .unwrap();
    let refused = other.catch_up().await.unwrap_err();
    assert!(matches!(refused, BookError::Active { .. }), "{refused}");
    assert!(other.is_behind());
    assert_eq!(decides(&other), ("strict".into(), Some(1)));
    one.activate("default".parse().unwrap(), 1, by(), &workers)
        .await
        .unwrap();
    other.catch_up().await.unwrap();
    assert!(!other.is_behind());
    assert_eq!(decides(&other), ("default".into(), Some(1)));
}
