//! Kernels that break the rules of points: a dispute about one ends, and nobody loses for it.

use kernels::bisect::{Claims, Progress, Referee, Side, Undecidable};
use kernels::committed::Committed;
use kernels::point::{Place, PointKernel, SliceMissing, Slices, Span, Tensor};
use kernels::program::{Program, Target};
use kernels::{
    Blake3Digest, CheckedInputs, Cost, InputSpec, Inputs, Job, Kernel, KernelJob, OutputSpec,
};

use crate::replica::trace_claim;

const NAMES: [&str; 2] = ["a", "b"];
const LEN: u64 = 4096;
const COST: Cost = Cost {
    operations: 1,
    bytes_read: 1,
    bytes_written: 1,
};

/// Two outputs of one point each.
#[derive(Clone, Debug, Default)]
struct Defective {
    needs: [Vec<Span>; 2],
    reads_all: bool,
    large: bool,
    pointless: bool,
    marks: u64,
}

impl KernelJob for Defective {
    fn kernel(&self) -> Kernel {
        Kernel::Stream
    }

    fn cost(&self) -> Cost {
        COST
    }

    fn inputs(&self) -> Vec<InputSpec> {
        Vec::new()
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let len = [LEN, if self.large { 1 << 30 } else { LEN }];
        let specs = NAMES.into_iter().zip(len);
        specs.map(|(name, len)| OutputSpec { name, len }).collect()
    }

    fn program(&self, _target: Target) -> Option<Program> {
        None
    }

    fn marks(&self) -> u64 {
        self.marks
    }

    fn reference(&self, _inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        vec![vec![0; LEN as usize]; 2]
    }

    fn points(&self) -> &dyn PointKernel {
        self
    }
}

impl PointKernel for Defective {
    fn points(&self) -> u64 {
        2 * u64::from(!self.pointless)
    }

    fn place(&self, point: u64) -> Place {
        Place {
            output: point as usize,
            offset: 0,
            len: LEN as usize,
        }
    }

    fn needs(&self, point: u64) -> Vec<Span> {
        self.needs[point as usize].clone()
    }

    fn eval(&self, point: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        if self.reads_all {
            slices.read(Tensor::Output(NAMES[1 - point as usize]), 0, &mut [0; 1])?;
        }
        Ok(vec![0; LEN as usize])
    }

    fn point_cost(&self, _point: u64) -> Cost {
        COST
    }

    fn chain_steps(&self) -> u64 {
        1
    }
}

/// Both sides differ in the first byte of the outputs named, and answer as they should.
fn dispute(kernel: Defective, differing: &[usize]) -> Progress {
    let traced = kernel.marks > 0;
    let job = Job::new(kernel);
    let inputs = job.accept(&Inputs::none()).unwrap();
    let outputs = [1, 2].map(|byte| {
        [0, 1].map(|output| {
            let mut bytes = vec![0; LEN as usize];
            bytes[0] = if differing.contains(&output) { byte } else { 0 };
            Committed::of(bytes).unwrap()
        })
    });
    let traces = [b"a", b"b"].map(|state| vec![Blake3Digest::of(state)]);
    let claims = [0, 1].map(|side: usize| Claims {
        outputs: outputs[side].iter().map(Committed::digest).collect(),
        trace: trace_claim(if traced { &traces[side] } else { &[] }),
    });
    let [a, b] = claims;
    let mut referee = Referee::new(&job, &inputs, a, b).unwrap();
    let mut witnesses = [0, 1].map(|side: usize| {
        let trace: &[Blake3Digest] = if traced { &traces[side] } else { &[] };
        kernels::bisect::Witness::new(&job, &inputs, &outputs[side], trace).unwrap()
    });
    loop {
        let question = referee.question().unwrap();
        let [a, b] = &mut witnesses;
        let answer = a.answer(&question).unwrap_or_default();
        referee.answer(Side::A, &answer);
        let answer = b.answer(&question).unwrap_or_default();
        match referee.answer(Side::B, &answer) {
            Progress::Ask(_) => {}
            over => return over,
        }
    }
}

fn of(output: usize, len: u64) -> Vec<Span> {
    vec![Span::run(Tensor::Output(NAMES[output]), 0, len)]
}

#[test]
fn defects_are_nobodys_loss() {
    let sound = Defective::default();
    let each_other = Defective {
        needs: [of(1, 1), of(0, 1)],
        ..sound.clone()
    };
    let itself = Defective {
        needs: [of(0, 1), vec![]],
        ..sound.clone()
    };
    let unannounced = Defective {
        reads_all: true,
        ..sound.clone()
    };
    let pointless = Defective {
        pointless: true,
        ..sound.clone()
    };
    let traced = Defective {
        marks: 1,
        ..sound.clone()
    };
    let table = [
        (
            each_other,
            vec![0, 1],
            Undecidable::ReadsCyclic,
            "reads_cyclic",
        ),
        (itself, vec![0], Undecidable::ReadsCyclic, "reads_cyclic"),
        (
            unannounced,
            vec![0],
            Undecidable::NeedsIncomplete,
            "needs_incomplete",
        ),
        (
            pointless,
            vec![0],
            Undecidable::NeedsIncomplete,
            "needs_incomplete",
        ),
        (
            traced,
            vec![],
            Undecidable::TraceNotRecomputable,
            "trace_not_recomputable",
        ),
    ];
    for (kernel, differing, reason, code) in table {
        assert_eq!(dispute(kernel, &differing), Progress::Undecidable(reason));
        assert_eq!(reason.code(), code);
    }
    let Progress::Decided(ruling) = dispute(sound, &[0]) else {
        panic!("not decided");
    };
    assert_eq!(ruling.losers.len(), 2);
}

/// It names what it reads: all of it.
#[test]
fn a_point_of_far_too_many_bytes_is_lost_by_whoever_names_them() {
    let large = Defective {
        needs: [of(1, 1 << 30), vec![]],
        large: true,
        ..Defective::default()
    };
    let Progress::Decided(ruling) = dispute(large, &[0]) else {
        panic!("not decided");
    };
    let codes = ruling.losers.iter().map(|(_, loss)| loss.code());
    assert_eq!(codes.collect::<Vec<_>>(), ["reads_too_large"; 2]);
}
