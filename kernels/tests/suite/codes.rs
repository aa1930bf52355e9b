//! Codes are an interface: each is unique, in the README's table, and the table has no other.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use kernels::bisect::{ClaimsError, Loss, Side, Undecidable, WitnessError};
use kernels::freivalds::{self, Randomness, Verdict};
use kernels::gemm_i8::{Operands, OutputView, Shape};
use kernels::point::{SliceMissing, Tensor};
use kernels::slices::SliceError;
use kernels::{Blake3Digest, InputError, Inputs, Job, Kernel, LimitError, OperandSeed};
use serde_json::{Value, json};

/// One error of every kind, made the way a stranger would make it.
fn codes() -> Vec<&'static str> {
    let zeros = "0".repeat(64);
    let mut codes = vec![
        "x".parse::<Kernel>().unwrap_err().code(),
        "x".parse::<Blake3Digest>().unwrap_err().code(),
        "X".repeat(64).parse::<OperandSeed>().unwrap_err().code(),
        OutputView::new(small(), &[]).unwrap_err().code(),
        mismatch_code(),
    ];
    let params = |m: u32, n: u32| json!({"m": m, "n": n, "k": 1, "operands": {"seed": zeros}});
    let shapes = [params(0, 1), params(u32::MAX, 1), params(65536, 65536)];
    let malformed = [Value::Null];
    for params in shapes.iter().chain(&malformed) {
        codes.push(Job::parse("gemm_i8", params).unwrap_err().code());
    }
    let given = json!({"m": 1, "n": 1, "k": 1, "operands": {"given": {"a": zeros, "b": zeros}}});
    let job = Job::parse("gemm_i8", &given).unwrap();
    let both = |a| Inputs::none().with("a", a).with("b", &[1]);
    let inputs = [
        Inputs::none(),
        both(&[]),
        both(&[1]),
        both(&[1]).with("c", &[]),
    ];
    for inputs in inputs {
        codes.push(job.accept(&inputs).unwrap_err().code());
    }
    codes.extend(of_audits());
    codes.extend(of_slices());
    codes.extend(of_disputes());
    codes
}

fn of_slices() -> [&'static str; 5] {
    let (start, len, total) = (0, 1, 1);
    let digest = Blake3Digest::of(b"");
    let all = [
        SliceError::Length {
            expected: 1,
            actual: 0,
        },
        SliceError::NotCommitted { digest, start, len },
        SliceError::Outside { start, len, total },
        SliceError::Overlapping { start, len },
        SliceError::TensorUnknown,
    ];
    all.map(|error| error.code())
}

fn of_disputes() -> Vec<&'static str> {
    let claims = ClaimsError::Form {
        side: Side::A,
        what: "outputs",
        expected: 1,
        actual: 0,
    };
    let losses = [
        Loss::Length {
            expected: 1,
            actual: 0,
        },
        Loss::NotCommitted,
        Loss::ReadsIncomplete,
        Loss::ReadsTooLarge,
        Loss::Unanswered,
        Loss::Wrong,
    ];
    let undecidable = [
        Undecidable::Collision,
        Undecidable::LeafTooLarge,
        Undecidable::NeedsIncomplete,
        Undecidable::ReadsCyclic,
        Undecidable::TraceNotRecomputable,
    ];
    let unreadable = WitnessError::Io(std::io::ErrorKind::NotFound.into());
    let mut codes = vec![ClaimsError::Agree.code(), claims.code()];
    codes.extend([unreadable.code(), WitnessError::Question.code()]);
    codes.extend(losses.map(|loss| loss.code()));
    codes.extend(undecidable.map(|reason| reason.code()));
    codes
}

/// Those of audits, of content and of limits that no kernel of this list breaks by itself.
fn of_audits() -> [&'static str; 3] {
    let missing = SliceMissing {
        tensor: Tensor::Input("a"),
        offset: 0,
        len: 1,
    };
    let content = InputError::Content {
        name: "a",
        rule: "finite",
        offset: 0,
    };
    let limit = LimitError::check("steps", 1, 2, 3).unwrap_err();
    [missing.code(), content.code(), limit.code()]
}

fn small() -> Shape {
    Shape::new(1, 1, 1).unwrap()
}

fn mismatch_code() -> &'static str {
    let operands = Operands::new(small(), vec![1], vec![1]).unwrap();
    let randomness = Randomness::drawn_after_commitment([0; 32]);
    match freivalds::check(&operands, &[0; 4], &randomness, NonZeroUsize::MIN) {
        Ok(Verdict::Refused(mismatch)) => mismatch.code(),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn codes_are_unique_and_the_table_lists_exactly_them() {
    let codes = codes();
    let unique: BTreeSet<&str> = codes.iter().copied().collect();
    assert_eq!(unique.len(), codes.len());
    let table: BTreeSet<&str> = include_str!("../../README.md")
        .lines()
        .skip_while(|line| *line != "## Codes")
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(code, _)| code)
        .collect();
    assert_eq!(table, unique);
}
