//! What the log says of a request, and what it does not.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use super::*;
use crate::config::LogLevel;
use crate::logging;

thread_local! {
    /// What this thread logs, while somebody listens.
    static HEARD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes to [`HEARD`].
struct Ear;

impl io::Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        HEARD.with_borrow_mut(|heard| heard.iter_mut().for_each(|heard| heard.extend(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines logged by this thread while `work` ran.
///
/// One subscriber for all threads: whether a line is written at all is remembered for the whole process, and decided
/// by whichever thread comes by first.
pub(super) async fn logged(work: impl Future<Output = ()>) -> Vec<Value> {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| {
        let subscriber = logging::subscriber(LogLevel::Debug, None, || Ear);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        tracing::callsite::rebuild_interest_cache();
    });
    HEARD.set(Some(Vec::new()));
    work.await;
    let text = String::from_utf8(HEARD.take().unwrap()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn one_line_for_each_request_and_each_receipt() {
    let rig = Rig::new().await;
    let challenge = rig.challenge().await;
    let lines = logged(async {
        rig.submit(&bundle_json(challenge, "one")).await.is(201, "");
        rig.get("/v1/receipts/secret-name")
            .await
            .is(404, "receipt_not_found");
        rig.get("/secret-path?secret").await.is(404, "not_found");
    });
    let lines = lines.await;
    let [issued, submitted, unknown, unmatched] = lines.as_slice() else {
        panic!("{lines:#?}")
    };

    assert_eq!(issued["message"], "receipt issued");
    assert_eq!(issued["job"], Hex(JOB).to_string());
    assert_eq!(
        (&issued["policy"], &issued["assurance"]),
        (&json!("made to order"), &json!("A0"))
    );
    assert_eq!(issued["level"], "INFO");
    assert_eq!(issued["jti"].as_str().unwrap().len(), 32);
    assert_eq!(
        issued["span"]["request_id"],
        submitted["span"]["request_id"]
    );

    assert_eq!(
        (&submitted["method"], &submitted["route"]),
        (&json!("POST"), &json!("/v1/receipts"))
    );
    assert_eq!(
        (&submitted["status"], &submitted["code"]),
        (&json!(201), &json!(""))
    );
    assert!(submitted["duration_us"].is_u64());
    assert_eq!(
        (&unknown["route"], &unknown["code"]),
        (&json!("/v1/receipts/{id}"), &json!("receipt_not_found"))
    );
    assert_eq!(
        (&unmatched["route"], &unmatched["status"]),
        (&json!("unmatched"), &json!(404))
    );

    let text = format!("{lines:?}");
    let agent_key = Base64Url(AGENT_KEY).to_string();
    for absent in [
        "secret",
        ".for.",
        &agent_key,
        &Base64Url(challenge).to_string(),
    ] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
}

#[tokio::test]
async fn answer_and_line_name_the_trace_of_the_caller_or_one_of_their_own() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let rig = Rig::new().await;
    let asked = |traceparent: String| {
        let request = Request::get("/v1/receipts/none").header("traceparent", traceparent);
        rig.send(request.body(Body::empty()).unwrap())
    };
    let mut named = Vec::new();
    let lines = logged(async {
        for traceparent in [format!("00-{TRACE}-00f067aa0ba902b7-01"), "junk".to_owned()] {
            let answered = asked(traceparent).await;
            answered.is(404, "receipt_not_found");
            named.push(answered.header("x-trace-id").to_owned());
        }
    });
    let lines = lines.await;
    assert_eq!(named[0], TRACE);
    assert_ne!(named[1], TRACE);
    assert!(Hex::<16>::parse(&named[1]).is_some(), "{}", named[1]);
    let logged: Vec<_> = lines.iter().map(|line| &line["span"]["trace_id"]).collect();
    assert_eq!(logged, named.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_failure_is_logged_once_with_its_cause() {
    let rig = Rig::new().await;
    rig.challenge().await;
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new();
    let options = options.filename(rig.folder.path().join("verifier.sqlite"));
    let mut other = options.connect().await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let lines = logged(async {
        let refused = rig
            .post(
                "/v1/challenges",
                media_type::JSON,
                new_challenge().to_string(),
            )
            .await;
        refused.is(503, "store_unavailable");
        assert!(!refused.body.contains("locked"), "{}", refused.body);
    });
    let lines = lines.await;
    let [failed] = lines.as_slice() else {
        panic!("{lines:#?}")
    };
    assert_eq!(
        (&failed["level"], &failed["status"]),
        (&json!("ERROR"), &json!(503))
    );
    assert!(
        failed["cause"]
            .as_str()
            .unwrap()
            .contains("database is locked"),
        "{failed}"
    );
    lock.rollback().await.unwrap();
}
