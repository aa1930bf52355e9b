//! Services that fail, lie, crawl and send too much: each costs a request and nothing that is kept.

use evidence::limits::MAX_RIM_BYTES;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// What becomes of a manifest asked for when the service says this; the copy at hand before survives it.
async fn outcome(fake: &Fake, says: Says) -> Absence {
    fake.says(move |_| says.clone());
    let site = Site::new(&with_rims(fake), None);
    site.want(DRIVER_ID).await;
    let absence = site.absent(DRIVER_ID);

    let kept = Site::new(&with_rims(fake), None);
    let failing = Arc::clone(&kept.collateral);
    let says = fake.says_now();
    fake.says(Fake::any_rim);
    kept.want(DRIVER_ID).await;
    fake.says(move |asked| says(asked));
    let need = vec![Need::Rim(DRIVER_ID.to_owned())];
    failing.fetch(need, soon()).await;
    let at_hand = matches!(kept.rim(DRIVER_ID), Lookup::Found(_));
    let withdrawn = absence.kind == AbsenceKind::Missing;
    assert_eq!(at_hand, !withdrawn, "{absence:?}");
    absence
}

#[tokio::test]
async fn lies_are_told_apart_and_displace_nothing() {
    let fake = Fake::new(Fake::any_rim).await;
    let good = PKI.manifest(DRIVER_VERSION);
    let text = String::from_utf8(rim_answer(DRIVER_ID, &good)).unwrap();
    let edited = String::from_utf8(good.clone()).unwrap().replace("r1", "r2");
    let other_id = rim_answer("NV_GPU_DRIVER_GH100_1", &good);
    let digest = hex::encode(crypto::sha256(&good));
    let twice = text.replace("\"request_id\"", "\"rim\"");
    let html = Says {
        headers: vec![("content-type", "text/html".to_owned())],
        ..Says::body("<html>log in</html>")
    };
    let too_large = "x".repeat(MAX_RIM_BYTES / 3 * 4 + 10_000);
    use Code::{
        RimNotAvailable, RimServiceDigestMismatch, RimServiceIdMismatch, RimServiceMalformed,
    };
    let table = [
        (
            Says::body(other_id),
            RimServiceIdMismatch,
            "id in the answer",
        ),
        (
            Says::body(text.replace(&digest, &"0".repeat(64))),
            RimServiceDigestMismatch,
            "SHA-256",
        ),
        (Says::body(twice), RimServiceMalformed, "not such JSON"),
        (html, RimServiceMalformed, "not such JSON"),
        (Says::body(""), RimServiceMalformed, "not such JSON"),
        (
            Says::body(rim_answer(DRIVER_ID, edited.as_bytes())),
            RimNotAvailable,
            "manifest refused: rim_digest_mismatch",
        ),
        (
            Says::body(rim_answer(DRIVER_ID, b"<html/>")),
            RimNotAvailable,
            "manifest refused: rim_malformed",
        ),
        (
            Says::body(rim_answer(DRIVER_ID, &PKI.manifest("550.90.08"))),
            RimNotAvailable,
            "manifest refused: rim_version_mismatch",
        ),
        (
            Says::body(rim_answer(
                DRIVER_ID,
                &PKI.manifest_of("GB100", DRIVER_VERSION),
            )),
            RimNotAvailable,
            "manifest refused: rim_product_mismatch",
        ),
        (
            Says::body(too_large),
            RimNotAvailable,
            "an answer of more than",
        ),
    ];
    for (says, code, message) in table {
        let absence = outcome(&fake, says).await;
        assert_eq!(absence.reason.code, code, "{absence:?}");
        assert_eq!(absence.kind, AbsenceKind::Refused, "{absence:?}");
        assert!(absence.reason.message.contains(message), "{absence:?}");
    }
}

