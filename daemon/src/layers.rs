//! Settings from several places, the later wins: defaults, a file, its drop-ins, the environment.
//!
//! In scope: reading them, putting them on one another, and naming the place of a value that cannot be used. Tables are
//! merged member by member; anything else, lists too, is replaced as a whole.
//!
//! Drop-ins are the files `conf.d/*.toml` beside the settings file, in the order of their names (as bytes).

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::Serialized;
use figment::value::{Dict, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest settings file read, in bytes; the examples have 12 KiB.
const MAX_FILE_BYTES: u64 = 256 * 1024;
/// Most drop-ins: more is a mistake.
const MAX_DROP_INS: usize = 256;
/// Folder of the drop-ins, beside the settings file.
const DROP_INS: &str = "conf.d";

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is longer than settings are, or there are more files than anybody writes.
    #[error("{} is too large: expected at most {limit} {unit}", path.display())]
    TooLarge {
        /// The file or folder.
        path: PathBuf,
        /// The most accepted.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// A file is not TOML.
    #[error("{origin}: line {line}: not TOML: {message}")]
    NotToml {
        /// The file.
        origin: String,
        /// Where in it, from 1.
        line: usize,
        /// What is wrong, without what stands there: it may be a secret.
        message: String,
    },
    /// A variable of the environment that is a setting is not text.
    #[error("environment variable {} is not UTF-8", name.display())]
    NotText {
        /// Its name.
        name: OsString,
    },
    /// Settings that nobody knows, or of the wrong type; each with the place it comes from.
    #[error("{}", .0.join("; "))]
    Values(Vec<String>),
}

/// Settings, layer upon layer.
#[derive(Clone, Debug)]
pub struct Layers {
    figment: Figment,
    /// Where values come from, the last first to blame.
    origins: Vec<(String, Dict)>,
}

impl Layers {
    /// The defaults.
    #[must_use]
    pub fn new(defaults: &impl Serialize) -> Self {
        Self {
            figment: Figment::from(Serialized::defaults(defaults)),
            origins: Vec::new(),
        }
    }

    /// A settings file, which must be there, and the drop-ins beside it, which need not.
    ///
    /// # Errors
    /// [`LayerError::Read`], [`LayerError::TooLarge`], [`LayerError::NotToml`].
    pub fn file(self, path: &Path) -> Result<Self, LayerError> {
        let files = drop_ins(&path.with_file_name(DROP_INS))?;
        let all = std::iter::once(path.to_owned()).chain(files);
        all.into_iter().try_fold(self, |layers, path| {
            layers.text(&path.display().to_string(), &read(&path)?)
        })
    }

    /// TOML text; `origin` is what an error calls it.
    ///
    /// # Errors
    /// [`LayerError::NotToml`].
    pub fn text(self, origin: &str, text: &str) -> Result<Self, LayerError> {
        let table: toml::Table = text
            .parse()
            .map_err(|error| not_toml(origin, text, &error))?;
        let dict = Value::serialize(table)
            .ok()
            .and_then(Value::into_dict)
            .unwrap_or_default();
        Ok(self.on(origin.to_owned(), dict))
    }

    /// Those of the variables whose names begin with `prefix`: the rest is the path in upper case, parts joined by two
    /// underscores. A value is read as TOML where it looks like that.
    ///
    /// # Errors
    /// [`LayerError::NotText`]: such a variable was meant to set something.
    pub fn environment(
        self,
        prefix: &str,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, LayerError> {
        let ours = variables
            .into_iter()
            .filter(|(name, _)| name.as_encoded_bytes().starts_with(prefix.as_bytes()));
        ours.into_iter().try_fold(self, |layers, (name, value)| {
            let (Some(text), Some(value)) = (name.to_str(), value.to_str()) else {
                return Err(LayerError::NotText { name });
            };
            let key = text.strip_prefix(prefix).unwrap_or_default();
            let key = key.to_ascii_lowercase().replace("__", ".");
            let value = value
                .parse()
                .unwrap_or_else(|never: Infallible| match never {});
            Ok(layers.on(text.to_owned(), nested(&key, value)))
        })
    }

    /// Values of the program, such as those of a command line.
    #[must_use]
    pub fn with(self, change: impl FnOnce(Figment) -> Figment) -> Self {
        Self {
            figment: change(self.figment),
            ..self
        }
    }

    /// All layers as one value.
    ///
    /// # Errors
    /// [`LayerError::Values`], with the place of each.
    pub fn extract<T: DeserializeOwned>(&self) -> Result<T, LayerError> {
        self.figment.extract().map_err(|errors| {
            let faults = errors.into_iter().map(|error| {
                let origin = self.origin(&error.path);
                let member = error.path.join(".");
                let parts = [origin.unwrap_or_default(), &member];
                let place = parts.into_iter().filter(|part| !part.is_empty());
                place
                    .map(str::to_owned)
                    .chain([error.kind.to_string()])
                    .collect::<Vec<_>>()
                    .join(": ")
            });
            LayerError::Values(faults.collect())
        })
    }

    /// Where a setting comes from, its parts joined by dots; `None` for a default: the path of a file, or the name of a
    /// variable.
    #[must_use]
    pub fn origin_of(&self, setting: &str) -> Option<&str> {
        let path: Vec<_> = setting.split('.').map(str::to_owned).collect();
        self.origin(&path)
    }

    /// Where the value at a path comes from, if not from the program.
    fn origin(&self, path: &[String]) -> Option<&str> {
        let last = self.origins.iter().rev().find(|(_, dict)| has(dict, path));
        last.map(|(origin, _)| origin.as_str())
    }

    fn on(mut self, origin: String, dict: Dict) -> Self {
        self.figment = self.figment.merge(Serialized::defaults(&dict));
        self.origins.push((origin, dict));
        self
    }
}

fn has(dict: &Dict, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return false;
    };
    match dict.get(first) {
        Some(Value::Dict(_, inner)) if !rest.is_empty() => has(inner, rest),
        // An element of a list is where the list is.
        found => found.is_some(),
    }
}

fn nested(key: &str, value: Value) -> Dict {
    let mut parts = key.rsplit('.');
    let last = parts.next().unwrap_or_default().to_owned();
    let innermost = Dict::from([(last, value)]);
    parts.fold(innermost, |inner, part| {
        Dict::from([(part.to_owned(), Value::from(inner))])
    })
}

fn not_toml(origin: &str, text: &str, error: &toml::de::Error) -> LayerError {
    let before = error.span().and_then(|span| text.get(..span.start));
    LayerError::NotToml {
        origin: origin.to_owned(),
        line: before.map_or(1, |before| before.matches('\n').count().saturating_add(1)),
        message: error.message().to_owned(),
    }
}

/// The drop-ins in a folder, in the order of their names; none where there is no folder.
fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>, LayerError> {
    let unreadable = |source| LayerError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if is_drop_in(&path) {
            found.push(path);
        }
    }
    if found.len() > MAX_DROP_INS {
        return Err(LayerError::TooLarge {
            path: folder.to_owned(),
            limit: 256,
            unit: "files",
        });
    }
    found.sort();
    Ok(found)
}

/// What editors and package managers leave beside a file does not end like this, or is hidden.
fn is_drop_in(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.as_encoded_bytes());
    name.is_some_and(|name| name.ends_with(b".toml") && !name.starts_with(b"."))
}

fn read(path: &Path) -> Result<String, LayerError> {
    let unreadable = |source| LayerError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    let most = MAX_FILE_BYTES.saturating_add(1);
    let length = file
        .take(most)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if u64::try_from(length).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(LayerError::TooLarge {
            path: path.to_owned(),
            limit: MAX_FILE_BYTES,
            unit: "bytes",
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
