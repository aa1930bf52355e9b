//! Asking (RFC 6960 4.1): one certificate a request, with or without a nonce, unsigned.

use der::Encode;
use der::asn1::OctetStringRef;

use super::CertificateId;
use super::asn1::{self, Extension, OID_NONCE, Request, TbsRequest, V1};
use crate::reason::Reason;

/// A question about one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspRequest {
    id: CertificateId,
    nonce: Option<Vec<u8>>,
}

impl OcspRequest {
    /// Asks about one certificate. A nonce makes the answer fresh; without one the responder may answer from stock.
    #[must_use]
    pub fn new(id: CertificateId, nonce: Option<[u8; 32]>) -> Self {
        let nonce = nonce.map(Vec::from);
        Self { id, nonce }
    }

    /// The certificate asked about.
    #[must_use]
    pub fn id(&self) -> &CertificateId {
        &self.id
    }

    /// The nonce, of 1 to 128 bytes; other clients choose other lengths than we do (nvidia-evidence 5.1).
    #[must_use]
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }

    /// The body of a POST of `application/ocsp-request` (RFC 6960 A.1). The nonce is not marked critical, as RFC 6960
    /// 4.1.2 advises.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        asn1::bounded(self.encode())
    }

    /// Reads the question of another client. Inverse of [`to_der`](Self::to_der).
    ///
    /// Name and signature of the requestor are passed over: nothing is decided by them.
    ///
    /// # Errors
    /// [`Code::OcspTooLarge`], [`Code::OcspMalformed`] for anything that is not a request about one certificate,
    /// [`Code::OcspExtensionCritical`].
    ///
    /// [`Code::OcspTooLarge`]: crate::Code::OcspTooLarge
    /// [`Code::OcspMalformed`]: crate::Code::OcspMalformed
    /// [`Code::OcspExtensionCritical`]: crate::Code::OcspExtensionCritical
    pub fn parse(der: &[u8]) -> Result<Self, Vec<Reason>> {
        read(der).map_err(|reasons| {
            let about = |reason: Reason| reason.about("OCSP request");
            reasons.into_iter().map(about).collect()
        })
    }

    fn encode(&self) -> der::Result<Vec<u8>> {
        let nonce = self.nonce.as_deref().map(OctetStringRef::new).transpose()?;
        let nonce = nonce.map(|nonce| nonce.to_der()).transpose()?;
        let extension = nonce.as_deref().map(|value| {
            OctetStringRef::new(value).map(|extn_value| Extension {
                extn_id: OID_NONCE,
                critical: false,
                extn_value,
            })
        });
        let request = asn1::OcspRequest {
            tbs_request: TbsRequest {
                version: V1,
                requestor_name: None,
                request_list: vec![Request {
                    req_cert: self.id.to_asn1()?,
                    single_request_extensions: None,
                }],
                request_extensions: extension.transpose()?.map(|nonce| vec![nonce]),
            },
            optional_signature: None,
        };
        request.to_der()
    }
}

fn read(der: &[u8]) -> Result<OcspRequest, Vec<Reason>> {
    let request: asn1::OcspRequest<'_> = asn1::message(der).map_err(|reason| vec![reason])?;
    let tbs = &request.tbs_request;
    let [single] = tbs.request_list.as_slice() else {
        let reason = asn1::malformed("certificates asked about");
        return Err(vec![reason.expected(1).actual(tbs.request_list.len())]);
    };
    let of_single = single.single_request_extensions.as_deref();
    let id = CertificateId::read(&single.req_cert);
    let nonce = asn1::nonce(tbs.request_extensions.as_deref().unwrap_or_default());
    let mut reasons: Vec<_> = asn1::version_is_v1(tbs.version).into_iter().collect();
    reasons.extend(asn1::none_processed(of_single.unwrap_or_default()));
    match (id, nonce) {
        (Ok(id), Ok(nonce)) if reasons.is_empty() => Ok(OcspRequest { id, nonce }),
        (id, nonce) => {
            reasons.extend(id.err().unwrap_or_default());
            reasons.extend(nonce.err().unwrap_or_default());
            Err(reasons)
        }
    }
}
