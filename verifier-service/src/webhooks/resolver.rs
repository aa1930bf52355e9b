//! Resolves names to addresses that webhooks may go to, and to no others: the connection goes to one of those found
//! here.

use std::io;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::reach::Addresses;

/// Resolves by the system, and passes over what is not among these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolver(pub(super) Addresses);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self(allowed) = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> =
                found.filter(|address| allowed.have(address.ip())).collect();
            match found.is_empty() {
                true => Err(io::Error::other("no address that may be told").into()),
                false => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}
