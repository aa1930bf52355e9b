//! Real evidence of several devices: the forms of the field, and systems of GPUs and switches, through `pogw appraise`.
//!
//! Without the files the trials are listed as ignored, by name.

use std::ffi::OsString;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use tests::real::{self, Manifest, Serialized, System};

/// The names of all trials, for machines without the files.
const NAMES: &str = include_str!("../vectors/real_systems.txt");

fn main() {
    let arguments = Arguments::from_args();
    let trials = match real::directory() {
        Some(directory) => trials(&directory),
        None => ignored(),
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn ignored() -> Vec<Trial> {
    let unavailable = || Err("needs real evidence, see POGW_EVIDENCE_DIR".into());
    let named = NAMES.lines().map(|name| Trial::test(name, unavailable));
    named.map(|trial| trial.with_ignored_flag(true)).collect()
}

fn trials(directory: &Path) -> Vec<Trial> {
    let manifest = Manifest::read(directory);
    let mut trials = Vec::new();
    for form in manifest.serialized {
        let directory = directory.to_owned();
        let name = format!("form::{}", form.file);
        trials.push(Trial::test(name, move || check_form(&directory, &form)));
    }
    for system in manifest.systems {
        let directory = directory.to_owned();
        let name = format!("system::{}", system.id);
        trials.push(Trial::test(name, move || check_system(&directory, &system)));
    }
    let mut found: Vec<_> = trials.iter().map(|trial| trial.name().to_owned()).collect();
    trials.push(Trial::test("every_trial_is_listed", move || {
        let mut listed: Vec<_> = NAMES.lines().map(str::to_owned).collect();
        listed.sort();
        found.sort();
        match listed == found {
            true => Ok(()),
            false => Err(format!(
                "tests/vectors/real_systems.txt should hold\n{}",
                found.join("\n")
            )
            .into()),
        }
    }));
    trials
}

/// Every device of the file is read, and all that can be judged without manifests is affirmed.
fn check_form(directory: &Path, form: &Serialized) -> Result<(), Failed> {
    let answer = appraise(&[&directory.join(&form.file)], &form.nonce)?;
    let devices = answer["devices"].as_array().ok_or("no devices")?;
    if devices.len() != form.devices.len() {
        return Err(format!(
            "expected {} devices, got {}",
            form.devices.len(),
            devices.len()
        )
        .into());
    }
    for device in devices {
        for id in [
            "parse",
            "nonce",
            "chain",
            "identity",
            "report_signature",
            "fwid",
        ] {
            if status(&device["checks"], id) != "affirmed" {
                return Err(format!("{id} is not affirmed\n{device:#}").into());
            }
        }
    }
    let mut names = form.devices.clone();
    names.sort();
    names.dedup();
    let distinct = names.len() == form.devices.len();
    let expected = if distinct { "affirmed" } else { "refuted" };
    match status(&answer["checks"], "devices") == expected {
        true => Ok(()),
        false => Err(format!("devices: expected {expected}\n{:#}", answer["checks"]).into()),
    }
}

fn check_system(directory: &Path, system: &System) -> Result<(), Failed> {
    let manifest = Manifest::read(directory);
    let named = system.gpus.iter().chain(&system.switches);
    let devices = named.map(|name| {
        let case = manifest.cases.iter().find(|case| case.device == *name);
        let case = case.ok_or_else(|| format!("the manifest has no case of {name}"))?;
        let read = |file: &str| std::fs::read(directory.join(file)).map_err(|e| e.to_string());
        let report = read(&case.report)?;
        Ok::<Value, String>(json!({
            "arch": case.arch,
            "nonce": hex::encode(&report[4..36]),
            "evidence": STANDARD.encode(&report),
            "certificate": STANDARD.encode(read(&case.chain)?),
        }))
    });
    let devices: Vec<Value> = devices.collect::<Result<_, _>>()?;
    let nonce = devices[0]["nonce"].as_str().ok_or("no device")?.to_owned();
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let write = |name: &str, devices: &[Value]| {
        let file = folder.path().join(name);
        std::fs::write(&file, Value::Array(devices.to_vec()).to_string())?;
        Ok::<_, std::io::Error>(file)
    };
    let answer = appraise(&[&write("system.json", &devices)?], &nonce)?;
    // The field's tools write GPUs and switches into a file each.
    let (gpus, switches) = devices.split_at(system.gpus.len());
    if !gpus.is_empty() && !switches.is_empty() {
        let files = [write("gpus.json", gpus)?, write("switches.json", switches)?];
        let apart = appraise(&[&files[0], &files[1]], &nonce)?;
        if (&apart["checks"], &apart["overall"]) != (&answer["checks"], &answer["overall"]) {
            return Err(format!("two files: another answer\n{:#}", apart["checks"]).into());
        }
        let lists = [gpus, switches].map(|list| Value::Array(list.to_vec()));
        let one = appraise(&[&write("lists.json", &lists)?], &nonce)?;
        if (&one["checks"], &one["overall"]) != (&answer["checks"], &answer["overall"]) {
            return Err(
                format!("two lists in one file: another answer\n{:#}", one["checks"]).into(),
            );
        }
    }
    let (id, expected) = match system.expect.as_str() {
        "topology_pass" => ("topology", "affirmed"),
        "topology_fail" => ("topology", "refuted"),
        "duplicate_device" => ("devices", "refuted"),
        other => return Err(format!("unknown verdict {other}").into()),
    };
    match status(&answer["checks"], id) == expected {
        true => Ok(()),
        false => Err(format!("{id}: expected {expected}\n{:#}", answer["checks"]).into()),
    }
}

fn appraise(files: &[&Path], nonce: &str) -> Result<Value, Failed> {
    let mut args: Vec<OsString> = vec!["pogw".into(), "appraise".into()];
    args.extend(files.iter().map(|file| file.as_os_str().to_owned()));
    args.extend(["--nonce", nonce, "--format", "json"].map(OsString::from));
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    cli::run(args, &mut stdout, &mut stderr);
    let answer = serde_json::from_slice(&stdout);
    Ok(answer.map_err(|e| format!("no JSON answer: {e}\n{}", String::from_utf8_lossy(&stderr)))?)
}

fn status<'a>(checks: &'a Value, id: &str) -> &'a str {
    let checks = checks.as_array().map_or(&[][..], Vec::as_slice);
    let check = checks.iter().find(|check| check["id"] == id);
    check
        .and_then(|check| check["status"].as_str())
        .unwrap_or("(absent)")
}
