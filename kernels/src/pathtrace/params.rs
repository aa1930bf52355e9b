//! What a job says about a picture: its size, its quality, the scene, the camera.
//!
//! In scope: the JSON form and its rules. Out of scope: the JSON around it, and the computation.

use serde::{Deserialize, Serialize};

use super::pixel::View;
use super::png::{Adler, Size};
use super::program;
use crate::catalog::Kernel;
use crate::job::{CheckedInputs, Cost, InputSpec, KernelJob, LimitError, OutputSpec};
use crate::operand_stream::OperandSeed;
use crate::point::PointKernel;
use crate::program::{Program, Target};

/// Most pixels of a row and of a column. A stored block of the file holds a row up to 21844.
pub const MAX_SIDE: u32 = 16_384;

/// Most pixels: 2^24, a file of 48 MiB.
pub const MAX_PIXELS: u64 = 1 << 24;

/// Most paths of a pixel.
pub const MAX_SAMPLES: u32 = 4096;

/// Most surfaces that a path meets.
pub const MAX_DEPTH: u32 = 32;

/// Most marbles beside the three large spheres.
pub const MAX_MARBLES: u32 = 253;

/// Largest coordinate of the camera in units of 2^-10: 64.
pub const MAX_COORDINATE: i32 = 1 << 16;

/// How far above the floor the camera is at least, in units of 2^-10: 1/16.
pub const MIN_CAMERA_HEIGHT: i32 = 1 << 6;

/// Largest radius of the lens in units of 2^-10: 4.
pub const MAX_LENS: u32 = 1 << 12;

/// Widest view at distance 1 in units of 2^-10: 16.
pub const MAX_VIEW: u32 = 1 << 14;

/// The `params` of a job as JSON: well-formed, its rules not yet checked.
///
/// ```json
/// {"width": 640, "height": 360, "samples": 144, "depth": 10, "marbles": 64, "camera": {"from": [-1024, 3277, 9421],
///  "to": [-102, 768, 205], "lens": 72, "view": 1024}, "seed": "<64 hex>"}
/// ```
///
/// Integers only, hexadecimal in lower case, every member present, no other member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Paths of a pixel.
    pub samples: u32,
    /// Most surfaces that a path meets.
    pub depth: u32,
    /// Marbles around the three large spheres.
    pub marbles: u32,
    /// Where the picture is taken from.
    pub camera: Camera,
    /// Where places, sizes, finishes and colours come from, and the draws of paths.
    pub seed: OperandSeed,
}

/// A camera with a thin lens, in units of 2^-10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Where it stands: x, y (upwards), z.
    pub from: [i32; 3],
    /// What it looks at, and has in focus.
    pub to: [i32; 3],
    /// Radius of the lens; 0 has everything in focus.
    pub lens: u32,
    /// Width of what is seen at distance 1.
    pub view: u32,
}

/// A job of this kernel that keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pathtrace {
    params: Params,
}

impl Params {
    /// A picture to look at, 640x360, in focus on the large glass sphere. The seed decides the colours.
    #[must_use]
    pub const fn marbles(seed: OperandSeed) -> Self {
        Self {
            width: 640,
            height: 360,
            samples: 144,
            depth: 10,
            marbles: 64,
            camera: Camera {
                from: [-1024, 3277, 9421],
                to: [-102, 768, 205],
                lens: 72,
                view: 1024,
            },
            seed,
        }
    }
}

impl Pathtrace {
    /// The JSON form. Inverse of `TryFrom<Params>`.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    pub(super) const fn size(&self) -> Size {
        Size {
            width: self.params.width,
            height: self.params.height,
        }
    }

    pub(super) const fn pixels(&self) -> u64 {
        self.params.width as u64 * self.params.height as u64
    }

    /// Operations of one pixel.
    pub(super) fn pixel_operations(&self) -> u64 {
        let rays = u64::from(self.params.samples) * u64::from(self.params.depth);
        rays * OPERATIONS_PER_SPHERE * u64::from(self.spheres())
    }

    pub(super) const fn spheres(&self) -> u32 {
        3 + self.params.marbles
    }
}

/// From a ray to `rest` of a sphere.
const OPERATIONS_PER_SPHERE: u64 = 20;

impl KernelJob for Pathtrace {
    fn kernel(&self) -> Kernel {
        Kernel::Pathtrace
    }

    fn cost(&self) -> Cost {
        Cost {
            operations: self.pixels() * self.pixel_operations(),
            bytes_read: 0,
            bytes_written: self.size().file(),
        }
    }

    fn inputs(&self) -> Vec<InputSpec> {
        Vec::new()
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let len = self.size().file();
        vec![OutputSpec { name: "image", len }]
    }

    fn program(&self, target: Target) -> Option<Program> {
        (target == Target::Portable).then(|| program::of(self))
    }

    fn reference(&self, _inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        let (size, view) = (self.size(), View::new(&self.params));
        let mut file = size.head();
        let mut adler = Adler::new();
        for y in 0..self.params.height {
            let row = (0..self.params.width).flat_map(|x| view.pixel(x, y));
            let row: Vec<u8> = row.collect();
            adler.row(&row);
            file.extend(size.front());
            file.extend(&row);
            file.extend(size.end(&row));
        }
        file.extend(Size::tail(adler));
        vec![file]
    }

    fn points(&self) -> &dyn PointKernel {
        self
    }
}

impl TryFrom<Params> for Pathtrace {
    type Error = LimitError;

    fn try_from(params: Params) -> Result<Self, LimitError> {
        let limits = [
            ("width", 1, MAX_SIDE, params.width),
            ("height", 1, MAX_SIDE, params.height),
            ("samples", 1, MAX_SAMPLES, params.samples),
            ("depth", 1, MAX_DEPTH, params.depth),
            ("marbles", 0, MAX_MARBLES, params.marbles),
            ("lens", 0, MAX_LENS, params.camera.lens),
            ("view", 1, MAX_VIEW, params.camera.view),
        ];
        for (what, least, most, actual) in limits {
            LimitError::check(what, least, u64::from(most), u64::from(actual))?;
        }
        let job = Self { params };
        LimitError::check("pixels", 1, MAX_PIXELS, job.pixels())?;
        check_camera(&params.camera)?;
        Ok(job)
    }
}

fn check_camera(camera: &Camera) -> Result<(), LimitError> {
    let most = u64::from(MAX_COORDINATE.unsigned_abs());
    for coordinate in camera.from.iter().chain(&camera.to) {
        let magnitude = u64::from(coordinate.unsigned_abs());
        LimitError::check(
            "magnitude of a coordinate of the camera",
            0,
            most,
            magnitude,
        )?;
    }
    let ([x, y, z], [to_x, _, to_z]) = (camera.from, camera.to);
    let least = u64::from(MIN_CAMERA_HEIGHT.unsigned_abs());
    let height = u64::from(y.max(0).unsigned_abs());
    LimitError::check("height of the camera", least, most, height)?;
    let sideways = u64::from(x.abs_diff(to_x)) + u64::from(z.abs_diff(to_z));
    LimitError::check(
        "sideways length of the camera's view",
        1,
        4 * most,
        sideways,
    )
}
