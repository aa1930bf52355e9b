//! A receipt with everything it rests on, as one tar file (POSIX.1-1988 `ustar`), for whoever judges it again years
//! later:
//!
//! | Member | What it is |
//! |---|---|
//! | `receipt.jwt` | the token |
//! | `bundle.json` | the bundle, byte for byte as it was handed in; `pogw.evidence_digest` of the receipt is its SHA-256 |
//! | `policy.rego` | the text that granted it, by `pogw.policy.sha256` |
//! | `rims/ID.xml` | each reference manifest that it was compared with |
//! | `ocsp/SHA256.der` | each answer about revocation that counted |
//!
//! Members are in this order, the last two kinds in the order of their digests, and the same receipt gives the same
//! bytes. For receipts that were issued before collateral was kept, there are only the first three.
//!
//! Out of scope: the key set, which has to come from elsewhere for the token to mean anything, and judging.

use std::io;
use std::sync::Arc;

use evidence::device::is_safe_rim_id;
use receipt::Collateral;
use tar::{Builder, Header};
use tokio::sync::Semaphore;

use crate::collateral::PieceKind;
use crate::id::Id;
use crate::issue;
use crate::problem::{Problem, ProblemCode};
use crate::store::archive::{ArchiveStore, Archived};
use crate::store::policies::PolicyStore;
use crate::workers::Workers;

/// Makes archives.
#[derive(Clone)]
pub(crate) struct Archivist {
    store: Arc<dyn ArchiveStore>,
    policies: Arc<dyn PolicyStore>,
    workers: Workers,
    /// One at a time: each holds a stored bundle, which no budget counts until it is an answer.
    place: Arc<Semaphore>,
}

impl Archivist {
    pub(crate) fn new(
        store: Arc<dyn ArchiveStore>,
        policies: Arc<dyn PolicyStore>,
        workers: Workers,
    ) -> Self {
        Self {
            store,
            policies,
            workers,
            place: Arc::new(Semaphore::new(1)),
        }
    }

    /// The archive of a receipt; `None` if there is no such receipt.
    ///
    /// # Errors
    /// A failure of the store.
    pub(crate) async fn of(&self, id: Id) -> Result<Option<Vec<u8>>, Problem> {
        // Never closed.
        let _place = self.place.acquire().await;
        let Some(archived) = self.store.archived(id).await? else {
            return Ok(None);
        };
        // Of a token that this version cannot read, nothing is known by its name.
        let claims = issue::claims_of(&archived.receipt.token).ok();
        let policy = match &claims {
            Some(claims) => {
                let sha256 = *claims.pogw.policy.sha256.as_bytes();
                self.policies.policy_by_sha256(sha256).await?
            }
            None => None,
        };
        let policy = policy.map(|policy| policy.text);
        let named = claims.map_or_else(Vec::new, |claims| claims.pogw.collateral);
        let made = move || written(&archived, policy.as_deref(), &named);
        let made = self.workers.run(made).await;
        made.map(Some)
            .map_err(|error| Problem::caused(ProblemCode::Internal, error))
    }
}

/// The name of a manifest's file: by its id, as directories of manifests have it, where that is fit for a file.
fn file_of(sha256: &[u8; 32], named: &[Collateral]) -> String {
    let mut of_digest = named.iter().filter(|it| it.sha256.as_bytes() == sha256);
    let id = of_digest.next().map(|it| it.id.as_str());
    let id = id.filter(|id| is_safe_rim_id(id));
    id.map_or_else(|| hex::encode(sha256), str::to_owned)
}

fn written(archived: &Archived, policy: Option<&str>, named: &[Collateral]) -> io::Result<Vec<u8>> {
    let issued_at = archived.receipt.issued_at.secs();
    let mut tar = Writer {
        tar: Builder::new(Vec::with_capacity(archived.bundle.len())),
        issued_at: u64::try_from(issued_at).unwrap_or_default(),
    };
    tar.member("receipt.jwt", archived.receipt.token.as_bytes())?;
    tar.member("bundle.json", &archived.bundle)?;
    if let Some(text) = policy {
        tar.member("policy.rego", text.as_bytes())?;
    }
    for kind in [PieceKind::Rim, PieceKind::Ocsp] {
        let of_kind = archived.collateral.iter();
        for (sha256, piece) in of_kind.filter(|(_, piece)| piece.kind == kind) {
            let path = match kind {
                PieceKind::Rim => format!("rims/{}.xml", file_of(sha256, named)),
                PieceKind::Ocsp => format!("ocsp/{}.der", hex::encode(sha256)),
            };
            tar.member(&path, &piece.bytes)?;
        }
    }
    tar.tar.into_inner()
}

struct Writer {
    tar: Builder<Vec<u8>>,
    issued_at: u64,
}

impl Writer {
    /// Adds a file that everybody may read, of the time of the receipt.
    fn member(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        header.set_mode(0o644);
        header.set_mtime(self.issued_at);
        self.tar.append_data(&mut header, path, bytes)
    }
}
