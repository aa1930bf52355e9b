//! What a device does for a training: data and weights, then for each step a launch a layer and direction.

use super::step::units;
use super::{DataSource, Dense, Layers, MlpSgd, Task};
use crate::modules::Module;
use crate::operand_stream::{OperandSeed, OperandStream};
use crate::program::{Arg, BufferId, Program, blocks};

/// Rows and columns of a product that a block computes; `MLP_SGD_TILE` of `cuda/mlp_sgd.cu`.
const TILE: u32 = 16;

/// Threads of the other launches; `MLP_SGD_THREADS`.
const THREADS: u32 = 256;

pub(super) fn of(job: &MlpSgd) -> Program {
    let mut program = Program::new(Module::portable("mlp_sgd"));
    let data = data(&mut program, job);
    let mut training = Training::new(&mut program, job, data);
    for step in 0..job.params().steps {
        training.step(step);
        if (step + 1) % job.params().checkpoint_every == 0 {
            training.save(step / job.params().checkpoint_every);
        }
    }
    let (losses, checkpoints) = (training.losses, training.checkpoints);
    program.output(losses);
    program.output(checkpoints);
    program
}

/// Inputs and targets of every sample.
#[derive(Clone, Copy)]
struct Data {
    x: BufferId,
    y: BufferId,
}

fn data(program: &mut Program, job: &MlpSgd) -> Data {
    let params = job.params();
    let words = |width: usize| 4 * u64::from(params.samples) * width as u64;
    let (x_len, y_len) = (words(job.layers().inputs()), words(job.target_words()));
    match (params.data, params.task) {
        (DataSource::Given { .. }, _) => Data {
            x: program.input("x", x_len),
            y: program.input("y", y_len),
        },
        (DataSource::Seeded, Task::Classification) => {
            let [x, y] = [program.buffer("x", x_len), program.buffer("y", y_len)];
            let classes = job.layers().outputs() as u32;
            let mut args = vec![Arg::Buffer(x, 0), Arg::Buffer(y, 0)];
            args.extend([Arg::U32(params.samples), Arg::U32(classes)]);
            args.extend(stream(&params.seed, "x"));
            program.launch(
                "mlp_sgd_spirals",
                blocks(params.samples.into(), THREADS),
                THREADS,
                args,
            );
            Data { x, y }
        }
        (DataSource::Seeded, Task::Regression) => {
            let x = program.buffer("x", x_len);
            symmetric(program, x, 0, x_len / 4, 2.0, &params.seed, "x");
            let y = teach(
                program,
                &job.layers().teacher(),
                &params.seed,
                x,
                params.samples,
            );
            Data { x, y }
        }
    }
}

/// The targets: the outputs of the teacher for every sample.
fn teach(
    program: &mut Program,
    layers: &Layers,
    seed: &OperandSeed,
    x: BufferId,
    samples: u32,
) -> BufferId {
    let weights = program.buffer("teacher", 4 * layers.parameters() as u64);
    initial_weights(program, layers, weights, seed, &["ta", "tb"]);
    let names = ["teacher_hidden", "y"];
    let mut h = x;
    for ((dense, name), at) in layers.dense().into_iter().zip(names).zip(0..) {
        let out = program.buffer(name, 4 * u64::from(samples) * dense.outputs as u64);
        forward(program, dense, [h, weights, out], samples, at == 0);
        h = out;
    }
    h
}

fn stream(seed: &OperandSeed, label: &str) -> [Arg; 4] {
    OperandStream::new(seed, label).words().map(Arg::U32)
}

/// Fills `len` numbers from number `first` on.
fn symmetric(
    program: &mut Program,
    out: BufferId,
    first: usize,
    len: u64,
    factor: f32,
    seed: &OperandSeed,
    label: &str,
) {
    let mut args = vec![
        Arg::Buffer(out, 4 * first as u64),
        Arg::U64(len),
        Arg::F32(factor),
    ];
    args.extend(stream(seed, label));
    program.launch("mlp_sgd_symmetric", blocks(len, THREADS), THREADS, args);
}

