//! A host with a driver and GPUs, without either: the library `fake-nvml` in a folder of its own.

use std::path::{Path, PathBuf};

use attestation_agent::device::simulated::SimulatedDevice;
use attestation_agent::device::{Selection, SourceKind};
use attestation_agent::{DeviceSet, DeviceSettings};
use fake_nvml::{Evidence, Gpu, NonceIs, SCENE_FILE, Scene};
use tempfile::TempDir;
use verifier_service::AppraisalSettings;

/// A library that plays a scene, as long as this lives.
pub struct FakeDriver {
    folder: TempDir,
}

impl FakeDriver {
    /// A library that plays `scene`.
    ///
    /// # Panics
    /// The temporary folder cannot be used, or the library is not there.
    #[must_use]
    pub fn playing(scene: &Scene) -> Self {
        Self::of_older_driver(scene, &[])
    }

    /// The same without some functions, as in a driver older than they are.
    ///
    /// # Panics
    /// As [`playing`](Self::playing); or the library never had one of them.
    #[must_use]
    pub fn of_older_driver(scene: &Scene, missing: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut library = std::fs::read(built_library("fake_nvml")).expect("fake-nvml");
        for function in missing {
            rename_symbol(&mut library, function);
        }
        // A copy each: the loader takes two links to one file for one library, which then has one scene.
        std::fs::write(folder.path().join("libnvidia-ml.so.1"), library).expect("library");
        let driver = Self { folder };
        driver.play(scene);
        driver
    }

    /// Changes the scene, for whoever initialises the library next.
    ///
    /// # Panics
    /// The temporary folder cannot be used.
    pub fn play(&self, scene: &Scene) {
        let scene = serde_json::to_vec_pretty(scene).expect("scene");
        std::fs::write(self.folder.path().join(SCENE_FILE), scene).expect("scene");
    }

    /// The file to load.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.folder.path().join("libnvidia-ml.so.1")
    }

    /// The GPUs of this driver as a choice of devices.
    #[must_use]
    pub fn selection(&self) -> Selection {
        Selection::Nvml {
            library: Some(self.library()),
        }
    }

    /// The same in an agent's settings.
    #[must_use]
    pub fn settings(&self) -> DeviceSettings {
        DeviceSettings {
            kind: SourceKind::Nvml,
            dir: None,
            library: Some(self.library()),
        }
    }

    /// Opens the GPUs.
    ///
    /// # Errors
    /// What keeps the agent from opening them.
    pub fn open(&self) -> Result<DeviceSet, attestation_agent::device::DeviceError> {
        DeviceSet::open(&self.selection())
    }
}

/// GPUs that attest: each hands out the evidence of a software device of its own.
pub struct Rack {
    folder: TempDir,
    /// The driver's view of them; change it before it is played.
    pub scene: Scene,
}

impl Rack {
    /// So many GPUs, and one folder with the collateral of all of them.
    ///
    /// # Panics
    /// The temporary folder cannot be used.
    #[must_use]
    pub fn of(gpus: u32) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let gpus = (0..gpus).map(|index| gpu(folder.path(), index)).collect();
        Self {
            scene: Scene {
                gpus,
                ..Scene::default()
            },
            folder,
        }
    }

    /// The same with something else in the place of one GPU's nonce.
    #[must_use]
    pub fn with_nonce(mut self, gpu: usize, is: NonceIs) -> Self {
        if let Some(Evidence::Simulated { nonce, .. }) =
            self.scene.gpus.get_mut(gpu).map(|gpu| &mut gpu.evidence)
        {
            *nonce = is;
        }
        self
    }

    /// Settings of a verifier that trusts the GPUs.
    #[must_use]
    pub fn appraisal(&self) -> AppraisalSettings {
        let collateral = self.folder.path().join("collateral");
        AppraisalSettings {
            simulated_anchors: vec![collateral.join("anchors.toml")],
            rim_dir: Some(collateral),
            ..AppraisalSettings::default()
        }
    }
}

fn gpu(folder: &Path, index: u32) -> Gpu {
    let dir = folder.join(format!("gpu-{index}"));
    SimulatedDevice::open(&dir)
        .and_then(|device| device.write_collateral(&folder.join("collateral")))
        .expect("software device");
    Gpu {
        pci_bus: index.saturating_add(1),
        evidence: Evidence::Simulated {
            dir,
            nonce: NonceIs::Signed,
        },
        ..Gpu::default()
    }
}

/// The library, where cargo puts what a test of this package depends on: beside the test.
pub(crate) fn built_library(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("path of this program");
    let folder = program.parent().expect("folder of this program");
    let places = [folder.to_owned(), folder.join("deps")];
    let file = format!("lib{name}.so");
    let mut places = places.iter().map(|place| place.join(&file));
    let found = places.find(|library| library.is_file());
    found.unwrap_or_else(|| panic!("no {file} beside {}", program.display()))
}

/// Makes a function unknown to the loader by another name of the same length: look-ups compare names in the end.
pub(crate) fn rename_symbol(library: &mut [u8], function: &str) {
    let name = [b"\0", function.as_bytes(), b"\0"].concat();
    let starts: Vec<_> = (0..library.len().saturating_sub(name.len()))
        .filter(|start| library[*start..].starts_with(&name))
        .collect();
    assert!(!starts.is_empty(), "the library has no {function}");
    for start in starts {
        library[start + 1] = b'_';
    }
}
