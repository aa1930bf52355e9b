//! Groups of problems that endpoints share: those of a credential, of a body, of the store.

use crate::problem::ProblemCode::{self, *};

/// Whatever is asked.
pub(super) const OF_ALL: &[ProblemCode] = &[Internal, TimedOut];

/// Where the store is asked.
pub(super) const OF_STORE: &[ProblemCode] = &[StoreFailed, StoreUnavailable];

/// Where there is a body.
pub(super) const OF_BODY: &[ProblemCode] = &[
    BodyIncomplete,
    BodyTimeout,
    BodyTooLarge,
    MediaTypeUnsupported,
    Overloaded,
];

/// Where the body is JSON of ours.
pub(super) const OF_JSON: &[ProblemCode] = &[JsonMalformed, RequestMalformed];

/// Where the operator is asked for.
pub(super) const OF_OPERATOR: &[ProblemCode] = &[AuthorizationMissing, AuthorizationInvalid];

/// Where a party is asked for.
pub(super) const OF_PARTY: &[ProblemCode] = &[
    AuthorizationMissing,
    AuthorizationInvalid,
    ApiKeyUnknown,
    ApiKeyRevoked,
    ApiKeyExpired,
    TokenMalformed,
    TokenAlgorithmRefused,
    TokenKeyUnknown,
    TokenSignatureInvalid,
    TokenIssuerMismatch,
    TokenAudienceMismatch,
    TokenExpired,
    TokenNotYetValid,
    TokenClaimMissing,
    PartyUnknown,
    IssuerUnavailable,
    StoreFailed,
    StoreUnavailable,
];

/// Where an agent signs.
pub(super) const OF_AGENT: &[ProblemCode] = &[
    SignatureMalformed,
    SignatureExpired,
    SignatureInvalid,
    SignatureReplayed,
    AgentUnknown,
    ContentDigestMismatch,
    TooManyRequestsOfAgent,
    StoreFailed,
    StoreUnavailable,
];

/// What the terms of a job can be wrong in.
pub(super) const OF_TERMS: &[ProblemCode] = &[
    TermsArchitectures,
    TermsAuditFraction,
    TermsAuditMiss,
    TermsDeadline,
    TermsDeviceCount,
    TermsEscrow,
    TermsMalformed,
    TermsMinAgreeing,
    TermsPolicyName,
    TermsPrice,
    TermsReplicaCount,
    TermsStake,
    TermsTime,
];

/// What an appraisal can fail for that is not the evidence.
pub(super) const OF_APPRAISAL: &[ProblemCode] = &[PolicyFailed, Overloaded, ResultChecksBusy];
