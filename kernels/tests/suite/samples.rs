//! Jobs that every shared test body runs: one list, each entry with the reason it is in it.

use kernels::pathtrace;
use kernels::point::{InMemory, SliceMissing, Slices, Span, Tensor};
use kernels::{Blake3Digest, Inputs, Job, Kernel};
use serde_json::{Value, json};

pub(crate) const SEED: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Seeded jobs small enough to recompute every point, by a name that says what is special.
pub(crate) fn small() -> Vec<(String, Job)> {
    let of_kernel = |kernel: Kernel| {
        let cases = cases(kernel).into_iter();
        cases.map(move |(why, params)| {
            let job = Job::parse(kernel.name(), &params);
            let job = job.unwrap_or_else(|error| panic!("{kernel}, {why}: {error}"));
            (format!("{kernel}, {why}"), job)
        })
    };
    Kernel::ALL.iter().copied().flat_map(of_kernel).collect()
}

/// The parameters of those of one kernel.
pub(crate) fn cases(kernel: Kernel) -> Vec<(&'static str, Value)> {
    match kernel {
        Kernel::Blake3 => vec![
            ("one byte", hashed(1)),
            ("a block and one byte", hashed(65)),
            ("a chunk", hashed(1024)),
            ("a chunk and one byte", hashed(1025)),
            ("a node left over at every level", hashed(31 * 1024 - 7)),
            ("a launch of the tree", hashed(512 * 1024)),
            ("two launches of the tree", hashed(513 * 1024 + 1)),
        ],
        Kernel::GemmChain => vec![
            ("one element", chain(1, 3, 2)),
            ("one below a tile, one weight", chain(63, 2, 1)),
            ("a tile, weights used twice", chain(64, 4, 2)),
            ("odd, more weights than steps", chain(71, 2, 3)),
            ("one below a device's tile", chain(127, 2, 2)),
            ("a device's tile", chain(128, 2, 1)),
            ("one above a device's tile", chain(129, 2, 2)),
            ("more than a slice", chain(260, 2, 2)),
            ("read by sixteen, an edge of a tile", chain(272, 2, 1)),
        ],
        Kernel::GemmI8Requant => vec![
            ("one element", requantised(1, 1, 1, 1, 0)),
            ("all clamped", requantised(17, 9, 5, u32::MAX >> 1, 0)),
            ("ties", requantised(65, 33, 2, 1, 9)),
            ("spread over int8", requantised(64, 64, 130, 24_000, 24)),
            ("a device's tile", requantised(128, 128, 64, 24_000, 24)),
            (
                "edges of a device's tile",
                requantised(131, 134, 96, 24_000, 24),
            ),
            ("largest shift", requantised(3, 5, 70, u32::MAX >> 1, 62)),
        ],
        Kernel::Stream => vec![
            ("one word", passes(1, 1)),
            ("not a multiple of four words", passes(1027, 2)),
            ("a block, each array written", passes(1024, 3)),
            ("many passes", passes(1021, 100)),
        ],
        Kernel::VramWalk => vec![
            ("one line", walk(1, 1, 1, 1)),
            ("one lane", walk(1, 65, 3, 70)),
            ("one line a lane", walk(130, 1, 5, 4)),
            ("more lanes than a block", walk(129, 7, 140, 9)),
        ],
        Kernel::GemmI8 => vec![
            ("one element", product(1, 1, 1)),
            ("one row, long sum", product(1, 3, 1000)),
            ("one below a tile", product(63, 5, 31)),
            ("a tile", product(64, 64, 32)),
            ("one above a tile", product(65, 66, 33)),
            ("odd everywhere", product(37, 71, 53)),
            ("one below a device's tile", product(127, 125, 63)),
            ("a device's tile", product(128, 128, 64)),
            ("one above a device's tile", product(129, 130, 65)),
            ("read by sixteen, edges of tiles", product(260, 388, 208)),
            ("a band of tiles and one row", product(1025, 4, 16)),
        ],
        Kernel::GemmBf16 => vec![
            ("one element", product(1, 1, 1)),
            ("one row, long sum", product(1, 3, 1000)),
            ("one below a tile and a step", product(31, 5, 15)),
            ("a tile, a step", product(32, 32, 16)),
            ("one above a tile and a step", product(33, 34, 17)),
            ("odd everywhere", product(37, 71, 53)),
            ("one below Hopper's tile", product(127, 127, 31)),
            ("Hopper's tile", product(128, 128, 32)),
            ("one above Hopper's tile", product(129, 130, 33)),
            ("copied by eight, edges of tiles", product(135, 136, 104)),
        ],
        Kernel::GemmF32 => vec![
            ("one element", product(1, 1, 1)),
            ("one row, long sum", product(1, 3, 1000)),
            ("one below half a tile and its depth", product(63, 5, 15)),
            ("half a tile", product(64, 64, 16)),
            ("one above half a tile and its depth", product(65, 66, 17)),
            ("odd everywhere", product(37, 71, 53)),
            ("one below a block's tile", product(127, 127, 15)),
            ("a block's tile", product(128, 128, 32)),
            ("one above a block's tile", product(129, 130, 33)),
            ("read by four, edges of tiles", product(132, 136, 44)),
        ],
        Kernel::Nbody => vec![
            ("one body", bodies(1, 3)),
            ("two cores", bodies(2, 4)),
            ("one disc of two", bodies(3, 2)),
            ("one step", bodies(10, 1)),
            ("odd", bodies(37, 3)),
            ("one below a tile", bodies(255, 2)),
            ("a tile", bodies(256, 2)),
            ("one above a tile", bodies(257, 2)),
        ],
        Kernel::Pathtrace => vec![
            ("one pixel", picture([1, 1], 1, 1, 0)),
            ("one pixel wide", picture([1, 9], 3, 4, 5)),
            ("one pixel high", picture([19, 1], 2, 10, 64)),
            ("one below a block", picture([15, 15], 2, 4, 30)),
            ("a block", picture([16, 16], 3, 8, 30)),
            (
                "one above a block, every marble",
                picture([17, 17], 1, 8, 253),
            ),
            ("draws of every kind", picture([7, 5], 40, 32, 40)),
            ("more rows than a block of rows", picture([2, 65], 1, 3, 7)),
        ],
        Kernel::MlpSgd => trainings(),
        Kernel::TransformerBlock => vec![
            ("one of everything", block(1, 2, 1, 1)),
            ("one token", block(1, 32, 2, 40)),
            ("one head, odd columns", block(5, 34, 1, 17)),
            ("heads of two columns", block(9, 10, 5, 31)),
            ("heads of six columns", block(17, 18, 3, 33)),
            ("one below a tile of queries", block(15, 16, 2, 63)),
            ("tiles", block(64, 64, 4, 64)),
            ("one above a tile", block(65, 66, 3, 65)),
            ("the widest head", block(18, 256, 1, 5)),
        ],
    }
}