/// Fills all weights; biases stay zero.
fn initial_weights(
    program: &mut Program,
    layers: &Layers,
    out: BufferId,
    seed: &OperandSeed,
    labels: &[&str],
) {
    for (dense, label) in layers.dense().into_iter().zip(labels) {
        let len = dense.weights() as u64;
        symmetric(program, out, dense.first, len, dense.gain(), seed, label);
    }
}

fn forward(
    program: &mut Program,
    dense: Dense,
    [h, weights, out]: [BufferId; 3],
    rows: u32,
    hidden: bool,
) {
    let mut args = vec![
        Arg::Buffer(h, 0),
        parameters(weights, 0, dense),
        Arg::Buffer(out, 0),
    ];
    args.extend(sizes(rows, dense));
    args.push(Arg::U32(u32::from(hidden)));
    program.launch_grid(
        "mlp_sgd_forward",
        grid(rows, dense.outputs),
        [TILE, TILE, 1],
        args,
    );
}

/// Those of a layer, in a buffer where those of the network begin at number `first`.
fn parameters(buffer: BufferId, first: usize, dense: Dense) -> Arg {
    Arg::Buffer(buffer, 4 * (first + dense.first) as u64)
}

fn sizes(rows: u32, dense: Dense) -> [Arg; 3] {
    [rows, dense.inputs as u32, dense.outputs as u32].map(Arg::U32)
}

fn grid(rows: u32, columns: usize) -> [u32; 3] {
    [rows.div_ceil(TILE), (columns as u32).div_ceil(TILE), 1]
}

/// The launches of the steps, and the buffers they share.
struct Training<'a> {
    program: &'a mut Program,
    job: &'a MlpSgd,
    data: Data,
    dense: Vec<Dense>,
    /// Parameters and, with momentum, velocities: what a checkpoint is.
    state: BufferId,
    /// The buffer of the velocities, and their first number in it.
    velocities: (BufferId, usize),
    /// The rows of every layer for the batch, inputs first; the derivative takes the place of the last.
    rows: Vec<BufferId>,
    /// The derivative by the sums of each hidden layer.
    deltas: Vec<BufferId>,
    targets: BufferId,
    row_losses: BufferId,
    losses: BufferId,
    checkpoints: BufferId,
}

impl<'a> Training<'a> {
    fn new(program: &'a mut Program, job: &'a MlpSgd, data: Data) -> Self {
        let count = job.layers().parameters();
        let state = program.buffer("state", job.state_bytes());
        let velocities = if job.has_momentum() {
            (state, count)
        } else {
            (program.buffer("gradient", 4 * count as u64), 0)
        };
        let labels = ["wa", "wb", "wc"];
        initial_weights(program, job.layers(), state, &job.params().seed, &labels);
        let batch = 4 * u64::from(job.params().batch);
        let widths = job.layers().widths();
        let hidden = &widths[1..widths.len() - 1];
        let mut of_batch = |name, width: u32| program.buffer(name, batch * u64::from(width));
        let rows = widths
            .iter()
            .map(|width| of_batch("rows", *width))
            .collect();
        let deltas = hidden
            .iter()
            .map(|width| of_batch("deltas", *width))
            .collect();
        let targets = of_batch("targets", job.target_words() as u32);
        let row_losses = of_batch("row_losses", 1);
        let [losses, checkpoints] = crate::job::KernelJob::outputs(job)
            .try_into()
            .map(|specs: [_; 2]| specs.map(|spec| program.buffer(spec.name, spec.len)))
            .expect("a training has two outputs");
        Self {
            dense: job.layers().dense(),
            program,
            job,
            data,
            state,
            velocities,
            rows,
            deltas,
            targets,
            row_losses,
            losses,
            checkpoints,
        }
    }

