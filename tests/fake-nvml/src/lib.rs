//! A stand-in for `libnvidia-ml.so.1`: what the agent does with a driver, without one.
//!
//! It plays the scene in `scene.json` beside the library, read again at every `nvmlInit_v2`, so that each test copies
//! the library into a folder of its own. A scene says which GPUs there are, in which modes, whose evidence they hand
//! out, and which calls fail or take their time.
//!
//! In scope: the functions the agent calls, under their C names, with the C layouts of `nvml.h`.
//!
//! Out of scope: hardware. A GPU here signs with the agent's software device, or hands out bytes of a file. What real
//! drivers answer in the same place is known from NVIDIA's header and documentation, not from here.
//!
//! | Module | What it holds |
//! |---|---|
//! | [`scene`] | the scene, for those who write one |
//! | `play` | a scene that is being played: evidence, faults, counters |
//! | `abi` | the C functions; the only `unsafe` code |

mod abi;
mod play;
pub mod scene;

pub use scene::{Evidence, Fault, Gpu, NonceIs, SCENE_FILE, Scene};
