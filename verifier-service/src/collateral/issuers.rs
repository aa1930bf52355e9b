//! Certificates that issue others, so that a question by one hash finds the answer filed by another.
//!
//! In scope: the issuers in chains that were examined and found authentic, bounded. Out of scope: whether they are
//! valid now. They vouch for nothing here: they only tell which two hashes are of the same name and key.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use evidence::cert::Certificate;
use evidence::ocsp::CertificateId;
use lru::LruCache;

use crate::lock::lock;

/// Issuers kept, about 2 KiB each. NVIDIA has three for each family of devices, and three for its manifests.
const ISSUERS_KEPT: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

#[derive(Debug)]
pub(super) struct Issuers(Mutex<LruCache<[u8; 32], Arc<Certificate>>>);

impl Issuers {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(ISSUERS_KEPT)))
    }

    /// Takes note of the issuers of an authentic chain, leaf first.
    pub(super) fn note(&self, chain: &[Certificate]) {
        let mut kept = lock(&self.0);
        for issuer in chain.iter().skip(1) {
            kept.get_or_insert(*issuer.sha256(), || Arc::new(issuer.clone()));
        }
    }

    /// The ids of the certificate that `id` names by every hash; none where its issuer was never seen.
    pub(super) fn ids_beside(&self, id: &CertificateId) -> Vec<CertificateId> {
        let issuers: Vec<_> = lock(&self.0)
            .iter()
            .map(|(_, kept)| Arc::clone(kept))
            .collect();
        let ids = issuers.iter().map(|issuer| id.by_every_hash(issuer));
        ids.flatten().filter(|other| other != id).collect()
    }
}
