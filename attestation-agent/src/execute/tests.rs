use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::job::{InputBytes, PreparedJob, parse_job};

/// Every look at it is 5 microseconds after the last.
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn unix_ms(&self) -> u64 {
        0
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.0.fetch_add(5, Ordering::Relaxed))
    }
}

fn job() -> PreparedJob {
    let text = format!(
        r#"{{"profile":"pogw/1","kernel":"gemm_i8","checks":[],
        "params":{{"m":2,"n":3,"k":4,"operands":{{"seed":"{}"}}}}}}"#,
        "00".repeat(32)
    );
    let spec = parse_job(text.as_bytes()).unwrap();
    PreparedJob::new(spec, InputBytes::new()).unwrap()
}

fn run(executor: &dyn Executor, job: &PreparedJob) -> Execution {
    executor.admit(&job.job).unwrap();
    let work = Work {
        job: job.job.clone(),
        inputs: Arc::clone(&job.inputs),
        keep_outputs: true,
        clock: Arc::new(Ticking(AtomicU64::new(0))),
    };
    executor.execute(&work).unwrap()
}

#[test]
fn the_reference_commits_to_the_bytes_it_made() {
    let job = job();
    let run = run(&CpuReference, &job);
    assert_eq!((run.run_us, run.digest_us, run.module), (5, 5, None));
    let [output] = run.outputs.as_slice() else {
        panic!("one output expected");
    };
    let expected = job.job.reference(&job.inputs);
    assert_eq!(output.bytes.as_deref(), Some(expected[0].bytes()));
    let commitment = output.commitment();
    assert_eq!((commitment.name.as_str(), commitment.len), ("c", 24));
    assert_eq!(commitment.blake3.0, *expected[0].digest().as_bytes());
}

#[test]
fn the_host_build_makes_the_same_bytes_and_says_its_own_name() {
    let job = job();
    let (host, reference) = (run(&HostCpu::new(None), &job), run(&CpuReference, &job));
    assert_eq!(host.outputs, reference.outputs);
    assert_eq!((host.executor, host.module), ("host", None));
}

#[test]
fn kinds_are_spelled_as_in_statements() {
    let text = |kind| serde_json::to_value(kind).unwrap();
    assert_eq!(text(ExecutorKind::Auto), "auto");
    assert_eq!(text(ExecutorKind::Cuda), Cuda::NAME);
    assert_eq!(text(ExecutorKind::Host), HostCpu::NAME);
    assert_eq!(text(ExecutorKind::CpuReference), CpuReference::NAME);
}
