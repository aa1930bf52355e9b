//! Settings, from five layers: defaults < TOML file < its drop-ins < environment < flags.
//!
//! In scope: the typed settings, how the layers meet, and refusing what nobody reads: a misspelt
//! key is an error, not a silent default.
//!
//! Out of scope: secrets. The settings have none; the agent's key is a file of its own.
//!
//! In the environment a setting is `ATTESTATION_AGENT__` and its path in upper case, parts joined by
//! two underscores: `ATTESTATION_AGENT__DEVICE__KIND=simulated`. `config.example.toml` explains each
//! setting. Drop-ins are the files `conf.d/*.toml` beside the settings file ([`daemon::Layers`]).

use std::env;
use std::path::{Path, PathBuf};

use daemon::{LayerError, Layers};
use figment::Figment;
use figment::providers::Serialized;
use serde::{Deserialize, Serialize};
use telemetry::TelemetrySettings;

use crate::device::{Selection, SourceKind};
use crate::execute::{CudaSettings, ExecutorKind, HostSettings};
use crate::files::FileError;
use crate::http::HttpSettings;
use crate::retry::RetryPolicy;
use crate::serve::ServeSettings;

/// What every variable of the environment that is a setting begins with.
pub const ENV_PREFIX: &str = "ATTESTATION_AGENT__";

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Folder of the agent's key, its outbox and its receipts.
    pub state_dir: PathBuf,
    /// Address of the verifier.
    pub verifier: Option<String>,
    /// Who receipts are for.
    pub audience: Option<String>,
    /// What runs jobs.
    pub executor: ExecutorKind,
    /// Where evidence comes from.
    pub device: DeviceSettings,
    /// How a GPU is used, where one runs jobs.
    pub cuda: CudaSettings,
    /// How this CPU is used, where it runs jobs.
    pub host: HostSettings,
    /// How people's own programs are run.
    pub command: CommandSettings,
    /// How assignments are served.
    pub serve: ServeSettings,
    /// How to reach the verifier.
    pub http: HttpSettings,
    /// Where traces go.
    pub telemetry: TelemetrySettings,
    /// How persistent to be.
    pub retry: RetryPolicy,
}

/// Where evidence comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceSettings {
    /// `nvml`, `recorded` or `simulated`.
    pub kind: SourceKind,
    /// Folder of the captures (`recorded`) or of the identity (`simulated`, else
    /// `<state_dir>/simulated`).
    pub dir: Option<PathBuf>,
    /// The management library (`nvml`), where the loader does not find `libnvidia-ml.so.1`.
    pub library: Option<PathBuf>,
}

/// How people's own programs are run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommandSettings {
    /// Where run folders are made, else `<state_dir>/runs`.
    pub run_dir: Option<PathBuf>,
    /// Variables of the agent's environment that programs get beside the usual ones.
    pub environment: Vec<String>,
}

/// The topmost layer: what a command line, or a program that embeds the agent, sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Overrides {
    /// [`Settings::state_dir`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
    /// [`Settings::verifier`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    /// [`Settings::audience`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// [`Settings::executor`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor: Option<ExecutorKind>,
    /// [`ServeSettings::token_file`].
    #[serde(skip)]
    pub token_file: Option<PathBuf>,
    /// [`CudaSettings::gpu`].
    #[serde(skip)]
    pub gpu: Option<String>,
    /// [`DeviceSettings::kind`]. Where it is given, the lower layers' folder and library are those
    /// of another device and do not apply.
    #[serde(skip)]
    pub device: Option<SourceKind>,
    /// [`DeviceSettings::dir`].
    #[serde(skip)]
    pub device_dir: Option<PathBuf>,
    /// [`DeviceSettings::library`].
    #[serde(skip)]
    pub nvml_library: Option<PathBuf>,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The settings file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A setting is unknown, of the wrong type or out of range; the text names file and member.
    #[error("settings are not valid: {0}")]
    Invalid(String),
    /// There is no verifier to ask.
    #[error("no verifier is set")]
    VerifierNotSet,
}

impl ConfigError {
    /// The stable word for this cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::Invalid(_) => "settings_invalid",
            Self::VerifierNotSet => "verifier_not_set",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::File(error) => error.remedy(),
            Self::Invalid(_) => {
                "Compare with config.example.toml, which lists every setting; in the environment, \
                 put text that looks like a number in quotes."
            }
            Self::VerifierNotSet => {
                "Give its address (--verifier URL, or the setting `verifier`), or a challenge that \
                 came another way (--challenge), to make a bundle only."
            }
        }
    }
}

