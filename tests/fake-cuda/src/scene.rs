//! What there is to see: GPUs, and what goes wrong. Plain data with defaults that describe a healthy host.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Name of the scene's file beside the library.
pub const SCENE_FILE: &str = "cuda-scene.json";

/// Name of the file beside the library that says what the caller did wrong. Absent if that is nothing.
pub const MISUSE_FILE: &str = "misuse.log";

/// What every GPU is called.
pub const NAME: &str = "fake GPU of the tests, no hardware";

/// A host as its CUDA driver shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scene {
    /// 1000 · major + 10 · minor.
    pub driver_version: i32,
    /// The newest PTX ISA that its compiler knows, major and minor.
    pub ptx_version: (u32, u32),
    /// The GPUs.
    pub devices: Vec<Device>,
    /// Buffers of other processes.
    pub shared: Vec<Shared>,
    /// What becomes of the modules for Hopper alone.
    pub hopper_modules: HopperModules,
    /// The download, from 0, whose first byte arrives changed.
    pub corrupt_download: Option<u32>,
    /// What fails, and what takes its time.
    pub faults: Vec<Fault>,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// UUID, 32 hexadecimal digits.
    pub uuid: String,
    /// Compute capability.
    pub capability: (i32, i32),
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes that others have.
    pub taken_bytes: u64,
}

/// A buffer of another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shared {
    /// Its handle, 128 hexadecimal digits.
    pub handle: String,
    /// File with its contents.
    pub file: PathBuf,
}

/// What becomes of a module for Hopper alone, whose instructions no CPU runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HopperModules {
    /// The driver refuses it.
    #[default]
    Refused,
    /// The portable module of the same kernel runs in its place.
    Played,
    /// The same, and every product lacks its last term.
    PlayedWrong,
}

/// Something that goes wrong in a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// C name of the function.
    pub call: String,
    /// The `CUresult` to answer with; 0 answers as if nothing were wrong.
    pub code: u32,
    /// How long the call takes before that, milliseconds.
    pub delay_ms: u64,
    /// So many calls go well first.
    pub after: u32,
    /// So many calls are concerned; without it all that follow.
    pub times: Option<u32>,
}

impl Default for Scene {
    /// One GPU, all well.
    fn default() -> Self {
        Self {
            driver_version: 12_040,
            ptx_version: (8, 4),
            devices: vec![Device::numbered(0)],
            shared: Vec::new(),
            hopper_modules: HopperModules::Refused,
            corrupt_download: None,
            faults: Vec::new(),
        }
    }
}

impl Default for Device {
    /// The capability of a Hopper, with little memory.
    fn default() -> Self {
        Self {
            uuid: "fa6e0000000000000000000000000000".to_owned(),
            capability: (9, 0),
            memory_bytes: 1 << 30,
            taken_bytes: 0,
        }
    }
}

impl Device {
    /// A device whose UUID ends with a number.
    #[must_use]
    pub fn numbered(number: u8) -> Self {
        Self {
            uuid: format!("fa6e{number:028x}"),
            ..Self::default()
        }
    }

    /// The UUID as NVML and nvidia-smi write it.
    ///
    /// # Panics
    /// It is not 32 ASCII characters.
    #[must_use]
    pub fn uuid_text(&self) -> String {
        let uuid = &self.uuid;
        let groups = [
            &uuid[..8],
            &uuid[8..12],
            &uuid[12..16],
            &uuid[16..20],
            &uuid[20..32],
        ];
        format!("GPU-{}", groups.join("-"))
    }
}

impl Fault {
    /// A call that answers with `code` every time.
    #[must_use]
    pub fn always(call: &str, code: u32) -> Self {
        Self {
            call: call.to_owned(),
            code,
            ..Self::default()
        }
    }

    /// A call that answers with `code` once.
    #[must_use]
    pub fn once(call: &str, code: u32) -> Self {
        Self {
            times: Some(1),
            ..Self::always(call, code)
        }
    }

    /// The same, after so many calls that go well.
    #[must_use]
    pub fn after(self, calls: u32) -> Self {
        Self {
            after: calls,
            ..self
        }
    }
}
