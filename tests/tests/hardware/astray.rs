//! After a kernel went astray: whether this process can use the device again, in a new context.
//!
//! NVIDIA's documentation of such errors says that the process has to end, and an H200 (driver 580) was seen to refuse
//! every new context. This is where another device or driver says what it does; what the agent makes of it is tried against
//! the stand-in (`tests/tests/cuda/errors.rs`).

use std::ffi::CString;

use attestation_agent::Cuda;
use cudarc::driver::{result, sys};

use crate::{check_samples, samples, try_run};

/// A kernel that writes to an address of nobody.
const ASTRAY: &str = "\
.version 8.0
.target sm_80
.address_size 64
.visible .entry astray()
{
    .reg .b64 %rd<2>;
    .reg .b32 %r<2>;
    mov.u64 %rd1, 64;
    mov.u32 %r1, 1;
    st.global.u32 [%rd1], %r1;
    ret;
}
";

/// Lets a kernel go astray on the first device in a context of its own, ends that, and tries the samples.
pub(crate) fn and_on(cuda: &Cuda) -> String {
    let told = fault();
    assert_eq!(told, Some(sys::CUresult::CUDA_ERROR_ILLEGAL_ADDRESS));
    let (_, job) = samples::small().remove(0);
    let after = match try_run(cuda, &job) {
        Ok(_) => format!("{} sample jobs as before", check_samples(cuda, "")),
        Err(error) => {
            // The agent knows nothing of this kernel: to it, the device failed.
            assert_eq!(error.code(), "launch_failed", "{error}");
            format!("{error} [{}]", error.code())
        }
    };
    format!("After a kernel that wrote to an address of nobody, in the same process: {after}.")
}

/// What the driver says of a kernel that went astray.
#[expect(
    unsafe_code,
    reason = "the agent has no way to run a kernel that is not its own"
)]
fn fault() -> Option<sys::CUresult> {
    let device = result::device::get(0).expect("a device");
    let mut context = std::ptr::null_mut();
    let ptx = CString::new(ASTRAY).expect("no NUL");
    // SAFETY: the driver is initialised, since a `Cuda` was opened; each call gets places that outlive it, the function
    // is of the module, the module of the context, and nothing of the context is used after its end.
    unsafe {
        sys::cuCtxCreate_v2(&raw mut context, 0, device)
            .result()
            .expect("a context");
        let module = result::module::load_data(ptx.as_ptr().cast()).expect("a module");
        let function =
            result::module::get_function(module, c"astray".to_owned()).expect("a function");
        let launched = result::launch_kernel(
            function,
            (1, 1, 1),
            (1, 1, 1),
            0,
            std::ptr::null_mut(),
            &mut [],
        );
        launched.expect("a launch");
        let told = result::ctx::synchronize().err().map(|error| error.0);
        // Fails as every call in this context does by now; the context ends all the same.
        let _ = sys::cuCtxDestroy_v2(context);
        told
    }
}
