use super::*;

const EXAMPLE: &str = include_str!("../../config.example.toml");
const LEAST: &str =
    "issuer = \"https://verifier.example\"\naudience = [\"https://market.example\"]\n";

fn load(text: &str) -> Result<Config, String> {
    load_with(text, &[])
}

fn load_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let variables = variables
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    Config::from_sources(text, variables).map_err(|e| e.to_string())
}

fn least() -> Config {
    Config {
        issuer: "https://verifier.example".into(),
        audience: vec!["https://market.example".into()],
        ..Config::default()
    }
}

#[test]
fn the_example_is_the_defaults() {
    assert_eq!(load(&format!("{LEAST}{EXAMPLE}")), Ok(least()));
}

/// Every commented-out `key = value` of the example, put into force, is understood.
#[test]
fn the_example_names_every_key_rightly() {
    let mut keys = Vec::new();
    let mut uncomment = |line: &str| {
        let value = line.strip_prefix("# ").filter(|rest| {
            let key = rest.split_once(" = ").map_or("", |(key, _)| key);
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        });
        keys.extend(value.and_then(|v| v.split(' ').next()).map(str::to_owned));
        value.unwrap_or(line).to_owned() + "\n"
    };
    let text: String = EXAMPLE.lines().map(&mut uncomment).collect();
    load(&text).unwrap();
    let value = serde_json::to_value(Config::default()).unwrap();
    let appraisal = &value["appraisal"];
    let sections = [
        &value,
        &value["keys"],
        &value["keys"]["pkcs11"],
        &value["store"],
        &value["oidc"],
        appraisal,
        &appraisal["rim_service"],
        &appraisal["ocsp"],
        &value["nvidia"],
        &value["http"],
        &value["http"]["tls"],
        &value["metrics"],
        &value["telemetry"],
    ];
    let all = sections
        .into_iter()
        .flat_map(|section| section.as_object().unwrap().keys());
    let is_section = |key: &String| {
        [
            "keys",
            "pkcs11",
            "store",
            "oidc",
            "appraisal",
            "rim_service",
            "ocsp",
            "nvidia",
            "http",
            "tls",
            "metrics",
            "telemetry",
        ]
        .contains(&key.as_str())
    };
    let shown =
        |key: &&String| keys.contains(key) || LEAST.contains(key.as_str()) || is_section(key);
    assert_eq!(
        all.filter(|key| !shown(key)).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

#[test]
fn unknown_keys_are_refused_wherever_they_stand() {
    let top = load(&format!("{LEAST}body_limit = 5\n")).unwrap_err();
    let says = "configuration is malformed: text: body_limit: unknown field: found `body_limit`";
    assert!(top.starts_with(says), "{top}");
    let nested = load(&format!("{LEAST}[appraisal]\nrims = \"x\"\n")).unwrap_err();
    assert!(nested.contains("rims"), "{nested}");
    for (name, key) in [
        ("POGW_VERIFIER__ISUER", "isuer"),
        ("POGW_VERIFIER__APPRAISAL__RIMS", "rims"),
    ] {
        let environment = load_with(LEAST, &[(name, "x")]).unwrap_err();
        assert!(environment.contains(key), "{environment}");
    }
}

#[test]
fn the_environment_has_the_last_word() {
    let variables = [
        ("POGW_VERIFIER__ISSUER", "https://other.example"),
        ("POGW_VERIFIER__BODY_LIMIT_BYTES", "1000"),
        ("POGW_VERIFIER__APPRAISAL__RIM_DIR", "/srv/rims"),
        ("POGW_VERIFIER__AUDIENCE", "[\"a\", \"b\"]"),
        ("POGW_VERIFIER_CONFIG", "one underscore: not a key"),
        ("PATH", "/bin"),
    ];
    let config = load_with(&format!("{LEAST}body_limit_bytes = 5\n"), &variables).unwrap();
    assert_eq!(config.issuer, "https://other.example");
    assert_eq!(config.body_limit_bytes, 1000);
    assert_eq!(
        config.appraisal.rim_dir.as_deref(),
        Some(Path::new("/srv/rims"))
    );
    assert_eq!(config.audience, ["a", "b"]);
}

#[test]
fn drop_ins_override_the_file_and_faults_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let (main, drop_ins) = (
        folder.path().join("config.toml"),
        folder.path().join("conf.d"),
    );
    std::fs::create_dir(&drop_ins).unwrap();
    std::fs::write(&main, LEAST).unwrap();
    std::fs::write(
        drop_ins.join("10.toml"),
        "issuer = \"https://other.example\"",
    )
    .unwrap();
    assert_eq!(
        Config::load(Some(&main)).unwrap().issuer,
        "https://other.example"
    );
    std::fs::write(drop_ins.join("20.toml"), "[http.tls]\ncert = \"x\"").unwrap();
    let error = Config::load(Some(&main)).unwrap_err().to_string();
    assert!(
        error.contains("20.toml: http.tls.cert: unknown field"),
        "{error}"
    );
}

#[test]
fn tls_takes_certificate_and_key_or_neither() {
    for line in ["certificate = \"/c\"", "key = \"/k\""] {
        let error = load(&format!("{LEAST}[http.tls]\n{line}\n")).unwrap_err();
        assert!(error.contains("http.tls needs both"), "{error}");
    }
    load(&format!(
        "{LEAST}[http.tls]\ncertificate = \"/c\"\nkey = \"/k\"\n"
    ))
    .unwrap();
}

#[test]
fn wrong_types_are_refused() {
    for line in [
        "listen = \"here\"",
        "signing_algorithm = \"HS256\"",
        "body_limit_bytes = -1",
        "log_level = \"trace\"",
    ] {
        load(&format!("{LEAST}{line}\n")).unwrap_err();
    }
}

#[test]
fn all_faults_are_named_at_once() {
    let config = Config {
        challenge_lifetime_s: 0,
        body_budget_bytes: 1,
        request_timeout_s: 30,
        ..Config::default()
    };
    let Err(ConfigError::Faults(faults)) = config.validate() else {
        panic!("faults expected");
    };
    let keys: Vec<_> = faults
        .iter()
        .filter_map(|fault| fault.split(' ').next())
        .collect();
    let expected = [
        "issuer",
        "audience",
        "challenge_lifetime_s",
        "body_budget_bytes",
        "request_timeout_s",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn rules_of_collateral_have_their_faults() {
    let with = |section: &str, lines: &str| {
        let text = format!("{LEAST}[appraisal.{section}]\n{lines}\n");
        load(&text).map(|config| config.appraisal)
    };
    let good = "url = \"https://rim.attestation.nvidia.com\"\nservice_key_file = \"/k\"";
    let settings = with("rim_service", good).unwrap().rim_service;
    assert_eq!((settings.fresh_s, settings.max_stale_s), (86_400, 604_800));
    with("ocsp", "url = \"http://mirror.site:8080/ocsp\"").unwrap();
    with(
        "ocsp",
        "url = \"http://[::1]:8080\"\nservice_key_file = \"/k\"",
    )
    .unwrap();
    let table = [
        (
            "rim_service",
            "url = \"rim.example\"",
            "url must be an http",
        ),
        (
            "rim_service",
            "url = \"https://key@rim.example\"",
            "url must be an http",
        ),
        ("rim_service", "ca_file = \"/x\"", "needs a url"),
        (
            "rim_service",
            "url = \"http://rim.example\"\nservice_key_file = \"/k\"",
            "needs an https url",
        ),
        (
            "rim_service",
            "url = \"https://a\"\nproxy = \"a:80\"",
            "proxy must be",
        ),
        ("rim_service", "timeout_s = 0", "timeout_s must be 1 to 60"),
        ("rim_service", "fresh_s = 59", "fresh_s must be at least 60"),
        (
            "rim_service",
            "fresh_s = 604801",
            "max_stale_s must be at least fresh_s",
        ),
        (
            "rim_service",
            "max_stale_s = 2592001",
            "max_stale_s must be at most",
        ),
        (
            "rim_service",
            "negative_s = 3601",
            "negative_s must be 1 to 3600",
        ),
        ("ocsp", "url = \"ftp://x\"", "url must be an http"),
        ("ocsp", "proxy = \"http://p\"", "needs a url"),
        (
            "ocsp",
            "url = \"http://o.example\"\nservice_key_file = \"/k\"",
            "needs an https url",
        ),
        (
            "ocsp",
            "url = \"http://o\"\nproxy = \"socks5://p\"",
            "proxy must be",
        ),
        ("ocsp", "timeout_s = 61", "timeout_s must be 1 to 60"),
        ("ocsp", "negative_s = 0", "negative_s must be 1 to 3600"),
        ("ocsp", "nonce = true", "unknown field"),
    ];
    for (section, lines, says) in table {
        let refused = with(section, lines).unwrap_err();
        assert!(refused.contains(says), "{section} {lines}: {refused}");
    }
}

#[test]
fn rules_of_the_store_have_their_faults() {
    let with = |lines: &str| {
        let text = format!("{LEAST}[store]\n{lines}\n");
        load(&text).map(|config| config.store)
    };
    with("url = \"postgresql://pogw@db.example/pogw\"\npassword_file = \"/p\"").unwrap();
    for (lines, says) in [
        ("url = \"mysql://pogw:geheim@db/pogw\"", "store.url must be"),
        ("password_file = \"/p\"", "store needs a url"),
        ("max_connections = 0", "max_connections"),
        ("max_connections = 1001", "at most 1000"),
        (
            "statement_timeout_s = 0",
            "statement_timeout_s must be 1 to 60",
        ),
        (
            "statement_timeout_s = 61",
            "statement_timeout_s must be 1 to 60",
        ),
        ("kind = \"sqlite\"", "unknown field"),
    ] {
        let refused = with(lines).unwrap_err();
        assert!(refused.contains(says), "{lines}: {refused}");
        assert!(!refused.contains("geheim"), "{refused}");
    }
    let from_environment = [(
        "POGW_VERIFIER__STORE__URL",
        "postgresql://pogw:geheim@db.example/pogw",
    )];
    let config = load_with(LEAST, &from_environment).unwrap();
    assert!(config.store.url.is_some());
    assert!(!format!("{config:?}").contains("geheim"));
}

#[test]
fn an_oidc_issuer_that_cannot_be_used_is_named() {
    let good = "issuer = \"https://login.example/realm\"\naudience = [\"pogw\"]\n";
    let with = |lines: &str| load(&format!("{LEAST}[oidc]\n{lines}"));
    assert!(with(good).is_ok());
    assert!(with(&good.replace("https://login.example", "http://127.0.0.1:8080")).is_ok());
    let table = [
        (
            good.replace("https", "http"),
            "oidc.issuer must be an https URL",
        ),
        (
            good.replace("realm", "realm?x"),
            "oidc.issuer must be an https URL",
        ),
        (
            good.replace("\"pogw\"", ""),
            "oidc.audience must be 1 to 16",
        ),
        (
            format!("{good}algorithms = []"),
            "oidc.algorithms must name",
        ),
        (format!("{good}algorithms = [\"HS256\"]"), "HS256"),
        (format!("{good}algorithms = [\"none\"]"), "none"),
        (format!("{good}party_claim = \"\""), "must not be empty"),
        (
            format!("{good}leeway_s = 301"),
            "leeway_s must be at most 300",
        ),
        (
            format!("{good}jwks_fresh_s = 59"),
            "jwks_fresh_s must be at least 60",
        ),
        (
            format!("{good}jwks_max_stale_s = 3599"),
            "at least jwks_fresh_s",
        ),
        (format!("{good}jwks_max_stale_s = 604801"), "at most 604800"),
        (format!("{good}timeout_s = 11"), "timeout_s must be 1 to 10"),
        ("proxy = \"http://p\"".to_owned(), "oidc needs an issuer"),
        (
            format!("{good}proxy = \"socks5://p\""),
            "oidc.proxy must be",
        ),
        (format!("{good}secret = \"x\""), "unknown field"),
    ];
    for (lines, says) in table {
        let refused = with(&lines).unwrap_err();
        assert!(refused.contains(says), "{lines}: {refused}");
    }
}

#[test]
fn issuers_are_urls_and_audiences_differ() {
    let good = |issuer: &str| rules::is_http_url(issuer);
    assert!(good("https://v.example") && good("http://127.0.0.1:8477/pogw"));
    for bad in [
        "",
        "v.example",
        "/path",
        "ftp://v.example",
        "https://v.example?x",
        "https://v.example#x",
        "https://",
        "https://user@v.example",
        "https://user:password@v.example",
        "https://:password@v.example/path",
    ] {
        assert!(!good(bad), "{bad}");
    }
    for bad in [vec![], vec![""], vec!["a", "a"], vec!["a\n"]] {
        let audience = bad.into_iter().map(str::to_owned).collect();
        assert!(
            Config {
                audience,
                ..least()
            }
            .validate()
            .is_err()
        );
    }
}

#[test]
fn what_is_not_toml_is_said_in_one_line_without_its_text() {
    let refused = load(&format!("{LEAST}secret secret\n")).unwrap_err();
    assert!(
        refused.starts_with("configuration is malformed: text: line 3: not TOML: "),
        "{refused}"
    );
    assert!(
        !refused.contains('\n') && !refused.contains("secret"),
        "{refused}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let refused = Config::load(Some(Path::new("/nowhere/verifier.toml"))).unwrap_err();
    assert!(
        refused.to_string().contains("/nowhere/verifier.toml"),
        "{refused}"
    );
}

/// `deploy/tls/Caddyfile`, `deploy/tls/nginx.conf`: what the service takes, the proxies in front of it pass on.
#[test]
fn the_proxies_pass_on_every_body_that_is_taken() {
    let number_after = |text: &str, name: &str, unit: &str| -> usize {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        let number = line.unwrap().trim().strip_suffix(unit);
        number.expect(unit).parse().unwrap()
    };
    // Caddy: MB is a million, MiB is not; nginx has `m` for MiB.
    let caddy = number_after(
        include_str!("../../../deploy/tls/Caddyfile"),
        "max_size",
        "MiB",
    );
    let nginx = number_after(
        include_str!("../../../deploy/tls/nginx.conf"),
        "client_max_body_size",
        "m;",
    );
    let limit = Config::default().body_limit_bytes;
    for mib in [caddy, nginx] {
        assert!(mib * 1024 * 1024 >= limit, "{mib} MiB for {limit} bytes");
    }
}

#[test]
fn a_password_stands_in_no_file_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("verifier.toml");
    std::fs::write(&main, LEAST).unwrap();
    let drop_in = folder.path().join("conf.d/store.toml");
    std::fs::create_dir(drop_in.parent().unwrap()).unwrap();
    let with_password = "postgresql://pogw:secret@localhost/pogw";
    for (url, mode, is_refused) in [
        (with_password, 0o644, true),
        (with_password, 0o604, true),
        (with_password, 0o640, false),
        ("postgresql://pogw@localhost/pogw", 0o644, false),
    ] {
        std::fs::write(&drop_in, format!("[store]\nurl = \"{url}\"\n")).unwrap();
        std::fs::set_permissions(&drop_in, std::fs::Permissions::from_mode(mode)).unwrap();
        let loaded = Config::load(Some(&main)).map_err(|error| error.to_string());
        assert_eq!(loaded.is_err(), is_refused, "{url} {mode:o}");
        if let Err(why) = loaded {
            assert!(
                why.contains("conf.d/store.toml") && !why.contains("secret"),
                "{why}"
            );
        }
    }
    // A variable is no file.
    load_with(LEAST, &[("POGW_VERIFIER__STORE__URL", with_password)]).unwrap();
}
