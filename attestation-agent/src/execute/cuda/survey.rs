//! What CUDA has to offer on this host, question by question, for `doctor`. Runs nothing.

use kernels::Module;

use super::{CudaDevice, CudaSelection, failure, select};
use crate::execute::ExecuteError;

/// The answer to one question, in their order. After a failure that leaves nothing to ask, there are no more.
#[derive(Debug)]
pub(crate) enum Surveyed {
    /// Whether the library is there, complete, and starts.
    Library(Result<(), ExecuteError>),
    /// The driver's version, 1000 · major + 10 · minor, and the least that the modules need.
    Version(Result<i32, ExecuteError>, i32),
    /// Every GPU that CUDA sees, with how many kinds of modules each can load.
    Devices(Result<Vec<(CudaDevice, usize)>, ExecuteError>),
    /// The position, among these, of the one that jobs run on.
    Chosen(Result<usize, ExecuteError>),
}

/// Asks. Blocks for as long as the driver does.
pub(crate) fn survey(selection: &CudaSelection, tell: &mut dyn FnMut(Surveyed)) {
    let driver = match select::load() {
        Ok(driver) => driver,
        Err(error) => return tell(Surveyed::Library(Err(error))),
    };
    tell(Surveyed::Library(Ok(())));
    let version = driver.version();
    let version = version.map_err(|error| failure("driver", "asking for its version", error));
    tell(Surveyed::Version(version, least_version()));
    let devices = match selection.devices(driver) {
        Ok(devices) => devices,
        Err(error) => return tell(Surveyed::Devices(Err(error))),
    };
    let chosen = selection.choose_among(&devices);
    let chosen = chosen.map(|chosen| devices.iter().position(|it| it == &chosen).unwrap_or(0));
    let counted = devices.into_iter().map(|device| {
        let modules = device.targets().len();
        (device, modules)
    });
    tell(Surveyed::Devices(Ok(counted.collect())));
    tell(Surveyed::Chosen(chosen));
}

/// The least version of the driver that knows the PTX of every module.
///
/// Of a PTX ISA 7.x or 8.x to 8.5, the CUDA release that came with it: 11.x or 12.x (PTX ISA, "Release Notes", table 1).
/// The modules are of an ISA within that, which a test holds.
fn least_version() -> i32 {
    let versions = Module::all().filter_map(|module| isa(module.ptx()?.text));
    let newest = versions.max().unwrap_or((7, 0));
    (newest.0 + 4) * 1000 + newest.1 * 10
}

/// The ISA that a text is written in.
fn isa(ptx: &str) -> Option<(i32, i32)> {
    let mut lines = ptx.lines();
    let stated = lines.find_map(|line| line.trim().strip_prefix(".version"))?;
    let (major, minor) = stated.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_are_of_an_isa_whose_release_is_known() {
        for module in Module::all() {
            let (major, minor) = isa(module.ptx().unwrap().text).unwrap();
            assert!(major == 7 || major == 8 && minor <= 5, "{module:?}");
        }
        assert_eq!(least_version(), 12_000);
        assert_eq!(isa("//\n  .version 7.8\n.target sm_80"), Some((7, 8)));
        assert_eq!(isa("no PTX"), None);
    }
}
