//! The pages: what is sent, how long it may be kept, what it may do, and that it can be switched off.

use axum::http::Method;

use super::served::Served;
use super::*;

const PAGE: &str = "<!doctype html>";

async fn asked(
    rig: &Rig,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = rig.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, body.into())
}

/// The paths that the page names.
async fn named(rig: &Rig) -> Vec<String> {
    let (_, _, page) = asked(rig, "/console/", &[]).await;
    let page = String::from_utf8(page).unwrap();
    let paths = page.split('"').filter(|text| text.starts_with("/console/"));
    paths.map(str::to_owned).collect()
}

#[tokio::test]
async fn every_page_is_the_page_and_what_it_names_is_there() {
    let rig = Rig::new().await;
    let pages = [
        "/console/",
        "/console/jobs",
        "/console/jobs/abc",
        "/console/receipts/abc",
    ];
    for path in pages {
        let (status, headers, body) = asked(&rig, path, &[]).await;
        assert_eq!(
            (status, headers["cache-control"].to_str().unwrap()),
            (StatusCode::OK, "no-cache"),
            "{path}"
        );
        assert!(body.starts_with(PAGE.as_bytes()), "{path}");
    }
    let named = named(&rig).await;
    assert!(named.len() >= 4, "{named:?}");
    for path in named {
        let (status, headers, body) = asked(&rig, &path, &[]).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(
            headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        assert!(!body.is_empty());
    }
}

#[tokio::test]
async fn pages_may_use_this_origin_alone() {
    let rig = Rig::new().await;
    let (_, headers, _) = asked(&rig, "/console/", &[]).await;
    let policy = headers["content-security-policy"].to_str().unwrap();
    let demanded = [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ];
    for directive in demanded {
        assert!(
            policy.split("; ").any(|stated| stated == directive),
            "{directive}: {policy}"
        );
    }
    let others = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in others {
        assert_eq!(headers[name], value);
    }
}

#[tokio::test]
async fn what_is_compressed_is_another_form_under_another_tag() {
    let rig = Rig::new().await;
    let (_, plain, bytes) = asked(&rig, "/console/", &[]).await;
    assert!(!plain.contains_key("content-encoding"));
    let brotli = [("accept-encoding", "gzip, br")];
    let (status, compressed, smaller) = asked(&rig, "/console/", &brotli).await;
    assert_eq!(
        (status, &compressed["content-encoding"]),
        (StatusCode::OK, &HeaderValue::from_static("br"))
    );
    assert!(smaller.len() < bytes.len());
    assert_eq!(compressed["vary"], "accept-encoding");
    assert_ne!(plain["etag"], compressed["etag"]);
    let tag = compressed["etag"].to_str().unwrap();
    let (status, _, body) = asked(&rig, "/console/", &[brotli[0], ("if-none-match", tag)]).await;
    assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
    let (status, _, _) = asked(&rig, "/console/", &[("if-none-match", tag)]).await;
    assert_eq!(status, StatusCode::OK, "the other form is not known");
}

#[tokio::test]
async fn the_document_of_the_interface_is_compressed_for_those_who_take_it() {
    let rig = Rig::new().await;
    let (_, plain, bytes) = asked(&rig, "/openapi.json", &[("accept-encoding", "br")]).await;
    assert!(!plain.contains_key("content-encoding"));
    let gzip = [("accept-encoding", "gzip, br")];
    let (status, compressed, smaller) = asked(&rig, "/openapi.json", &gzip).await;
    assert_eq!(
        (status, &compressed["content-encoding"], &compressed["vary"]),
        (
            StatusCode::OK,
            &HeaderValue::from_static("gzip"),
            &HeaderValue::from_static("accept-encoding")
        )
    );
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(
        &mut flate2::read::GzDecoder::new(smaller.as_slice()),
        &mut unpacked,
    )
    .unwrap();
    assert_eq!(unpacked, bytes);
    // The README says how large it is; a tenth more or less is the same to a reader.
    let readme = include_str!("../../../README.md");
    let (_, said) = readme.split_once("The document has ").unwrap();
    let said: Vec<usize> = said
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .take(2)
        .collect();
    for (kilobytes, actual) in said.iter().zip([bytes.len(), smaller.len()]) {
        let off = actual.abs_diff(kilobytes * 1000);
        assert!(
            off * 10 <= actual,
            "{kilobytes} KB are said, {actual} bytes it has"
        );
    }
    assert_eq!(said.len(), 2);
    let tag = compressed["etag"].to_str().unwrap();
    assert_ne!(plain["etag"], compressed["etag"]);
    let known = ("if-none-match", tag);
    let (status, _, body) = asked(&rig, "/openapi.json", &[gzip[0], known]).await;
    assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
    let (status, _, _) = asked(&rig, "/openapi.json", &[known]).await;
    assert_eq!(status, StatusCode::OK, "the other form is not known");
}

#[tokio::test]
async fn people_are_led_to_the_pages_and_programs_are_not() {
    let rig = Rig::new().await;
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let (status, headers, _) = asked(&rig, "/", &browser).await;
    assert_eq!(
        (status, &headers["location"]),
        (
            StatusCode::TEMPORARY_REDIRECT,
            &HeaderValue::from_static("/console/")
        )
    );
    for accept in ["*/*", "application/json"] {
        let (status, _, _) = asked(&rig, "/", &[("accept", accept)]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{accept}");
    }
    let (status, headers, _) = asked(&rig, "/console", &[]).await;
    assert_eq!(
        (status, &headers["location"]),
        (
            StatusCode::PERMANENT_REDIRECT,
            &HeaderValue::from_static("/console/")
        )
    );
}

#[tokio::test]
async fn there_is_nothing_else_below() {
    let rig = Rig::new().await;
    for path in [
        "/console/table.rs",
        "/console/../Cargo.toml",
        "/console/elsewhere",
        "/console/index.html.br",
    ] {
        let (status, _, _) = asked(&rig, path, &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_pages_can_be_switched_off() {
    let off = Served::with(|config| config.console = false).await;
    for path in ["/console/", "/console", "/", "/console/jobs"] {
        let request = off.request(Method::GET, path).header("accept", "text/html");
        off.answer(request).await.is(404, "not_found");
    }
}

#[tokio::test]
async fn a_validator_learns_whom_receipts_are_from_and_for() {
    let rig = Rig::new().await;
    let facts = rig.get("/v1/service").await;
    facts.is(200, "");
    let facts = facts.json();
    assert_eq!(facts["issuer"], "https://verifier.example");
    assert_eq!(
        facts["audience"],
        json!(["https://market.example", "tenant"])
    );
    assert_eq!(facts["takes_simulated_devices"], false);
}

#[tokio::test]
async fn verdicts_are_counted_for_the_operator() {
    let served = Served::new().await;
    let operator = served.operator().to_owned();
    for label in ["one", "refuse", "one"] {
        let challenge = served.rig.challenge().await;
        served.rig.submit(&bundle_json(challenge, label)).await;
    }
    let told = served.get("/v1/statistics", &operator).await;
    told.is(200, "");
    let told = told.json();
    let [step] = told["steps"].as_array().unwrap().as_slice() else {
        panic!("{told:#}");
    };
    let verdicts: Vec<_> = step["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["of"].as_str().unwrap(), one["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(verdicts, [("bundle", 2), ("bundle", 1)]);
    assert!(
        step["verdicts"][0]["verdict"] == "granted" && step["verdicts"][1]["verdict"] != "granted",
        "{step:#}"
    );
    let latency: u64 = step["latency"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(latency, 3);
    let bounds = told["latency_bounds_us"].as_array().unwrap().len();
    assert_eq!(step["latency"].as_array().unwrap().len(), bounds + 1);
}

#[tokio::test]
async fn statistics_are_for_the_operator_in_steps_of_minutes() {
    let served = Served::new().await;
    let operator = served.operator().to_owned();
    served
        .get("/v1/statistics", "")
        .await
        .is(401, "authorization_missing");
    let (_, key) = served.party_with_key("tenant", &["jobs:read"]).await;
    served
        .get("/v1/statistics", &key)
        .await
        .is(401, "authorization_invalid");
    for (query, status) in [
        ("step_s=60", 200),
        ("step_s=3600", 200),
        ("step_s=90", 400),
        ("step_s=0", 400),
        ("step_s=7200", 400),
        ("step_s=", 400),
        ("from=1", 400),
    ] {
        let answered = served
            .get(&format!("/v1/statistics?{query}"), &operator)
            .await;
        answered.is(status, "query_malformed");
    }
}
