//! Trust anchors from files of facts (`certs/`), and the rule of who may add some.
//!
//! NVIDIA's roots are compiled in. A configuration can add the roots of software devices and no others: a file of
//! simulated anchors that states a root without `simulated = true` is refused.

use std::path::{Path, PathBuf};

use evidence::cert::{AnchorUse, TrustAnchor, TrustAnchors};
use evidence::work::Hex;
use serde::Deserialize;
use thiserror::Error;

const NVIDIA: &str = include_str!("../../certs/nvidia.toml");

/// Why a file of anchors cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// The file cannot be read.
    #[error("cannot read anchors from {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The text is not a file of anchors.
    #[error("anchors in {path} are malformed: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// A root that claims to be genuine hardware, in a place for software devices.
    #[error("anchors in {path}: {subject} must say `simulated = true`; no other root can be added")]
    NotSimulated {
        /// The file.
        path: PathBuf,
        /// The root.
        subject: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    anchor: Vec<Fact>,
}

/// One root as it stands in a file. Fields that only people read are optional.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    #[serde(rename = "use")]
    usage: Usage,
    subject: String,
    sha256: Hex<32>,
    spki: String,
    #[serde(default)]
    simulated: bool,
    #[serde(default, rename = "serial")]
    _serial: Option<String>,
    #[serde(default, rename = "not_before")]
    _not_before: Option<String>,
    #[serde(default, rename = "not_after")]
    _not_after: Option<String>,
    #[serde(default, rename = "source")]
    _source: Option<String>,
    #[serde(default, rename = "recorded")]
    _recorded: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Usage {
    Device,
    Rim,
}

/// NVIDIA's roots and those of the software devices named.
///
/// # Errors
/// See [`AnchorError`].
pub fn load(simulated: &[PathBuf]) -> Result<TrustAnchors, AnchorError> {
    let mut anchors = parse(NVIDIA, Path::new("certs/nvidia.toml"))?;
    for path in simulated {
        anchors.extend(read_simulated(path)?);
    }
    Ok(TrustAnchors::new(anchors))
}

fn read_simulated(path: &Path) -> Result<Vec<TrustAnchor>, AnchorError> {
    let text = std::fs::read_to_string(path).map_err(|source| AnchorError::Io {
        path: path.to_owned(),
        source,
    })?;
    let anchors = parse(&text, path)?;
    match anchors.iter().find(|anchor| !anchor.simulated) {
        Some(genuine) => Err(AnchorError::NotSimulated {
            path: path.to_owned(),
            subject: genuine.subject.clone(),
        }),
        None => Ok(anchors),
    }
}

fn parse(text: &str, path: &Path) -> Result<Vec<TrustAnchor>, AnchorError> {
    let malformed = |reason: String| AnchorError::Malformed {
        path: path.to_owned(),
        reason,
    };
    let file: File = toml::from_str(text).map_err(|e| malformed(e.to_string()))?;
    let anchors = file.anchor.into_iter().map(|fact| {
        let spki = hex::decode(&fact.spki)
            .map_err(|e| malformed(format!("spki of {}: {e}", fact.subject)))?;
        Ok(TrustAnchor {
            subject: fact.subject,
            usage: match fact.usage {
                Usage::Device => AnchorUse::Device,
                Usage::Rim => AnchorUse::Rim,
            },
            sha256: fact.sha256.0,
            spki,
            simulated: fact.simulated,
        })
    });
    anchors.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nvidia_roots_are_two_and_genuine() {
        let anchors = load(&[]).unwrap();
        let uses: Vec<_> = anchors
            .as_slice()
            .iter()
            .map(|a| (a.usage, a.simulated))
            .collect();
        assert_eq!(uses, [(AnchorUse::Device, false), (AnchorUse::Rim, false)]);
        assert!(anchors.as_slice().iter().all(|a| a.spki.len() == 120));
    }

    #[test]
    fn only_simulated_roots_can_be_added() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("anchors.toml");
        std::fs::write(&file, NVIDIA).unwrap();
        let refused = load(std::slice::from_ref(&file)).unwrap_err();
        assert!(
            matches!(refused, AnchorError::NotSimulated { .. }),
            "{refused}"
        );
        std::fs::write(&file, "[[anchor]]\nuse = \"device\"\n").unwrap();
        assert!(matches!(
            load(&[file]).unwrap_err(),
            AnchorError::Malformed { .. }
        ));
    }
}
