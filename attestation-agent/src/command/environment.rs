//! The environment of a program: what is named here, what the settings add, and nothing else.

use std::env;
use std::path::Path;

use super::folder::RunFolder;

/// Variables that a program gets from the agent's own environment, where they are set there.
///
/// Enough to find programs, libraries and GPUs and to read the clock and text; nothing that is a secret by custom.
pub const KEPT_VARIABLES: &[&str] = &[
    "CUDA_DEVICE_ORDER",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_VISIBLE_DEVICES",
    "PATH",
    "TZ",
    "VIRTUAL_ENV",
];

/// Where the socket is, for the program.
pub(super) const SOCKET_VARIABLE: &str = "POGW_SOCKET";

/// The variables of a program that runs in `folder`. A value that is not UTF-8 is left out.
pub(super) fn of(folder: &RunFolder, also: &[String]) -> Vec<(String, String)> {
    let kept = KEPT_VARIABLES.iter().copied();
    let named = kept.chain(also.iter().map(String::as_str));
    let inherited = named.filter_map(|name| Some((name.to_owned(), env::var(name).ok()?)));
    let own = [
        ("HOME", folder.home()),
        ("TMPDIR", folder.tmp()),
        ("PWD", folder.work()),
        (SOCKET_VARIABLE, folder.socket()),
    ];
    let own = own.map(|(name, path)| (name.to_owned(), text(&path)));
    inherited.chain(own).collect()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
