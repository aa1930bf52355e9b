//! Buffers of other processes: digested where they are, in one context for each device, and never waited for without end.

use std::path::PathBuf;

use fake_cuda::Shared;

use super::*;

const HANDLE: &str = "ab";

/// A file with the contents of the one shared buffer, and a scene that has it.
fn scene(folder: &tempfile::TempDir, bytes: &[u8]) -> Scene {
    let file: PathBuf = folder.path().join("shared");
    std::fs::write(&file, bytes).unwrap();
    Scene {
        shared: vec![Shared {
            handle: HANDLE.repeat(64),
            file,
        }],
        ..Scene::default()
    }
}

fn digest(device: u32, handle: &str, start: u64, end: u64) -> Task {
    Task::Digest {
        device,
        handle: handle.repeat(64),
        start,
        end,
    }
}

/// Digests and bytes, or codes.
fn told(answer: &Answer) -> Vec<String> {
    let told = answer.done.iter().map(|done| match done {
        Ok(done) => done.shared.clone(),
        Err(told) => told.code.clone(),
    });
    told.collect()
}

/// Part of a buffer, from an odd place on, over several chunks of the tree.
#[test]
fn buffers_of_other_processes_are_digested_where_they_are() {
    let bytes: Vec<u8> = (0..5000_u32)
        .map(|i| u8::try_from(i % 251).unwrap())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let cuda = FakeCuda::playing(&scene(&folder, &bytes));
    let copy = Task::Copy {
        device: 0,
        handle: HANDLE.repeat(64),
        start: 17,
        end: 40,
    };
    let answer = ask_rightly(
        &cuda,
        &tasks(&[
            digest(0, HANDLE, 0, 5000),
            digest(0, HANDLE, 3, 4321),
            digest(0, HANDLE, 7, 7),
            copy,
            digest(0, HANDLE, 0, 5001),
            digest(0, "cd", 0, 1),
            digest(1, HANDLE, 0, 1),
        ]),
    );
    let of = |part: &[u8]| kernels::Blake3Digest::of(part).to_string();
    let expected = [
        of(&bytes),
        of(&bytes[3..4321]),
        of(&[]),
        hex::encode(&bytes[17..40]),
        "execution_failed".to_owned(),
        "cuda_call_refused".to_owned(),
        "cuda_device_not_found".to_owned(),
    ];
    assert_eq!(told(&answer), expected);
}

/// The driver gives out as many contexts as it is said to.
#[test]
fn one_context_serves_a_device_until_the_driver_fails() {
    let folder = tempfile::tempdir().unwrap();
    let with = |contexts: u32| Scene {
        faults: vec![Fault::always("cuCtxCreate_v2", 46).after(contexts)],
        ..scene(&folder, b"hello")
    };
    let hello = kernels::Blake3Digest::of(b"hello").to_string();
    let all = || digest(0, HANDLE, 0, 5);
    let asked = [
        all(),
        all(),
        digest(0, HANDLE, 0, 6),
        all(),
        digest(0, "cd", 0, 5),
        all(),
    ];
    for (contexts, last) in [(1, "device_busy"), (2, hello.as_str())] {
        let cuda = FakeCuda::playing(&with(contexts));
        let found = told(&ask_rightly(&cuda, &tasks(&asked)));
        let refused = "cuda_call_refused";
        assert_eq!(
            found,
            [&hello, &hello, "execution_failed", &hello, refused, last]
        );
    }
}

/// Marks come from a program that waits for each answer.
#[test]
fn a_device_whose_driver_hangs_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let hang = Fault {
        delay_ms: 5000,
        ..Fault::once("cuIpcOpenMemHandle_v2", 0)
    };
    let cuda = FakeCuda::playing(&Scene {
        faults: vec![hang],
        ..scene(&folder, b"hello")
    });
    let all = || digest(0, HANDLE, 0, 5);
    let request = Request {
        timeout_ms: 100,
        ..tasks(&[all(), all()])
    };
    let answer = ask(&cuda, &request);
    let [first, second] = answer.done.as_slice() else {
        panic!("{answer:?}");
    };
    let (first, second) = (first.as_ref().unwrap_err(), second.as_ref().unwrap_err());
    assert_eq!([&first.code, &second.code], ["cuda_driver_hangs"; 2]);
    assert!(first.message.contains("opening a buffer"), "{first:?}");
    assert!(second.message.contains("an earlier call"), "{second:?}");
}
