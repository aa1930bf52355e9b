//! An OCSP responder over HTTP (RFC 6960 A.1; nvidia-evidence 5.1).

use std::time::Duration;

use evidence::limits::MAX_OCSP_BYTES;

use crate::config::OcspSettings;
use crate::upstream::{Answer, Failure, Upstream, UpstreamError};

/// Media types of questions and answers (RFC 6960 C).
const REQUEST: &str = "application/ocsp-request";
const RESPONSE: &str = "application/ocsp-response";

#[derive(Debug)]
pub(super) struct Responder(Upstream);

impl Responder {
    /// The responder in the settings, if there is one.
    pub(super) fn open(settings: &OcspSettings) -> Result<Option<Self>, UpstreamError> {
        let url = settings.url.as_deref();
        let open = |url| Upstream::open("the OCSP responder", url, settings.upstream()).map(Self);
        url.map(open).transpose()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.0.timeout()
    }

    /// Posts a request, DER. No larger answer is read than one that could be used. Its media type is not insisted on:
    /// what is no answer does not parse as one.
    pub(super) async fn ask(&self, request: Vec<u8>) -> Result<Answer, Failure> {
        self.0
            .post(REQUEST, RESPONSE, request, MAX_OCSP_BYTES)
            .await
    }
}