#[tokio::test]
async fn statuses_have_their_meaning() {
    let fake = Fake::new(Fake::any_rim).await;
    let elsewhere = Fake::new(Fake::any_rim).await;
    let redirect = Says {
        headers: vec![("location", format!("{}/v1/rim/{DRIVER_ID}", elsewhere.url))],
        ..Says::status(302)
    };
    use AbsenceKind::{Missing, Refused, Unreachable};
    const OF_A_PROXY: &str = "RIM service: not found, and not by the word of the service";
    let table = [
        (
            Says::no_such_rim(),
            Missing,
            "RIM service: no manifest of this id",
        ),
        (
            Says {
                status: 410,
                ..Says::no_such_rim()
            },
            Missing,
            "RIM service: no manifest of this id",
        ),
        (Says::status(404), Unreachable, OF_A_PROXY),
        (
            Says {
                body: b"<html>default backend - 404</html>".to_vec(),
                ..Says::status(404)
            },
            Unreachable,
            OF_A_PROXY,
        ),
        (
            Says {
                body: vec![b' '; 1024 * 1024],
                ..Says::status(404)
            },
            Unreachable,
            OF_A_PROXY,
        ),
        (
            Says::status(401),
            Unreachable,
            "RIM service: access refused (status 401)",
        ),
        (
            Says::status(403),
            Unreachable,
            "RIM service: access refused (status 403)",
        ),
        (Says::status(429), Unreachable, "RIM service: status 429"),
        (Says::status(500), Unreachable, "RIM service: status 500"),
        (Says::status(418), Unreachable, "RIM service: status 418"),
        (
            redirect,
            Refused,
            "RIM service: a redirect (status 302), which is not followed",
        ),
    ];
    for (says, kind, message) in table {
        let absence = outcome(&fake, says).await;
        assert_eq!(
            (absence.kind, absence.reason.message.as_str()),
            (kind, message)
        );
        assert_eq!(absence.reason.code, Code::RimNotAvailable);
    }
    assert_eq!(elsewhere.hits(), 0);
}

#[tokio::test]
async fn what_passes_is_asked_for_again_soon_and_later_if_the_service_says_so() {
    let table = [
        (Says::status(500), 10),
        (Says::status(401), 300),
        (retry_after(503, "2"), 10),
        (retry_after(503, "45"), 45),
        (retry_after(429, "86400"), 300),
    ];
    for (says, seconds) in table {
        let shown = format!("{says:?}");
        let fake = Fake::new(move |_| says.clone()).await;
        let site = Site::new(&with_rims(&fake), None);
        site.want(DRIVER_ID).await;
        site.clock.advance_s(seconds - 1);
        site.absent(DRIVER_ID);
        site.clock.advance_s(1);
        assert!(matches!(site.rim(DRIVER_ID), Lookup::Ask(_)), "{shown}");
        assert_eq!(fake.hits(), 1);
    }
}

fn retry_after(status: u16, value: &str) -> Says {
    Says {
        headers: vec![("retry-after", value.to_owned())],
        ..Says::status(status)
    }
}

/// A server that takes connections, reads, and then sends a byte every now and then, or nothing, or hangs up.
async fn raw(head: &'static str, drip: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = connection.read(&mut request).await;
                let _ = connection.write_all(head.as_bytes()).await;
                while drip && connection.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_service_that_crawls_hangs_up_or_is_not_there_is_unreachable() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
    // Bound and not listened on: refused, and nobody else's until the end.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let closed = format!("http://{}", nobody.local_addr().unwrap());
    let table = [
        (raw(HEAD, true).await, "RIM service: no answer within 1 s"),
        (raw("", true).await, "RIM service: "),
        (
            raw(HEAD, false).await,
            "RIM service: the answer broke off or was not HTTP",
        ),
        (
            raw("SSH-2.0-x\r\n", false).await,
            "RIM service: the answer broke off or was not HTTP",
        ),
        (closed, "RIM service: no connection"),
    ];
    for (url, message) in table {
        let mut settings = AppraisalSettings::default();
        settings.rim_service.url = Some(url);
        settings.rim_service.timeout_s = 1;
        let site = Site::new(&settings, None);
        let started = Instant::now();
        site.want(DRIVER_ID).await;
        assert!(started.elapsed() < Duration::from_secs(5));
        let absence = site.absent(DRIVER_ID);
        assert_eq!(absence.kind, AbsenceKind::Unreachable);
        assert!(absence.reason.message.starts_with(message), "{absence:?}");
    }
}
