//! The layers of the settings, and what is refused.

use super::*;

/// Settings of a file with this text. The environment of a test run has no settings of ours.
fn load(text: &str, overrides: &Overrides) -> Result<Settings, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    Settings::load(Some(&path), overrides)
}

#[test]
fn the_example_is_the_defaults_and_names_every_setting() {
    let text = include_str!("../../config.example.toml");
    let example = load(text, &Overrides::default()).unwrap();
    assert_eq!(example, Settings::default());
    let commented = uncommented(text);
    load(&commented, &Overrides::default()).unwrap();
    let json = serde_json::to_value(&example).unwrap();
    let sections = json.as_object().unwrap().values();
    let inner = sections.filter_map(|value| value.as_object());
    for name in inner
        .chain(json.as_object())
        .flat_map(|object| object.keys())
    {
        let key = format!("\n{name} = ");
        let section = format!("\n[{name}]");
        assert!(
            commented.contains(&key) || commented.contains(&section),
            "{name}"
        );
    }
}

/// The example with every commented-out setting put into force, but those of other kinds of device.
fn uncommented(text: &str) -> String {
    let setting = |line: &&str| {
        let key = line
            .strip_prefix("# ")
            .and_then(|rest| rest.split_once(" = "));
        key.is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let lines = text.lines().map(|line| match setting(&line) {
        // The kind of the example takes a library and no folder.
        true if line.starts_with("# dir = \"/captures") => line,
        true => &line[2..],
        false => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn drop_ins_win_over_the_file_and_are_named_when_they_are_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let (main, drop_ins) = (dir.path().join("config.toml"), dir.path().join("conf.d"));
    std::fs::create_dir(&drop_ins).unwrap();
    std::fs::write(&main, "verifier = 'http://main'").unwrap();
    std::fs::write(drop_ins.join("10-site.toml"), "verifier = 'http://site'").unwrap();
    let load = || Settings::load(Some(&main), &Overrides::default());
    assert_eq!(load().unwrap().verifier.as_deref(), Some("http://site"));
    std::fs::write(drop_ins.join("20-wrong.toml"), "[http]\ntimeout = 5").unwrap();
    let error = load().unwrap_err().to_string();
    assert!(
        error.contains("20-wrong.toml: http.timeout: unknown field"),
        "{error}"
    );
}

#[test]
fn flags_win_over_the_file() {
    let overrides = Overrides {
        state_dir: Some("/flag".into()),
        device_dir: Some("/flag/captures".into()),
        ..Overrides::default()
    };
    let text = "state_dir = '/file'\nverifier = 'http://file'\n\
                [device]\nkind = 'recorded'\ndir = '/file/captures'";
    let settings = load(text, &overrides).unwrap();
    assert_eq!(settings.state_dir, Path::new("/flag"));
    assert_eq!(settings.verifier.as_deref(), Some("http://file"));
    let dir = PathBuf::from("/flag/captures");
    assert_eq!(settings.selection().unwrap(), Selection::Recorded { dir });
}

#[test]
fn another_device_does_not_inherit_a_folder() {
    let overrides = Overrides {
        device: Some(SourceKind::Simulated),
        ..Overrides::default()
    };
    let text = "state_dir = '/s'\n[device]\nkind = 'recorded'\ndir = '/captures'";
    let dir = PathBuf::from("/s/simulated");
    let settings = load(text, &overrides).unwrap();
    assert_eq!(settings.selection().unwrap(), Selection::Simulated { dir });
}

#[test]
fn what_nobody_reads_is_refused_by_name() {
    let table = [
        ("state-dir = '/x'", "state-dir"),
        ("[device]\nlibary = '/x'", "libary"),
        ("[device]\nkind = 'cuda'", "cuda"),
        ("[device]\ndir = '/x'", "device.dir"),
        ("[device]\nkind = 'recorded'", "device.dir"),
        (
            "[device]\nkind = 'simulated'\nlibrary = '/x'",
            "device.library",
        ),
        ("[retry]\nattempts = 0", "retry.attempts"),
        ("[http]\ntimeout_s = -1", "timeout_s"),
        ("state_dir = ''", "state_dir"),
        // Outputs are kept through the window and a day; the default window is 30 days.
        (
            "[serve]\nkeep_s = 2678399",
            "serve.keep_s: expected at least 2678400",
        ),
        ("verifier = ", "TOML"),
    ];
    for (text, word) in table {
        let error = load(text, &Overrides::default()).unwrap_err();
        assert_eq!(error.code(), "settings_invalid", "{text}");
        assert!(error.to_string().contains(word), "{text}: {error}");
    }
    let absent = Settings::load(Some(Path::new("/nonexistent")), &Overrides::default());
    assert_eq!(absent.unwrap_err().code(), "file_unusable");
}

#[test]
fn state_lies_where_the_system_says() {
    let dir = |set: &[(&str, &str)]| {
        let find = |name: &str| set.iter().find(|(key, _)| *key == name);
        default_state_dir(|name| find(name).map(|(_, value)| PathBuf::from(value)))
    };
    let home = ("HOME", "/home/x");
    let table: [(&[(&str, &str)], &str); 4] = [
        (&[("STATE_DIRECTORY", "/var/lib/a"), home], "/var/lib/a"),
        (&[("XDG_STATE_HOME", "/s"), home], "/s/attestation-agent"),
        (&[home], "/home/x/.local/state/attestation-agent"),
        (&[("HOME", "")], "/var/lib/attestation-agent"),
    ];
    for (set, expected) in table {
        assert_eq!(dir(set), Path::new(expected));
    }
}
