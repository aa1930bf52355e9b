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
    let settings = load(text, &Overrides::default()).unwrap();
    let example = Settings {
        state_dir: PathBuf::from("/var/lib/pogw-agent"),
        verifier: Some("https://verifier.example".to_owned()),
        ..Settings::default()
    };
    assert_eq!(settings, example);
    let json = serde_json::to_value(&example).unwrap();
    let sections = json.as_object().unwrap().values();
    let inner = sections.filter_map(|value| value.as_object());
    for name in inner
        .chain(json.as_object())
        .flat_map(|object| object.keys())
    {
        assert!(text.contains(name.as_str()), "{name}");
    }
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
        (&[("XDG_STATE_HOME", "/s"), home], "/s/pogw-agent"),
        (&[home], "/home/x/.local/state/pogw-agent"),
        (&[("HOME", "")], "/var/lib/pogw-agent"),
    ];
    for (set, expected) in table {
        assert_eq!(dir(set), Path::new(expected));
    }
}
