//! The answers about revocation at hand: files somebody named, and a directory of them.
//!
//! In scope: which of them is the one about a certificate. An answer is found by the certificate in it, whatever its
//! file is called. Out of scope: what it is worth; the appraisal examines and judges it like one from a responder.

use std::cell::Cell;
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evidence::Unverified;
use evidence::limits::MAX_OCSP_BYTES;
use evidence::ocsp::{AtHand, Best, Link, OcspResponse, Terms, Worth, best_of};

use crate::failure::Failure;
use crate::{Output, files};

/// Most answers read from a directory, as many as a verifier reads: at most 64 MiB.
const MAX_FILES: usize = 4096;

/// Answers that may be used.
pub(super) struct Answers(Vec<OfferedAnswer>);

/// One of them, not yet examined: that takes the certificate it is about.
struct OfferedAnswer {
    path: PathBuf,
    /// Whether somebody named this very file.
    named: bool,
    der: Vec<u8>,
    response: Unverified<OcspResponse>,
    used: Cell<bool>,
}

impl Answers {
    /// Reads the files named, each of which must be an answer, and those in the directory that are.
    pub(super) fn read(
        named: &[PathBuf],
        directory: Option<&Path>,
        out: &mut Output<'_>,
    ) -> Result<Self, Failure> {
        let named = named.iter().map(|path| OfferedAnswer::read(path, true));
        let mut offered = named.collect::<Result<Vec<_>, _>>()?;
        let filed = directory.map(list).transpose()?.unwrap_or_default();
        for path in filed {
            match OfferedAnswer::read(&path, false) {
                Ok(answer) => offered.push(answer),
                Err(failure) => out.note(format_args!("not used: {failure}")),
            }
        }
        // Newest first; of several that say the same, the one that was named.
        offered.sort_by_key(|offer| Reverse((offer.stated().this_update(), offer.named)));
        Ok(Self(offered))
    }

    /// The answer that counts, with its worth.
    pub(super) fn best(&self, link: &Link<'_>, terms: &Terms) -> Option<OfferedBest<'_>> {
        let best = best_of(
            link,
            terms,
            self.about(link),
            |offer| Worth::stated(offer.stated(), terms),
            |offer| Arc::new(OcspResponse::examine(&offer.der, link)),
        );
        best.map(OfferedBest)
    }

    /// A file that was named and took no part is told, so that nobody believes it was looked at.
    pub(super) fn tell_unused(&self, out: &mut Output<'_>) {
        for offer in self.0.iter().filter(|offer| offer.named) {
            if !offer.used.get() {
                out.note(format_args!("not used: {}", offer.path.display()));
            }
        }
    }

    fn about(&self, link: &Link<'_>) -> impl Iterator<Item = &OfferedAnswer> {
        let (subject, issuer) = (link.subject(), link.issuer());
        let about = move |offer: &&OfferedAnswer| offer.stated().id().names(subject, issuer);
        self.0.iter().filter(about)
    }
}

impl OfferedAnswer {
    fn read(path: &Path, named: bool) -> Result<Self, Failure> {
        let der = files::read(path, MAX_OCSP_BYTES)?;
        let response = OcspResponse::parse(&der).map_err(|reasons| {
            let lines: Vec<_> = reasons.iter().map(ToString::to_string).collect();
            Failure::unreadable(path.display(), &lines.join("\n  "))
        })?;
        Ok(Self {
            path: path.to_owned(),
            named,
            der,
            response,
            used: Cell::new(false),
        })
    }

    /// What it says, before anything vouches for it: enough to choose by.
    fn stated(&self) -> &OcspResponse {
        self.response.peek()
    }
}

/// The one of them that counts.
pub(super) struct OfferedBest<'a>(Best<&'a OfferedAnswer>);

impl OfferedBest<'_> {
    pub(super) fn worth(&self) -> Worth {
        self.0.worth
    }

    /// The answer, which takes part then.
    pub(super) fn take(self) -> AtHand {
        self.0.offer.used.set(true);
        AtHand::Response {
            response: self.0.response,
            nonce_sent: None,
        }
    }
}

/// The files `*.der` of a directory, in order.
fn list(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| Failure::unreadable(directory.display(), &error);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "der") {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            let why = format!("expected at most {MAX_FILES} files *.der");
            return Err(Failure::unreadable(directory.display(), &why));
        }
    }
    paths.sort();
    Ok(paths)
}
