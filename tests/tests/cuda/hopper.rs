//! The module for Hopper alone: used where it gives the known answer, and left where it does not.

use fake_cuda::HopperModules;

use super::*;

/// SHA-256 of a module's PTX, as statements name it.
fn sha256(name: &str) -> Option<String> {
    let module = kernels::Module::all().find(|module| module.name() == name)?;
    Some(hex::encode(module.ptx()?.sha256))
}

fn scene(hopper_modules: HopperModules, capability: (i32, i32)) -> Scene {
    Scene {
        hopper_modules,
        devices: vec![Device {
            capability,
            ..Device::default()
        }],
        ..Scene::default()
    }
}

#[test]
fn it_runs_jobs_only_where_it_gave_the_known_answer() {
    let (hopper, portable) = ("gemm_bf16_sm90a", "gemm_bf16");
    for (modules, capability, expected) in [
        (HopperModules::Played, (9, 0), hopper),
        (HopperModules::PlayedWrong, (9, 0), portable),
        (HopperModules::Refused, (9, 0), portable),
        (HopperModules::Played, (8, 9), portable),
        (HopperModules::Played, (10, 0), portable),
    ] {
        let cuda = FakeCuda::playing(&scene(modules, capability));
        let jobs = tasks(&[Task::ProductBf16(33), Task::ProductBf16(5)]);
        for done in ask_rightly(&cuda, &jobs).done {
            let done = done.unwrap();
            assert!(done.right, "{modules:?} {capability:?}");
            assert_eq!(done.module, sha256(expected), "{modules:?} {capability:?}");
        }
    }
}

/// The driver takes as many modules as it is said to: one for the trial, one for each job.
#[test]
fn it_is_tried_once() {
    for modules in [HopperModules::Played, HopperModules::PlayedWrong] {
        let cuda = FakeCuda::playing(&Scene {
            faults: vec![Fault::always("cuModuleLoadDataEx", 209).after(3)],
            ..scene(modules, (9, 0))
        });
        let jobs = [5, 6, 7].map(Task::ProductBf16);
        let done = ask_rightly(&cuda, &tasks(&jobs)).done;
        let codes: Vec<_> = done
            .iter()
            .map(|done| code_of(done.as_ref().err()))
            .collect();
        assert_eq!(codes, ["", "", "module_refused"], "{modules:?}");
    }
}

/// A device that fails in the trial is no module that is wrong.
#[test]
fn a_failure_of_the_device_in_the_trial_fails_the_job_and_is_not_remembered() {
    let cuda = FakeCuda::playing(&Scene {
        faults: vec![Fault::once("cuEventQuery", 719)],
        ..scene(HopperModules::Played, (9, 0))
    });
    let jobs = tasks(&[Task::ProductBf16(5), Task::ProductBf16(5)]);
    let done = ask_rightly(&cuda, &jobs).done;
    assert_eq!(code_of(done[0].as_ref().err()), "launch_failed");
    assert_eq!(done[1].as_ref().unwrap().module, sha256("gemm_bf16_sm90a"));
}