    fn step(&mut self, step: u32) {
        self.gather(step);
        let last = self.dense.len() - 1;
        for (at, dense) in self.dense.iter().enumerate() {
            let buffers = [self.rows[at], self.state, self.rows[at + 1]];
            forward(
                self.program,
                *dense,
                buffers,
                self.job.params().batch,
                at < last,
            );
        }
        self.loss(step);
        for at in (0..=last).rev() {
            if at > 0 {
                self.backward(at);
            }
            self.update(at);
        }
        self.program.mark(self.state);
    }

    fn gather(&mut self, step: u32) {
        let (params, layers) = (self.job.params(), self.job.layers());
        let first = super::data::sample_of(self.job, step, 0) as u32;
        let copies = [
            (self.data.x, self.rows[0], layers.inputs() as u32),
            (self.data.y, self.targets, self.job.target_words() as u32),
        ];
        for (from, to, width) in copies {
            let words = u64::from(params.batch) * u64::from(width);
            let mut args = vec![Arg::Buffer(from, 0), Arg::Buffer(to, 0)];
            args.extend([first, params.samples, params.batch, width].map(Arg::U32));
            self.program
                .launch("mlp_sgd_gather", blocks(words, THREADS), THREADS, args);
        }
    }

    fn loss(&mut self, step: u32) {
        let rows = self.job.params().batch;
        let share = Arg::F32(1.0 / rows as f32);
        let function = match self.job.params().task {
            Task::Classification => "mlp_sgd_classification",
            Task::Regression => "mlp_sgd_regression",
        };
        let outputs = self.rows[self.dense.len()];
        let buffers = [outputs, self.targets, self.row_losses];
        let mut args = buffers.map(|buffer| Arg::Buffer(buffer, 0)).to_vec();
        args.extend([
            Arg::U32(rows),
            Arg::U32(self.job.layers().outputs() as u32),
            share,
        ]);
        self.program
            .launch(function, blocks(rows.into(), THREADS), THREADS, args);
        let mean = Arg::Buffer(self.losses, 4 * u64::from(step));
        let args = vec![Arg::Buffer(self.row_losses, 0), mean, Arg::U32(rows), share];
        self.program.launch("mlp_sgd_mean", 1, 1, args);
    }

    /// The derivative by the sums of a layer.
    fn delta(&self, at: usize) -> BufferId {
        let outputs = self.rows[self.dense.len()];
        self.deltas.get(at).copied().unwrap_or(outputs)
    }

    /// From the derivative by the sums of layer `at` to that by those of the layer below.
    fn backward(&mut self, at: usize) {
        let (dense, rows) = (self.dense[at], self.job.params().batch);
        let mut args = vec![
            Arg::Buffer(self.delta(at), 0),
            parameters(self.state, 0, dense),
        ];
        args.extend([
            Arg::Buffer(self.rows[at], 0),
            Arg::Buffer(self.delta(at - 1), 0),
        ]);
        args.extend(sizes(rows, dense));
        let grid = grid(rows, dense.inputs);
        self.program
            .launch_grid("mlp_sgd_backward", grid, [TILE, TILE, 1], args);
    }

    fn update(&mut self, at: usize) {
        let (dense, params) = (self.dense[at], self.job.params());
        let (velocities, first) = self.velocities;
        let mut args = vec![
            Arg::Buffer(self.rows[at], 0),
            Arg::Buffer(self.delta(at), 0),
        ];
        args.push(parameters(self.state, 0, dense));
        args.push(parameters(velocities, first, dense));
        args.extend(sizes(params.batch, dense));
        args.extend([params.learning_rate, params.momentum].map(|count| Arg::F32(units(count))));
        let grid = grid(dense.inputs as u32 + 1, dense.outputs);
        self.program
            .launch_grid("mlp_sgd_update", grid, [TILE, TILE, 1], args);
    }

    fn save(&mut self, segment: u32) {
        let len = self.job.state_bytes();
        let checkpoint = Arg::Buffer(self.checkpoints, u64::from(segment) * len);
        let args = vec![Arg::Buffer(self.state, 0), checkpoint, Arg::U64(len / 4)];
        self.program
            .launch("mlp_sgd_save", blocks(len / 4, THREADS), THREADS, args);
    }
}