fn trainings() -> Vec<(&'static str, Value)> {
    let spirals = |layers: &[u32], batch: u32, steps: [u32; 2], momentum: u32| {
        training("classification", layers, [60, batch], steps, momentum)
    };
    let teacher = |layers: &[u32], batch: u32, steps: [u32; 2], momentum: u32| {
        training("regression", layers, [50, batch], steps, momentum)
    };
    vec![
        ("one of everything", teacher(&[1, 1, 1], 1, [1, 1], 0)),
        (
            "one unit a layer, two hidden",
            teacher(&[1, 1, 1, 1], 1, [3, 1], 1),
        ),
        ("one step a segment", spirals(&[2, 5, 3], 7, [3, 1], 58_982)),
        ("one segment", spirals(&[2, 5, 4, 2], 7, [3, 3], 0)),
        (
            "one below a tile",
            teacher(&[14, 15, 15, 15], 15, [4, 2], 30_000),
        ),
        ("a tile", teacher(&[16, 16, 16], 64, [2, 1], 0)),
        (
            "one above a tile",
            spirals(&[2, 17, 17, 17], 65, [4, 2], 65_535),
        ),
        (
            "a batch beyond the samples",
            spirals(&[2, 3, 2], 130, [2, 1], 10),
        ),
        (
            "a teacher of many inputs",
            teacher(&[67, 33, 3], 33, [4, 2], 60_000),
        ),
    ]
}

fn training(
    task: &str,
    layers: &[u32],
    [samples, batch]: [u32; 2],
    [steps, checkpoint_every]: [u32; 2],
    momentum: u32,
) -> Value {
    json!({"layers": layers, "task": task, "samples": samples, "batch": batch, "steps": steps,
        "checkpoint_every": checkpoint_every, "learning_rate": 6554, "momentum": momentum,
        "seed": SEED, "data": "seeded"})
}

fn block(tokens: u32, width: u32, heads: u32, hidden: u32) -> Value {
    json!({"tokens": tokens, "width": width, "heads": heads, "hidden": hidden,
        "operands": {"seed": SEED}})
}

fn bodies(n: u32, steps: u32) -> Value {
    json!({"n": n, "steps": steps, "dt": 656, "softening": 3277, "bodies": {"seed": SEED}})
}

fn picture([width, height]: [u32; 2], samples: u32, depth: u32, marbles: u32) -> Value {
    let mut params = pathtrace::Params::marbles(SEED.parse().unwrap());
    params.width = width;
    params.height = height;
    params.samples = samples;
    params.depth = depth;
    params.marbles = marbles;
    serde_json::to_value(params).unwrap()
}

fn product(m: u32, n: u32, k: u32) -> Value {
    json!({"m": m, "n": n, "k": k, "operands": {"seed": SEED}})
}

fn hashed(len: u32) -> Value {
    json!({"len": len, "input": {"seed": SEED}})
}

