//! From the members of a JSON object to [`ClaimsParts`]: each claim by name, so that a refusal can say which.

use serde::Deserialize;

use super::{ClaimsParts, PROFILE, Work};
use crate::json;
use crate::rejected::Rejected;
use crate::value::{excerpt, parser_says};

impl ClaimsParts {
    /// Inverse of serialising [`Claims`](super::Claims), without its rules.
    ///
    /// Claims this version does not know are ignored beside ours (RFC 7519 section 4), but not inside `pogw` and the
    /// objects below it: those are ours alone, and a member there that is not understood may limit what is.
    pub(crate) fn read(payload: json::Members<'_>) -> Result<Self, Rejected> {
        let mut claims = Members::new("", payload);
        is_our_profile(&mut claims)?;
        Ok(Self {
            iss: claims.required("iss")?,
            sub: claims.required("sub")?,
            aud: claims.required("aud")?,
            iat: claims.required("iat")?,
            nbf: claims.required("nbf")?,
            exp: claims.optional("exp")?,
            jti: claims.required("jti")?,
            cnf: claims.required("cnf")?,
            eat_nonce: claims.required("eat_nonce")?,
            ear_verifier_id: claims.required("ear_verifier_id")?,
            ear_status: claims.required("ear_status")?,
            submods: claims.required("submods")?,
            pogw: Work::read(claims.required("pogw")?)?,
        })
    }
}

impl Work {
    fn read(work: json::Members<'_>) -> Result<Self, Rejected> {
        let mut work = Members::new("pogw.", work);
        let read = Self {
            job_digest: work.required("job_digest")?,
            kernel: work.optional("kernel")?,
            program: work.optional("program")?,
            executor: work.optional("executor")?,
            module_digest: work.optional("module_digest")?,
            outputs: work.required("outputs")?,
            trace: work.optional("trace")?,
            devices: work.required("devices")?,
            methods: work.required("methods")?,
            assurance: work.required("assurance")?,
            policy: work.required("policy")?,
            collateral: work.required("collateral")?,
            revocation: work.required("revocation")?,
            evidence_digest: work.required("evidence_digest")?,
            timings: work.optional("timings")?,
            as_of: work.required("as_of")?,
            batch: work.optional("batch")?,
            log_index: work.optional("log_index")?,
        };
        work.nothing_left()?;
        Ok(read)
    }
}

/// Looked at before anything else: the claims of another profile have another shape.
fn is_our_profile(claims: &mut Members<'_>) -> Result<(), Rejected> {
    let actual: String = claims.required("eat_profile")?;
    if actual == PROFILE {
        return Ok(());
    }
    Err(Rejected::ProfileMismatch {
        expected: PROFILE,
        actual: excerpt(&actual),
    })
}

struct Members<'t> {
    prefix: &'static str,
    left: json::Members<'t>,
}

impl<'t> Members<'t> {
    fn new(prefix: &'static str, members: json::Members<'t>) -> Self {
        Self {
            prefix,
            left: members,
        }
    }

    fn required<T: Deserialize<'t>>(&mut self, name: &str) -> Result<T, Rejected> {
        self.optional(name)?.ok_or_else(|| Rejected::ClaimMissing {
            claim: self.full_name(name),
        })
    }

    /// An optional claim is absent or has its type; `null` is not a way to be absent.
    fn optional<T: Deserialize<'t>>(&mut self, name: &str) -> Result<Option<T>, Rejected> {
        let Some(value) = self.left.remove(name) else {
            return Ok(None);
        };
        match json::read_value(value.get()) {
            Ok(claim) => Ok(Some(claim)),
            Err(error) => Err(Rejected::ClaimMalformed {
                claim: self.full_name(name),
                reason: parser_says(&error),
            }),
        }
    }

    fn nothing_left(self) -> Result<(), Rejected> {
        match self.left.keys().next() {
            Some(name) => Err(Rejected::ClaimUnknown {
                claim: self.full_name(&excerpt(name.as_str())),
            }),
            None => Ok(()),
        }
    }

    fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
