//! What a device does for a block: fill operands or take them as they come, then a launch a stage.

use super::operands::Weight;
use super::shape::factor;
use super::{OperandSource, TransformerBlock};
use crate::job::KernelJob;
use crate::modules::Module;
use crate::operand_stream::OperandStream;
use crate::program::{Arg, BufferId, Program, blocks};

/// Rows and columns of a product that a block of 16x16 threads computes; `PG_TILE` of `cuda/gemm_i8.cuh`.
const TILE: u32 = 64;

/// Queries of a block of the attention; `TB_QUERIES` of `cuda/transformer_block.cu`.
const QUERIES: u32 = 16;

/// Rows that a block norms, one a warp.
const NORM_ROWS: u32 = 8;

/// Bytes of a stream that a block fills: 256 threads, 16 bytes each.
const FILL: u32 = 4096;

pub(super) fn of(job: &TransformerBlock) -> Program {
    let mut program = Program::new(Module::portable("transformer_block"));
    let shape = job.shape();
    let x = operand(&mut program, job, "x", 4 * shape.stream_len() as u64);
    let [wq, wk, wv, wo, wu, wd] = Weight::ALL.map(|weight| {
        let len = weight.len(shape) as u64;
        operand(&mut program, job, weight.name(), len)
    });
    let [normed, high, low] = ["normed", "high", "low"].map(|name| {
        // The last two are the context in limbs.
        program.buffer(name, shape.stream_len() as u64)
    });
    let outputs = job.outputs();
    let buffers: Vec<BufferId> = outputs
        .iter()
        .map(|spec| program.buffer(spec.name, spec.len))
        .collect();
    let [q, k, v, context, mid, hidden, y] = buffers.try_into().expect("a block has seven outputs");
    let mut stages = Stages { program, job };
    let scales = job.scales();
    stages.norm(x, normed);
    stages.rotate(normed, wq, q, scales.q);
    stages.rotate(normed, wk, k, scales.k);
    stages.values(normed, wv, v);
    stages.attend([q, k, v, context, high, low]);
    stages.merge([high, low, wo, x, mid]);
    stages.norm(mid, normed);
    stages.up([normed, wu, hidden]);
    stages.down([hidden, wd, mid, y]);
    let mut program = stages.program;
    for output in [q, k, v, context, mid, hidden, y] {
        program.output(output);
    }
    program
}

fn operand(
    program: &mut Program,
    job: &TransformerBlock,
    name: &'static str,
    len: u64,
) -> BufferId {
    let OperandSource::Seed(seed) = job.operands() else {
        return program.input(name, len);
    };
    let buffer = program.buffer(name, len);
    let (function, elements) = match name {
        "x" => ("transformer_block_fill_x", len / 4),
        _ => ("transformer_block_fill", len),
    };
    let args = [Arg::Buffer(buffer, 0), Arg::U64(elements)];
    let stream = OperandStream::new(seed, name);
    let args = args.into_iter().chain(stream.words().map(Arg::U32));
    program.launch(function, blocks(len, FILL), 256, args.collect());
    buffer
}

struct Stages<'a> {
    program: Program,
    job: &'a TransformerBlock,
}

impl Stages<'_> {
    fn norm(&mut self, rows: BufferId, out: BufferId) {
        let (tokens, width) = self.sizes();
        let mut args = buffers([rows, out]);
        args.extend([
            Arg::U32(tokens),
            Arg::U32(width),
            Arg::F32(1.0 / width as f32),
        ]);
        let count = tokens.div_ceil(NORM_ROWS);
        self.program
            .launch("transformer_block_norm", count, 32 * NORM_ROWS, args);
    }

    fn rotate(&mut self, normed: BufferId, weight: BufferId, out: BufferId, scale: u32) {
        let (tokens, width) = self.sizes();
        let head = self.job.shape().head() as u32;
        let mut args = buffers([normed, weight, out]);
        args.extend([tokens, width, head].map(Arg::U32));
        args.push(Arg::F32(factor(scale)));
        self.product("transformer_block_rotate", width, args);
    }

    fn values(&mut self, normed: BufferId, weight: BufferId, out: BufferId) {
        let (tokens, width) = self.sizes();
        let mut args = buffers([normed, weight, out]);
        args.extend([tokens, width].map(Arg::U32));
        args.push(Arg::I32(self.job.scales().v.cast_signed()));
        self.product("transformer_block_values", width, args);
    }

    /// `q`, `k`, `v`, and the context that comes of them, whole and in limbs.
    fn attend(&mut self, all: [BufferId; 6]) {
        let (tokens, width) = self.sizes();
        let (heads, head) = (
            self.job.shape().heads() as u32,
            self.job.shape().head() as u32,
        );
        let mut args = buffers(all);
        args.extend([tokens, width, head].map(Arg::U32));
        args.push(Arg::F32(factor(self.job.scales().logit)));
        let grid = [tokens.div_ceil(QUERIES), heads, 1];
        self.program
            .launch_grid("transformer_block_attend", grid, [16, 16, 1], args);
    }

    /// Limbs of the context, weight, residual stream before and after.
    fn merge(&mut self, [high, low, weight, before, after]: [BufferId; 5]) {
        let (tokens, width) = self.sizes();
        let bytes = 4 * self.job.shape().stream_len() as u64;
        let of_high = self.program.buffer("of_high", bytes);
        let mut args = buffers([high, weight, of_high]);
        args.extend([tokens, width].map(Arg::U32));
        self.product("transformer_block_merge_high", width, args);
        let mut args = buffers([low, weight, of_high, before, after]);
        args.extend([tokens, width].map(Arg::U32));
        args.push(Arg::F32(factor(self.job.scales().out)));
        self.product("transformer_block_merge", width, args);
    }

    fn up(&mut self, all: [BufferId; 3]) {
        let (tokens, width) = self.sizes();
        let hidden = self.job.shape().hidden() as u32;
        let mut args = buffers(all);
        args.extend([tokens, width, hidden].map(Arg::U32));
        args.push(Arg::F32(factor(self.job.scales().up)));
        self.product("transformer_block_up", hidden, args);
    }

    /// Hidden units, weight, residual stream before and after.
    fn down(&mut self, all: [BufferId; 4]) {
        let (tokens, width) = self.sizes();
        let hidden = self.job.shape().hidden() as u32;
        let mut args = buffers(all);
        args.extend([tokens, hidden, width].map(Arg::U32));
        args.push(Arg::F32(factor(self.job.scales().down)));
        self.product("transformer_block_down", width, args);
    }

    fn product(&mut self, function: &'static str, columns: u32, args: Vec<Arg>) {
        let grid = [columns.div_ceil(TILE), self.sizes().0.div_ceil(TILE), 1];
        self.program.launch_grid(function, grid, [16, 16, 1], args);
    }

    fn sizes(&self) -> (u32, u32) {
        let shape = self.job.shape();
        (shape.tokens() as u32, shape.width() as u32)
    }
}

fn buffers<const N: usize>(all: [BufferId; N]) -> Vec<Arg> {
    all.map(|buffer| Arg::Buffer(buffer, 0)).to_vec()
}