impl From<LayerError> for ConfigError {
    fn from(error: LayerError) -> Self {
        match error {
            LayerError::Read { path, source } => Self::File(FileError::Io {
                action: "read",
                path,
                source,
            }),
            other => Self::Invalid(other.to_string()),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            state_dir: default_state_dir(|name| env::var_os(name).map(PathBuf::from)),
            verifier: None,
            audience: None,
            executor: ExecutorKind::default(),
            device: DeviceSettings::default(),
            cuda: CudaSettings::default(),
            host: HostSettings::default(),
            command: CommandSettings::default(),
            serve: ServeSettings::default(),
            http: HttpSettings::default(),
            telemetry: TelemetrySettings::default(),
            retry: RetryPolicy::default(),
        }
    }
}

impl Default for DeviceSettings {
    /// The real thing: whoever wants a simulation says so.
    fn default() -> Self {
        Self {
            kind: SourceKind::Nvml,
            dir: None,
            library: None,
        }
    }
}

impl Settings {
    /// Joins the layers.
    ///
    /// # Errors
    /// [`ConfigError::File`] for a file that is named and not there, [`ConfigError::Invalid`].
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut layers = Layers::new(&Self::default());
        if let Some(path) = file {
            layers = layers.file(path)?;
        }
        let layers = layers.environment(ENV_PREFIX, env::vars_os())?;
        let settings: Self = layers.with(|figment| overrides.on(figment)).extract()?;
        settings.validate()?;
        Ok(settings)
    }

    /// Where run folders are made.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        let set = self.command.run_dir.clone();
        set.unwrap_or_else(|| self.state_dir.join("runs"))
    }

    /// Where assignments are kept.
    #[must_use]
    pub fn serve_dir(&self) -> PathBuf {
        let set = self.serve.dir.clone();
        set.unwrap_or_else(|| self.state_dir.join("serve"))
    }

    /// The devices these settings choose.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a recorded device without a folder, and for a folder or library
    /// that the device has no use for.
    pub fn selection(&self) -> Result<Selection, ConfigError> {
        let invalid = |what: &str| Err(ConfigError::Invalid(what.to_owned()));
        let DeviceSettings { kind, dir, library } = self.device.clone();
        match (kind, dir, library) {
            (SourceKind::Nvml, None, library) => Ok(Selection::Nvml { library }),
            (SourceKind::Nvml, Some(_), _) => invalid("device.dir is of no use to nvml"),
            (_, _, Some(_)) => invalid("device.library is of use to nvml only"),
            (SourceKind::Recorded, Some(dir), None) => Ok(Selection::Recorded { dir }),
            (SourceKind::Recorded, None, None) => invalid("device.dir is needed for recorded"),
            (SourceKind::Simulated, dir, None) => Ok(Selection::Simulated {
                dir: dir.unwrap_or_else(|| self.state_dir.join("simulated")),
            }),
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let at_least_1 = [
            ("http.connect_timeout_s", self.http.connect_timeout_s),
            ("http.timeout_s", self.http.timeout_s),
            ("retry.attempts", u64::from(self.retry.attempts)),
            ("cuda.timeout_s", self.cuda.timeout_s),
        ];
        if let Some((name, _)) = at_least_1.iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError::Invalid(format!(
                "{name}: expected at least 1, got 0"
            )));
        }
        if self.state_dir.as_os_str().is_empty() {
            return Err(ConfigError::Invalid("state_dir is empty".to_owned()));
        }
        if let Some(fault) = self.serve.fault() {
            return Err(ConfigError::Invalid(fault));
        }
        if !self.telemetry.is_usable() {
            let fault = "telemetry.sample_ppm: expected at most 1000000";
            return Err(ConfigError::Invalid(fault.to_owned()));
        }
        self.selection().map(drop)
    }
}

impl Overrides {
    fn on(&self, figment: Figment) -> Figment {
        let figment = figment.merge(Serialized::defaults(self));
        let mut figment = replace(figment, "serve.token_file", self.token_file.as_deref());
        if let Some(gpu) = &self.gpu {
            figment = figment.merge(Serialized::default("cuda.gpu", gpu));
        }
        match self.device {
            Some(kind) => figment.merge(Serialized::default(
                "device",
                DeviceSettings {
                    kind,
                    dir: self.device_dir.clone(),
                    library: self.nvml_library.clone(),
                },
            )),
            None => {
                let figment = replace(figment, "device.dir", self.device_dir.as_deref());
                replace(figment, "device.library", self.nvml_library.as_deref())
            }
        }
    }
}

fn replace(figment: Figment, key: &str, path: Option<&Path>) -> Figment {
    match path {
        Some(path) => figment.merge(Serialized::default(key, path)),
        None => figment,
    }
}

/// Where services and people keep such state: what systemd hands over (`StateDirectory=`), the XDG
/// base directories, else the place of the file system hierarchy.
fn default_state_dir(variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    if let Some(dir) = absolute("STATE_DIRECTORY") {
        return dir;
    }
    let state_home = absolute("XDG_STATE_HOME");
    let state_home = state_home.or_else(|| absolute("HOME").map(|h| h.join(".local/state")));
    state_home
        .unwrap_or_else(|| PathBuf::from("/var/lib"))
        .join("attestation-agent")
}

#[cfg(test)]
mod tests;
