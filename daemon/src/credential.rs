//! Secrets that the service manager hands over: files in `$CREDENTIALS_DIRECTORY`, readable for this service alone.

use std::env;
use std::path::{Path, PathBuf};

/// The file of a credential, if there is one that is not empty.
///
/// An empty one stands for none: a unit gives it as the fallback for a file that need not be there (`SetCredential=`).
#[must_use]
pub fn path(name: &str) -> Option<PathBuf> {
    let directory = env::var_os("CREDENTIALS_DIRECTORY")?;
    filled(&Path::new(&directory).join(name))
}

fn filled(path: &Path) -> Option<PathBuf> {
    let length = path.metadata().ok()?.len();
    (length > 0).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_credential_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        assert_eq!(filled(&file), None);
        std::fs::write(&file, "").unwrap();
        assert_eq!(filled(&file), None);
        std::fs::write(&file, "secret").unwrap();
        assert_eq!(filled(&file), Some(file));
    }
}
