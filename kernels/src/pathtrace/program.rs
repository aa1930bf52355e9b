//! What a device does for a picture: the scene, its pixels, the file around them.

use super::Pathtrace;
use crate::modules::Module;
use crate::operand_stream::OperandStream;
use crate::program::{Arg, Program, blocks};

/// Bytes of a sphere in the table of the scene; `PT_SPHERE_WORDS` of `cuda/pathtrace_scene.cuh`.
const SPHERE_BYTES: u64 = 48;

/// Pixels of a block in each direction.
const TILE: u32 = 16;

pub(super) fn of(job: &Pathtrace) -> Program {
    let (params, spheres) = (job.params(), job.spheres());
    let (width, height) = (params.width, params.height);
    let mut program = Program::new(Module::portable("pathtrace"));
    let table = program.buffer("scene", SPHERE_BYTES * u64::from(spheres));
    let sums = program.buffer("sums of rows", 8 * u64::from(height));
    let image = program.buffer("image", job.size().file());
    let words = |label| {
        OperandStream::new(&params.seed, label)
            .words()
            .map(Arg::U32)
    };
    let [table, sums] = [table, sums].map(|buffer| Arg::Buffer(buffer, 0));
    let file = Arg::Buffer(image, 0);
    let size = [Arg::U32(width), Arg::U32(height)];

    let scene = [table, Arg::U32(spheres)].into_iter().chain(words("scene"));
    program.launch(
        "pathtrace_scene",
        blocks(spheres.into(), 64),
        64,
        scene.collect(),
    );

    let quality = [params.samples, params.depth, spheres].map(Arg::U32);
    let grid = [width.div_ceil(TILE), height.div_ceil(TILE), 1];
    let pixels = [table, file].into_iter().chain(words("paths")).chain(size);
    let pixels = pixels.chain(quality).chain(camera(job));
    program.launch_grid("pathtrace_pixels", grid, [TILE, TILE, 1], pixels.collect());

    let frame = [file, sums].into_iter().chain(size).collect::<Vec<_>>();
    program.launch(
        "pathtrace_rows",
        blocks(height.into(), 64),
        64,
        frame.clone(),
    );
    program.launch("pathtrace_ends", 1, 1, frame);
    program.output(image);
    program
}

fn camera(job: &Pathtrace) -> impl Iterator<Item = Arg> {
    let camera = job.params().camera;
    let glass = [camera.lens, camera.view].map(u32::cast_signed);
    let lengths = camera.from.into_iter().chain(camera.to).chain(glass);
    lengths.map(Arg::I32)
}
