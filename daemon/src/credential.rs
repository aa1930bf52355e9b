//! Secrets that the service manager hands over: files in `$CREDENTIALS_DIRECTORY`, readable for this service alone.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The file of a credential, if there is one that is not empty.
///
/// An empty line stands for none: a unit gives it as the fallback for a file that need not be there (`SetCredential=`).
#[must_use]
pub fn path(name: &str) -> Option<PathBuf> {
    let directory = env::var_os("CREDENTIALS_DIRECTORY")?;
    filled(&Path::new(&directory).join(name))
}

/// Whether a file is one of the credentials.
#[must_use]
pub fn holds(path: &Path) -> bool {
    let directory = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    directory.is_some_and(|directory| directory.is_absolute() && path.parent() == Some(&directory))
}

fn filled(path: &Path) -> Option<PathBuf> {
    let length = path.metadata().ok()?.len();
    let is_short = length <= 2;
    // One that cannot be read is there, and whoever needs it will say why not.
    let is_blank = is_short && fs::read(path).is_ok_and(|text| text.trim_ascii().is_empty());
    (!is_blank).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_credential_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        assert_eq!(filled(&file), None);
        for blank in ["", "\n", "\r\n"] {
            fs::write(&file, blank).unwrap();
            assert_eq!(filled(&file), None);
        }
        fs::write(&file, "secret").unwrap();
        assert_eq!(filled(&file), Some(file));
    }
}
