//! The loop from a job to a reward, over real HTTP: a verifier and its agents are processes of their own, on the clock
//! of this machine, and are killed at will; tenant, marketplace and providers have API keys.
//!
//! An honest agent is the library of `attestation-agent serve` with a software device and the executor `host`; a
//! [`liar`] speaks the same wire by a script. Out of scope: rules that need no process to be seen (`jobs`), refusals of
//! single requests (`verifier-service`).

mod books;
mod cheats;
mod commands;
mod honest;
mod idle;
mod liar;
mod place;
mod restart;
mod several;
mod soak;
mod spoilt;
mod traces;

/// A body that must hold over both databases; `$market` is empty but for tenant and marketplace.
macro_rules! on_both {
    ($($(#[$note:meta])* async fn $name:ident($market:pat_param) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn body($market: $crate::place::Market) $body

            $(#[$note])*
            #[tokio::test(flavor = "multi_thread")]
            async fn on_sqlite() {
                body($crate::place::Market::open(None).await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs PostgreSQL: tests/postgres/with"]
            async fn on_postgres() {
                let url = $crate::books::new_database().await;
                body($crate::place::Market::open(Some(url)).await).await;
            }
        }
    )*};
}
use on_both;
