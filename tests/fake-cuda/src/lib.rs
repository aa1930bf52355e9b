//! A stand-in for `libcuda.so.1`: what the agent does with the CUDA driver, without one.
//!
//! It plays the scene in `cuda-scene.json` beside the library, read at the first `cuInit`. A scene says which GPUs there
//! are, and which calls fail, hang or take their time. Kernels run on the CPU, from their own source, by module and
//! function.
//!
//! **It is no GPU and says nothing about one.** Each device is called "fake GPU of the tests, no hardware", and nothing
//! but the tests may depend on it (`tests/tests/layering.rs`).
//!
//! It is as contrary as a driver may be: what a stream is told is done as late as possible, when somebody waits for it,
//! and of other streams only what an event orders before it. So a copy that nobody waited for has not happened, and
//! pinned memory that is written too early arrives changed.
//!
//! In scope: the functions the agent calls, under their C names. Wrong use (pointers outside allocations, copies through
//! memory that is not pinned, handles that are none, what is left when a context ends) goes to standard error and to
//! `misuse.log` beside the library.
//!
//! Out of scope: hardware; how many arguments a launch has, which no driver can see. The modules for Hopper alone are
//! refused, since no CPU runs their instructions; a scene may have their portable twins run in their place.
//!
//! | Module | What it holds |
//! |---|---|
//! | [`scene`] | the scene, for those who write one |
//! | `world` | devices, contexts, streams, and what is done in them |
//! | `kernel` | launches on the CPU |
//! | `abi` | the C functions, and memory of the caller; but for one promise, the only `unsafe` code |
//! | `vouched` | that promise: launches are what the agent's programs say |

mod abi;
mod kernel;
pub mod scene;
mod vouched;
mod world;

pub use scene::{Device, Fault, HopperModules, MISUSE_FILE, NAME, SCENE_FILE, Scene, Shared};
