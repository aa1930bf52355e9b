//! `docs/appraise-json.md` names every member that `pogw appraise --format json` writes, and no other.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use evidence::limits::MAX_REASONS;
use serde_json::Value;
use tests::scene::{AS_OF, Scene};

const NONCE: [u8; 32] = [0x3c; 32];

#[test]
fn the_page_names_the_members_that_are_written() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let ocsp = scene.collateral_dir().join("ocsp");
    let files = Files::of(&scene, folder.path());
    let good = files.appraise(
        &scene,
        &NONCE,
        &["--ocsp-dir".into(), ocsp.into_os_string()],
    );
    assert_eq!(good["policy"]["granted"], true, "{good:#}");
    let no_answers = folder.path().join("no-answers");
    fs::create_dir(&no_answers).unwrap();
    let refused = files.appraise(&scene, &[0; 32], &["--ocsp-dir".into(), no_answers.into()]);
    assert_eq!(refused["overall"], "fail");

    let mut written = BTreeSet::new();
    for answer in [&good, &refused] {
        members(answer, "", &mut written);
    }
    assert_eq!(written, documented());
}

/// Report and chain of the scene's device.
struct Files {
    report: PathBuf,
    chain: PathBuf,
}

impl Files {
    fn of(scene: &Scene, folder: &Path) -> Self {
        let device = scene.attest(&NONCE).remove(0);
        let files = Self {
            report: folder.join("report.bin"),
            chain: folder.join("chain.pem"),
        };
        fs::write(&files.report, device.report.0).unwrap();
        fs::write(&files.chain, device.chain.0).unwrap();
        files
    }

    fn appraise(&self, scene: &Scene, nonce: &[u8; 32], more: &[OsString]) -> Value {
        let anchors = scene.collateral_dir().join("anchors.toml");
        let options: [(&str, OsString); 7] = [
            ("--report", self.report.clone().into()),
            ("--chain", self.chain.clone().into()),
            ("--nonce", hex::encode(nonce).into()),
            ("--as-of", AS_OF.to_string().into()),
            ("--rim-dir", scene.collateral_dir().into()),
            ("--simulated-anchors", anchors.into()),
            ("--format", "json".into()),
        ];
        let mut args: Vec<OsString> = vec!["pogw".into(), "appraise".into()];
        args.extend(
            options
                .into_iter()
                .flat_map(|(name, value)| [name.into(), value]),
        );
        args.extend_from_slice(more);
        let (mut answer, mut notes) = (Vec::new(), Vec::new());
        cli::run(args, &mut answer, &mut notes);
        serde_json::from_slice(&answer)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&notes)))
    }
}

/// Paths of all members.
fn members(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let inner = format!("{path}{name}");
                members(value, &format!("{inner}."), found);
                found.insert(inner);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, path, found)),
        _ => {}
    }
}

/// Paths of all members that the page has, each table's under the member it describes.
fn documented() -> BTreeSet<String> {
    let page = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/appraise-json.md"
    ))
    .unwrap();
    let most = format!("At most {MAX_REASONS}, but of every code");
    assert!(page.contains(&most), "{most}");
    let mut named = BTreeSet::new();
    for section in page.split("\n## ").skip(1) {
        let prefixes: &[&str] = match section.lines().next().unwrap() {
            "The whole" => &[""],
            "A check" => &["checks.", "devices.checks."],
            "A device" => &["devices."],
            "The policy" => &["policy."],
            other => panic!("what is {other} about?"),
        };
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        for member in rows.filter_map(|row| row.split('`').next()) {
            let member = member.replace("[]", "");
            named.extend(prefixes.iter().map(|prefix| format!("{prefix}{member}")));
        }
    }
    let of_reason = ["code", "message", "expected", "actual"];
    let of_certificate = "devices.revocation.certificates.reasons";
    named.extend(of_reason.map(|member| format!("{of_certificate}.{member}")));
    // Nothing is wrong here with the devices together.
    named.retain(|member| !member.starts_with("checks.reasons."));
    named
}
