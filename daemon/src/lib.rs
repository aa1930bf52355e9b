//! What a service of systemd needs, agent and verifier alike.
//!
//! # In scope
//!
//! * [`Layers`]: settings from defaults, a TOML file, the drop-ins beside it and the environment, and which of them is to
//!   blame for a value that cannot be used.
//! * [`notify`]: what the service manager is told (sd_notify(3)), and [`Pulse`](notify::Pulse): whether the service still
//!   makes progress.
//! * [`credential`]: secrets that the service manager hands over (systemd.exec(5), `LoadCredential=`).
//!
//! # Out of scope
//!
//! Which settings there are, and what they mean: the two services know. Without systemd everything here does nothing, or
//! finds nothing.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod credential;
mod layers;
pub mod notify;

pub use layers::{LayerError, Layers};
