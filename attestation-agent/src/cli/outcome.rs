//! What `run` prints when it is done, whatever ran: a receipt, or a bundle that is not sent to anybody.
//!
//! In scope: the document, the text beside it, and `receipt.jwt`. Out of scope: the other files of a run, which depend on
//! what ran.

use std::path::{Path, PathBuf};

use attestation_agent::{AgentError, Receipt, SealedBundle, write_result};
use evidence::work::{Bundle, WorkStatement};
use serde_json::{Value, json};

use super::report::Report;

/// A run that is bound.
pub(super) struct Outcome<'a> {
    /// What the agent says about it.
    pub(super) statement: &'a WorkStatement,
    /// The signed bundle.
    pub(super) bundle: &'a Bundle,
    /// The bundle as it travels.
    pub(super) sealed: &'a SealedBundle,
    /// What was written, if a folder was asked for.
    pub(super) files: Vec<PathBuf>,
    /// Members that only this kind of run has.
    pub(super) more: Vec<(&'static str, Value)>,
}

impl Outcome<'_> {
    /// The run was for a challenge that came another way.
    pub(super) fn unsent(self) -> Report {
        let mut document = self.document();
        if !self.files.is_empty() {
            return Report::done(lines(&self.files), document);
        }
        add(&mut document, [("bundle", json!(self.bundle))]);
        let text = String::from_utf8_lossy(self.sealed.json());
        Report::done(format!("{text}\n"), document)
    }

    /// The verifier gave a receipt, which is stored and, if a folder was asked for, written there as well.
    pub(super) fn received(
        mut self,
        out: Option<&Path>,
        receipt: &Receipt,
        stored: &Path,
    ) -> Result<Report, AgentError> {
        if let Some(out) = out {
            let path = out.join("receipt.jwt");
            write_result(&path, receipt.jwt.as_bytes())?;
            self.files.push(path);
        }
        let text = match self.files.as_slice() {
            [] => format!("{}\n", receipt.jwt),
            files => lines(files),
        };
        let mut document = self.document();
        let members = [
            ("outcome", json!("receipt")),
            ("receipt", json!(receipt.jwt)),
            ("location", json!(receipt.location)),
            ("stored", json!(stored.display().to_string())),
        ];
        add(&mut document, members);
        Ok(Report::done(text, document))
    }

    fn document(&self) -> Value {
        let files = self.files.iter();
        let files: Vec<_> = files.map(|path| path.display().to_string()).collect();
        let mut document = json!({
            "outcome": "bundle",
            "statement": self.statement,
            "bundle_sha256": self.sealed.digest(),
            "files": files,
        });
        add(&mut document, self.more.iter().cloned());
        document
    }
}

fn add(document: &mut Value, members: impl IntoIterator<Item = (&'static str, Value)>) {
    if let Some(object) = document.as_object_mut() {
        let members = members.into_iter();
        object.extend(members.map(|(name, value)| (name.to_owned(), value)));
    }
}

fn lines(files: &[PathBuf]) -> String {
    files
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect()
}
