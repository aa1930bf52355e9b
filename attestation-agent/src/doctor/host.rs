//! What the agent needs of this host besides devices: a folder, a key in it, an outbox that is empty.

use std::path::{Path, PathBuf};

use super::{Finding, FindingId, FindingStatus};
use crate::files::{self, FileError};
use crate::key::{AgentKey, KEY_FILE};
use crate::outbox::{Backlog, Outbox};

pub(super) fn examine(state_dir: &Path) -> Vec<Finding> {
    let folder = folder(state_dir);
    let key = key(state_dir, folder.status);
    vec![folder, key, outbox(state_dir)]
}

fn folder(state_dir: &Path) -> Finding {
    let id = FindingId::StateDir;
    let refused = |error: FileError| {
        Finding::problem(id, error.to_string())
            .code(error.code())
            .mend(error.remedy())
    };
    let shown = state_dir.display();
    if !state_dir.exists() {
        let above = nearest_that_exists(state_dir);
        return match files::can_write(&above) {
            Ok(()) => Finding::ok(id, format!("{shown} is not there yet, and can be made")),
            Err(error) => refused(error),
        };
    }
    let usable = files::private_dir(state_dir).and_then(|()| files::can_write(state_dir));
    match usable {
        Ok(()) => Finding::ok(id, shown.to_string()),
        Err(error) => refused(error),
    }
}

/// The folder in which the missing ones would be made.
fn nearest_that_exists(path: &Path) -> PathBuf {
    let there = path.ancestors().skip(1).find(|above| above.exists());
    // Nothing above a relative path is the folder this process is in.
    there.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

fn key(state_dir: &Path, folder: FindingStatus) -> Finding {
    let id = FindingId::AgentKey;
    match state_dir.join(KEY_FILE).try_exists() {
        Ok(true) => match AgentKey::open(state_dir) {
            Ok(_) => Finding::ok(id, "there"),
            Err(error) => Finding::problem(id, error.to_string())
                .code(error.code())
                .mend(error.remedy()),
        },
        Ok(false) if folder == FindingStatus::Ok => {
            Finding::ok(id, "not there yet; made at the first run")
        }
        Ok(false) => Finding::open(id, FindingId::StateDir),
        Err(error) => Finding::problem(id, format!("cannot be looked at: {error}")),
    }
}

fn outbox(state_dir: &Path) -> Finding {
    let id = FindingId::Outbox;
    let Backlog {
        waiting,
        held,
        expired,
    } = match Outbox::backlog(state_dir) {
        Ok(backlog) => backlog,
        Err(error) => {
            return Finding::problem(id, error.to_string())
                .code(error.code())
                .mend(error.remedy());
        }
    };
    let found = format!(
        "{waiting} waiting, {held} in the hands of a running agent, {expired} expired and set aside"
    );
    match waiting {
        0 => Finding::ok(id, found),
        _ => Finding::problem(id, found),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::bind::SealedBundle;

    fn words(state_dir: &Path) -> Vec<(&'static str, &'static str, String)> {
        let findings = examine(state_dir).into_iter();
        let word = |f: Finding| (f.id.as_str(), f.status.as_str(), f.codes.concat());
        findings.map(word).collect()
    }

    fn row(
        id: &'static str,
        status: &'static str,
        code: &str,
    ) -> (&'static str, &'static str, String) {
        (id, status, code.to_owned())
    }

    #[test]
    fn a_fresh_host_is_fine_and_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let all_ok = [
            row("state_dir", "ok", ""),
            row("agent_key", "ok", ""),
            row("outbox", "ok", ""),
        ];
        assert_eq!(words(&dir.path().join("not/yet")), all_ok);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        AgentKey::open(dir.path()).unwrap();
        assert_eq!(words(dir.path()), all_ok);
    }

    #[test]
    fn a_folder_that_is_open_to_others_or_none_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let told = words(dir.path());
        assert_eq!(
            told[0],
            row("state_dir", "problem", "file_permissions_too_wide")
        );
        assert_eq!(told[1], row("agent_key", "unknown", ""));

        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(
            words(&file)[0],
            row("state_dir", "problem", "file_unusable")
        );
        // Nothing can be made below a file either.
        assert_eq!(
            words(&file.join("x"))[0],
            row("state_dir", "problem", "file_unusable")
        );
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_none_is_told() {
        let dir = tempfile::tempdir().unwrap();
        AgentKey::open(dir.path()).unwrap();
        let path = dir.path().join(KEY_FILE);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let told = words(dir.path());
        assert_eq!(
            told[1],
            row("agent_key", "problem", "file_permissions_too_wide")
        );
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, [0; 48]).unwrap();
        assert_eq!(
            words(dir.path())[1],
            row("agent_key", "problem", "agent_key_malformed")
        );
    }

    #[test]
    fn bundles_that_wait_are_counted_and_those_at_work_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path()).unwrap();
        let held = outbox.put("http://127.0.0.1:1/", SealedBundle::new(b"{}".to_vec()));
        let held = held.unwrap();
        assert_eq!(examine(dir.path())[2].status, FindingStatus::Ok);
        drop(held);
        let told = examine(dir.path()).remove(2);
        assert_eq!(told.status, FindingStatus::Problem);
        assert!(told.found.starts_with("1 waiting, 0 in"), "{told}");
        assert!(told.remedy.unwrap().contains("submit"));
    }
}
