//! Which layer wins, and which is blamed.

use serde::Deserialize;

use super::*;

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    name: String,
    list: Vec<String>,
    http: Http,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Http {
    port: u16,
    host: String,
}

/// A folder with a settings file and drop-ins.
fn folder(main: &str, drop_ins: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.toml"), main).unwrap();
    fs::create_dir(folder.path().join(DROP_INS)).unwrap();
    for (name, text) in drop_ins {
        fs::write(folder.path().join(DROP_INS).join(name), text).unwrap();
    }
    folder
}

fn load(folder: &tempfile::TempDir, variables: &[(&str, &str)]) -> Result<Settings, LayerError> {
    let variables = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    Layers::new(&Settings::default())
        .file(&folder.path().join("config.toml"))?
        .environment("APP__", variables)?
        .extract()
}

#[test]
fn the_later_wins_member_by_member() {
    let drop_ins = [
        ("20-b.toml", "http.port = 20"),
        (
            "10-a.toml",
            "name = 'a'\nlist = ['x']\n[http]\nport = 10\nhost = 'a'",
        ),
        ("30-c.toml.dpkg-dist", "name = 'not read'"),
        (".40-d.toml", "name = 'not read'"),
    ];
    let folder = folder("name = 'main'\nlist = ['y', 'z']\n", &drop_ins);
    let expected = |name: &str, port| Settings {
        name: name.into(),
        list: vec!["x".into()],
        http: Http {
            port,
            host: "a".into(),
        },
    };
    assert_eq!(load(&folder, &[]).unwrap(), expected("a", 20));
    let variables = [
        ("APP__HTTP__PORT", "30"),
        ("APP__NAME", "env"),
        ("OTHER__NAME", "x"),
    ];
    assert_eq!(load(&folder, &variables).unwrap(), expected("env", 30));
}

#[test]
fn a_fault_names_the_place_of_the_value_that_counts() {
    type Row = (
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let table: [Row; 6] = [
        ("nane = 1", "", &[], "config.toml: nane: unknown field"),
        (
            "",
            "[http]\npot = 1",
            &[],
            "conf.d/1.toml: http.pot: unknown field",
        ),
        (
            "http.port = 1",
            "http.port = 70000",
            &[],
            "conf.d/1.toml: http.port: ",
        ),
        (
            "http.port = 'x'",
            "http.host = 'h'",
            &[],
            "config.toml: http.port: ",
        ),
        (
            "",
            "",
            &[("APP__HTTP__PORT", "x")],
            "APP__HTTP__PORT: http.port: ",
        ),
        ("list = [1]", "", &[], "config.toml: list"),
    ];
    for (main, drop_in, variables, word) in table {
        let folder = folder(main, &[("1.toml", drop_in)]);
        let error = load(&folder, variables).unwrap_err().to_string();
        assert!(error.contains(word), "{main} {drop_in}: {error}");
    }
}

#[test]
fn what_is_not_toml_is_named_by_file_and_line_and_not_shown() {
    let folder = folder("name = 'x'", &[("1.toml", "\npassword = s3cret\n")]);
    let error = load(&folder, &[]).unwrap_err().to_string();
    assert!(error.contains("conf.d/1.toml: line 2: not TOML"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn a_file_must_be_there_and_not_be_endless() {
    let folder = folder("", &[]);
    let absent = Layers::new(&Settings::default()).file(&folder.path().join("other.toml"));
    assert!(matches!(absent, Err(LayerError::Read { .. })));
    let long = "#".repeat(256 * 1024 + 1);
    fs::write(folder.path().join("config.toml"), long).unwrap();
    assert!(matches!(
        load(&folder, &[]),
        Err(LayerError::TooLarge { .. })
    ));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let variable = (OsString::from("APP__NAME"), OsString::from_vec(vec![0xff]));
    let bad_name = (
        OsString::from_vec(b"APP__\xff".to_vec()),
        OsString::from("x"),
    );
    let load = |variable| Layers::new(&Settings::default()).environment("APP__", [variable]);
    for variable in [variable, bad_name] {
        assert!(matches!(load(variable), Err(LayerError::NotText { .. })));
    }
    // What is not ours may be anything.
    load((OsString::from("PATH"), OsString::from_vec(vec![0xff]))).unwrap();
}
