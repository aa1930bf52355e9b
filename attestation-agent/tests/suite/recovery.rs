//! Runs that ended in the middle: nothing is lost, nothing is sent with other bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use attestation_agent::{AgentError, Ending, Explained, InputBytes, Progress, Step, VerifierError};

use crate::kit::{agent, seeded, verifier, work};
use crate::server::{JWT, Reply, Server};

const CHALLENGES: &str = "/v1/challenges";
const RECEIPTS: &str = "/v1/receipts";

fn server(receipts: Vec<Reply>) -> Server {
    Server::start([(CHALLENGES, vec![Reply::challenge()]), (RECEIPTS, receipts)])
}

/// Names of the files of a folder of the state.
fn files(dir: &Path, folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("state").join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Suffixes of the files of the outbox, in order.
fn suffixes(dir: &Path) -> Vec<String> {
    let suffix = |path: &PathBuf| path.extension().unwrap().to_str().unwrap().to_owned();
    let mut suffixes: Vec<_> = files(dir, "outbox").iter().map(suffix).collect();
    suffixes.sort();
    suffixes
}

/// Writes the names of the steps down.
#[derive(Default)]
struct Diary(Mutex<Vec<&'static str>>);

impl Progress for Diary {
    fn step(&self, step: &Step<'_>) {
        self.0.lock().unwrap().push(match step {
            Step::Prepared { .. } => "prepared",
            Step::DevicesOpened { .. } => "devices",
            Step::Challenged { .. } => "challenged",
            Step::Executed { .. } => "executed",
            Step::Committed { .. } => "committed",
            Step::Attested { .. } => "attested",
            Step::Sealed { .. } => "sealed",
            Step::Received { .. } => "received",
            Step::LeftoverRefused { .. } => "refused",
            Step::LeftoverExpired { .. } => "expired",
            Step::LeftoverKept { .. } => "kept",
            _ => "other",
        });
    }
}

#[tokio::test]
async fn a_run_leaves_a_receipt_and_an_empty_outbox() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(vec![Reply::receipt()]);
    let (agent, verifier) = (agent(dir.path()), verifier(&server.url, dir.path()));
    let diary = Diary::default();
    let report = agent
        .run(seeded(""), InputBytes::new(), &verifier, &diary)
        .await
        .unwrap();
    assert_eq!(report.receipt.jwt, JWT);
    assert_eq!(fs::read(&report.receipt_path).unwrap(), JWT.as_bytes());
    assert_eq!(report.work.statement.challenge, report.challenge.challenge);
    assert_eq!(server.seen(RECEIPTS)[0].body, report.work.sealed.json());
    assert!(files(dir.path(), "outbox").is_empty());
    assert_eq!(files(dir.path(), "receipts"), [report.receipt_path]);
    let steps = [
        "prepared",
        "devices",
        "challenged",
        "executed",
        "committed",
        "attested",
        "sealed",
        "received",
    ];
    assert_eq!(diary.0.into_inner().unwrap(), steps);
}

#[tokio::test]
async fn the_bundle_is_on_disk_before_it_is_first_sent() {
    struct Look<'a>(&'a Path, Mutex<usize>);
    impl Progress for Look<'_> {
        fn step(&self, step: &Step<'_>) {
            if let Step::Retrying {
                request: "receipt", ..
            } = step
            {
                *self.1.lock().unwrap() += files(self.0, "outbox").len();
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let server = server(vec![Reply::Hangup, Reply::receipt()]);
    let look = Look(dir.path(), Mutex::new(0));
    let verifier = verifier(&server.url, dir.path());
    let run = agent(dir.path());
    run.run(seeded(""), InputBytes::new(), &verifier, &look)
        .await
        .unwrap();
    assert_eq!(look.1.into_inner().unwrap(), 1);
}

#[tokio::test]
async fn what_could_not_be_handed_in_is_handed_in_later_by_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let busy = vec![Reply::problem(503, "busy"); 3];
    let server = server([busy, vec![Reply::receipt()]].concat());
    let verifier = verifier(&server.url, dir.path());
    let run = agent(dir.path())
        .run(seeded(""), InputBytes::new(), &verifier, &())
        .await;
    assert_eq!(run.unwrap_err().ending(), Ending::Unavailable);
    assert_eq!(suffixes(dir.path()), ["bundle", "problem"]);

    let leftovers = agent(dir.path()).submit_leftovers(true, &()).await.unwrap();
    assert_eq!((leftovers.received.len(), leftovers.kept.len()), (1, 0));
    assert!(files(dir.path(), "outbox").is_empty());
    assert_eq!(fs::read(&leftovers.received[0].1).unwrap(), JWT.as_bytes());
    let seen = server.seen(RECEIPTS);
    assert!(seen.len() == 4 && seen.iter().all(|s| s.body == seen[0].body));
    let nothing = agent(dir.path()).submit_leftovers(true, &()).await.unwrap();
    assert!(nothing.received.is_empty() && server.seen(RECEIPTS).len() == 4);
}

#[tokio::test]
async fn only_a_final_refusal_empties_the_outbox() {
    let table = [
        (Reply::problem(422, "evidence_refuted"), 0),
        (Reply::problem(409, "challenge_spent"), 0),
        (Reply::problem(410, "challenge_expired"), 0),
        (Reply::problem(401, "unauthenticated"), 1),
        (Reply::problem(403, "forbidden"), 1),
        (Reply::problem(500, "storage_failure"), 1),
        (Reply::json(422, "text/html", "a proxy"), 1),
        (Reply::json(404, "text/html", "a proxy"), 1),
        (Reply::Hangup, 1),
    ];
    for (reply, left) in table {
        let dir = tempfile::tempdir().unwrap();
        let server = server(vec![reply.clone()]);
        let verifier = verifier(&server.url, dir.path());
        let run = agent(dir.path())
            .run(seeded(""), InputBytes::new(), &verifier, &())
            .await;
        assert!(run.is_err());
        assert_eq!(files(dir.path(), "outbox").len(), left, "{reply:?}");
        assert!(files(dir.path(), "receipts").is_empty());
    }
}

#[tokio::test]
async fn one_bad_leftover_does_not_hold_up_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(vec![Reply::Hangup]);
    let run = agent(dir.path());
    for label in ["first", "second"] {
        let mut spec = seeded("");
        spec.label = Some(label.to_owned());
        let work = work(&run, spec, InputBytes::new()).await;
        let verifier = verifier(&server.url, dir.path());
        assert!(run.submit(work.sealed, &verifier, None, &()).await.is_err());
    }
    let mut waiting = files(dir.path(), "outbox");
    waiting.sort();
    fs::write(&waiting[0], "damaged").unwrap();
    let text = fs::read_to_string(&waiting[1]).unwrap();
    let again = self::server(vec![Reply::receipt()]);
    fs::write(&waiting[1], text.replace(&server.url, &again.url)).unwrap();

    let diary = Diary::default();
    let leftovers = run.submit_leftovers(false, &diary).await.unwrap();
    assert_eq!(leftovers.received.len(), 1);
    let [(path, AgentError::Outbox(error))] = leftovers.kept.as_slice() else {
        panic!("{leftovers:?}");
    };
    assert_eq!((path, error.code()), (&waiting[0], "outbox_entry_damaged"));
    assert_eq!(diary.0.into_inner().unwrap(), ["kept", "received"]);
}