fn chain(n: u32, steps: u32, weights: u32) -> Value {
    json!({"n": n, "steps": steps, "weights": weights, "seed": SEED})
}

fn requantised(m: u32, n: u32, k: u32, multiplier: u32, shift: u32) -> Value {
    let mut params = product(m, n, k);
    params["multiplier"] = multiplier.into();
    params["shift"] = shift.into();
    params
}

fn passes(words: u32, passes: u32) -> Value {
    json!({"words": words, "passes": passes, "seed": SEED})
}

fn walk(lanes: u32, depth: u32, walkers: u32, hops: u32) -> Value {
    json!({"lanes": lanes, "depth": depth, "walkers": walkers, "hops": hops, "seed": SEED})
}

/// Every point of a job with these inputs is what the reference says, read from what it announces.
pub(crate) fn check_points(job: &Job, inputs: &Inputs<'_>) {
    let inputs = job.accept(inputs).unwrap();
    let outputs: Vec<Vec<u8>> = job.reference_bytes(&inputs);
    let specs = job.outputs();
    let named = specs.iter().map(|spec| spec.name);
    let slices = InMemory::new(&inputs, named.zip(outputs.iter().map(Vec::as_slice)));
    for point in 0..job.points().points() {
        let needs = job.points().needs(point);
        let place = job.points().place(point);
        let right = &outputs[place.output][place.offset as usize..][..place.len];
        let alone = job.points().eval(point, &Watched::new(&slices, &needs));
        assert_eq!(alone.as_deref(), Ok(right), "point {point}");
    }
}

/// Every f32 of an output is finite, and none is -0.
pub(crate) fn assert_canonical(bytes: &[u8]) {
    for (at, word) in bytes.as_chunks().0.iter().enumerate() {
        let value = f32::from_le_bytes(*word);
        assert!(value.is_finite(), "element {at} is {value}");
        assert_ne!(value.to_bits(), 0x8000_0000, "element {at} is -0");
    }
}

/// A job whose inputs are sent, with them.
pub(crate) struct Given {
    pub(crate) name: String,
    pub(crate) job: Job,
    pub(crate) inputs: Vec<(&'static str, Vec<u8>)>,
}

impl Given {
    fn new(kernel: Kernel, params: Value, inputs: Vec<(&'static str, Vec<u8>)>) -> Self {
        let job = Job::parse(kernel.name(), &params).unwrap();
        let name = format!("{kernel}, given");
        Self { name, job, inputs }
    }

    pub(crate) fn inputs(&self) -> Inputs<'_> {
        let mut all = Inputs::none();
        for (name, bytes) in &self.inputs {
            all = all.with(name, bytes);
        }
        all
    }
}

/// One job of every kernel that takes inputs.
pub(crate) fn given() -> Vec<Given> {
    let painted = |len: usize| -> Vec<u8> { (0..len).map(|i| (i % 251) as u8).collect() };
    let digest = |bytes: &[u8]| Blake3Digest::of(bytes).to_string();
    let (a, b, x) = (painted(65 * 17), painted(17 * 66), painted(3 * 1024 + 5));
    let operands = json!({"given": {"a": digest(&a), "b": digest(&b)}});
    let product = json!({"m": 65, "n": 66, "k": 17, "operands": operands});
    let mut requantised = product.clone();
    requantised["multiplier"] = 3.into();
    requantised["shift"] = 9.into();
    let hashed = json!({"len": x.len(), "input": {"given": digest(&x)}});
    let matrices = vec![("a", a), ("b", b)];
    vec![
        Given::new(Kernel::Blake3, hashed, vec![("x", x)]),
        Given::new(Kernel::GemmI8, product, matrices.clone()),
        Given::new(Kernel::GemmI8Requant, requantised, matrices),
    ]
}

/// Slices that refuse what was not announced.
pub(crate) struct Watched<'a> {
    inner: &'a dyn Slices,
    announced: &'a [Span],
}

impl<'a> Watched<'a> {
    pub(crate) fn new(inner: &'a dyn Slices, announced: &'a [Span]) -> Self {
        Self { inner, announced }
    }

    /// Whether some announced run has all of these bytes.
    fn has(&self, tensor: Tensor, offset: u64, len: u64) -> bool {
        self.announced.iter().any(|span| {
            let Some(into) = offset.checked_sub(span.offset) else {
                return false;
            };
            let stride = span.stride.max(1);
            let (run, within) = (into / stride, into % stride);
            let contiguous = span.stride == span.len && into + len <= span.len * span.count;
            let in_one = run < span.count && within + len <= span.len;
            span.tensor == tensor && (contiguous || in_one)
        })
    }
}

impl Slices for Watched<'_> {
    fn read(&self, tensor: Tensor, offset: u64, into: &mut [u8]) -> Result<(), SliceMissing> {
        let len = into.len() as u64;
        if !self.has(tensor, offset, len) {
            return Err(SliceMissing {
                tensor,
                offset,
                len,
            });
        }
        self.inner.read(tensor, offset, into)
    }
}