#[tokio::test]
async fn no_challenge_is_asked_for_where_the_host_cannot_do_its_part() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(vec![Reply::receipt()]);
    let mut settings = crate::kit::settings(dir.path());
    settings.device.kind = attestation_agent::device::SourceKind::Nvml;
    settings.device.library = Some("/nonexistent/libnvidia-ml.so.1".into());
    let agent = attestation_agent::Agent::open(settings).unwrap();
    let verifier = verifier(&server.url, dir.path());
    let run = agent.run(seeded(""), InputBytes::new(), &verifier, &());
    assert_eq!(run.await.unwrap_err().code(), "nvml_library_not_found");
    assert!(server.seen(CHALLENGES).is_empty());
}

/// A run at a server that answers with `receipts`, where the challenge lives for `life_s` by a clock
/// that is not this machine's; its error, and how long it took.
async fn run_with_life(
    dir: &Path,
    life_s: u64,
    receipts: Vec<Reply>,
) -> (AgentError, Duration, Server) {
    let server = Server::start([
        (CHALLENGES, vec![Reply::challenge_for(life_s)]),
        (RECEIPTS, receipts),
    ]);
    let mut settings = crate::kit::settings(dir);
    settings.verifier = Some(server.url.clone());
    settings.retry.attempts = 7;
    settings.retry.max_retry_after_s = 120;
    let agent = attestation_agent::Agent::open(settings).unwrap();
    let verifier = agent.verifier().unwrap();
    let start = Instant::now();
    let run = agent.run(seeded(""), InputBytes::new(), &verifier, &());
    let error = run.await.unwrap_err();
    (error, start.elapsed(), server)
}

#[tokio::test]
async fn no_attempt_is_waited_for_that_comes_after_the_challenge() {
    for (life_s, attempts) in [(20, 1), (0, 1), (60, 1)] {
        let dir = tempfile::tempdir().unwrap();
        let (error, took, server) =
            run_with_life(dir.path(), life_s, vec![Reply::unverifiable().after(60)]).await;
        assert!(took < Duration::from_secs(20), "{took:?}");
        assert_eq!(server.seen(RECEIPTS).len(), attempts);
        assert_eq!(
            (error.code(), error.ending()),
            ("verifier_unavailable", Ending::Unavailable)
        );
        assert!(
            error
                .to_string()
                .contains("within the life of the challenge")
        );
        assert!(error.remedy().contains("was not refused"));
        let AgentError::Verifier(error) = &error else {
            panic!("{error}");
        };
        let said = Explained(error.problem().unwrap()).to_string();
        assert!(said.contains("NV_GPU_DRIVER_GH100_550.90.07"), "{said}");
        assert_eq!(suffixes(dir.path()), ["bundle", "problem"]);
    }
}

#[tokio::test]
async fn attempts_go_on_while_the_challenge_lives() {
    let dir = tempfile::tempdir().unwrap();
    // 3 seconds are the margin: 2 remain, and each wait is between 1 and 1.002 seconds.
    let (error, took, server) =
        run_with_life(dir.path(), 5, vec![Reply::unverifiable().after(1)]).await;
    assert_eq!(error.ending(), Ending::Unavailable);
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(server.seen(RECEIPTS).len(), 2);
}

#[tokio::test]
async fn expiry_after_the_verifier_could_not_verify_is_no_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let expired = Reply::problem(410, "challenge_expired");
    let answers = vec![Reply::unverifiable(), Reply::Hangup, expired];
    let (error, _, server) = run_with_life(dir.path(), 300, answers).await;
    assert_eq!(error.ending(), Ending::Unavailable);
    let AgentError::Verifier(VerifierError::Unavailable { cause, problem, .. }) = &error else {
        panic!("{error}");
    };
    assert!(cause.contains("unverifiable"), "{cause}");
    assert_eq!(problem.as_ref().unwrap().code, "unverifiable");
    assert_eq!(server.seen(RECEIPTS).len(), 3);
    assert_eq!(suffixes(dir.path()), ["bundle", "problem"]);

    let diary = Diary::default();
    let later = agent(dir.path()).submit_leftovers(true, &diary).await;
    let later = later.unwrap();
    let [(_, error @ VerifierError::Expired { file, problem })] = later.expired.as_slice() else {
        panic!("{later:?}");
    };
    assert_eq!(error.code(), "expired_unverified");
    assert_eq!(problem.code, "unverifiable");
    assert!(
        error
            .to_string()
            .contains("while the verifier could not verify")
    );
    assert_eq!(file.extension().unwrap(), "expired");
    let kept = fs::read(file).unwrap();
    assert!(kept.ends_with(&server.seen(RECEIPTS)[0].body));
    assert!(later.refused.is_empty() && later.kept.is_empty());
    assert_eq!(diary.0.into_inner().unwrap(), ["expired"]);
    assert_eq!(suffixes(dir.path()), ["expired", "problem"]);

    let nothing = agent(dir.path()).submit_leftovers(true, &()).await.unwrap();
    assert!(nothing.expired.is_empty() && server.seen(RECEIPTS).len() == 4);
}

#[tokio::test]
async fn a_receipt_after_all_forgets_what_was_said_before() {
    let dir = tempfile::tempdir().unwrap();
    let busy = Reply::unverifiable().after(60);
    let (_, _, server) = run_with_life(dir.path(), 20, vec![busy, Reply::receipt()]).await;
    let later = agent(dir.path()).submit_leftovers(true, &()).await.unwrap();
    assert_eq!((later.received.len(), server.seen(RECEIPTS).len()), (1, 2));
    assert!(files(dir.path(), "outbox").is_empty());
}
