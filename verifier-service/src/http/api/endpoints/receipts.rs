//! Challenges, receipts, devices judged alone.

use serde_json::json;

use super::super::codes::{OF_APPRAISAL, OF_JSON, OF_STORE};
use super::super::endpoint::{Access, Endpoint, EvidenceCodes, Tag};
use super::super::examples::{self, BYTES_32, DIGEST};
use super::super::schema::{of, text_like};
use crate::config::Config;
use crate::http::{challenges, media_type, receipts, verify};
use crate::problem::ProblemCode::*;

pub(super) fn all() -> Vec<Endpoint> {
    let all = [
        create_challenge(),
        read_challenge(),
        submit(),
        list(),
        read(),
        archive(),
        verify(),
    ];
    all.map(|endpoint| endpoint.tagged(Tag::Receipts)).into()
}

fn create_challenge() -> Endpoint {
    let example =
        json!({ "job": DIGEST, "agent_key": BYTES_32, "audience": "https://market.example" });
    Endpoint::post("/v1/challenges", "createChallenge", challenges::create)
        .says(
            "Ask for a challenge",
            "Random bytes that a statement must answer, for one job and one agent key. It is good for one receipt, and for \
             the time the verifier is configured to wait.",
        )
        .takes("NewChallenge", challenges::MAX_BODY_BYTES, example)
        .gives(201, "Challenge", "Issued.")
        .header(201, "Location")
        .leads_to(201, "readChallenge", "id", "$response.body#/id")
        .stored()
        .fails(&[AudienceNotServed, TooManyChallenges, TooManyChallengesOfAgent])
}

fn read_challenge() -> Endpoint {
    Endpoint::get("/v1/challenges/{id}", "readChallenge", challenges::read)
        .says(
            "See what became of a challenge",
            "Whoever knows its name may ask.",
        )
        .named("id", of("Id"), "The name of the challenge.")
        .gives(200, "Challenge", "The challenge, with `status`.")
        .stored()
        .fails(&[ChallengeNotFound])
}

fn submit() -> Endpoint {
    let limit = Config::default().body_limit_bytes;
    let token = of("Token");
    let receipt = |endpoint: Endpoint, status, text| {
        endpoint
            .gives_as(status, media_type::EAT_JWT, token.clone(), text)
            .gives(status, "ReceiptJson", text)
            .header(status, "Location")
            .header(status, "PoGW-Receipt-Status")
            .header(status, "PoGW-Receipt-Revoked-At")
            .leads_to(status, "readReceipt", "id", "$response.body#/id")
    };
    let endpoint = Endpoint::post("/v1/receipts", "submitBundle", receipts::submit)
        .says(
            "Hand in a bundle",
            "Evidence of work is judged; what is granted gets a receipt. The same bytes get the same receipt for ever. A \
             refused bundle spends nothing, but for one whose result an audit or Freivalds' check refuted: that ends its \
             challenge. Where nothing is refuted and something is not at hand, the answer is 503 and the same bytes may \
             pass later.",
        )
        .heeds("Idempotency-Key", text_like("^[!-~]{1,255}$"), IDEMPOTENCY)
        .takes_as(&[media_type::BUNDLE], of("Bundle"), limit, examples::bundle());
    let endpoint = receipt(endpoint, 201, "Issued by this request.");
    receipt(endpoint, 200, "Issued before, for the same bytes.")
        .stored()
        .fails(OF_APPRAISAL)
        .fails(&[
            JsonMalformed,
            BundleMalformed,
            IdempotencyKeyMalformed,
            IdempotencyKeyReused,
            NotAcceptable,
            ChallengeUnknown,
            ChallengeSpent,
            ChallengeRefuted,
            ChallengeExpired,
            ChallengeJobMismatch,
            ChallengeAgentMismatch,
            PolicyDenied,
            NoSigningKey,
            Unverifiable,
        ])
        .refutes(EvidenceCodes::Any)
}

/// What is said of the header wherever it is heeded.
pub(super) const IDEMPOTENCY: &str = "The client's own name for this request. The same request under the same name is answered the same; another one is \
     refused (`idempotency_key_reused`).";

fn list() -> Endpoint {
    Endpoint::get("/v1/receipts", "listReceipts", receipts::list)
        .says(
            "List the receipts of one's jobs",
            "Latest first; a marketplace sees those of everybody's jobs. The tokens are read one by one.",
        )
        .by(Access::Party(Some("jobs:read")))
        .paged(of("Cursor"))
        .gives(200, "Receipts", "A page.")
}

fn read() -> Endpoint {
    Endpoint::get("/v1/receipts/{id}", "readReceipt", receipts::read)
        .says(
            "Read a receipt",
            "Whoever knows its name may. `Accept` says in which form: the token itself, or JSON.",
        )
        .named(
            "id",
            of("Id"),
            "The name of the receipt, which is its `jti`.",
        )
        .gives_as(200, media_type::EAT_JWT, of("Token"), "The receipt.")
        .gives(200, "ReceiptJson", "The receipt.")
        .header(200, "PoGW-Receipt-Status")
        .header(200, "PoGW-Receipt-Revoked-At")
        .fails(OF_STORE)
        .fails(&[ReceiptNotFound, NotAcceptable])
        .for_any_page()
}

fn archive() -> Endpoint {
    Endpoint::get("/v1/receipts/{id}/archive", "readReceiptArchive", receipts::archive)
        .says(
            "Read a receipt with all it rests on",
            "One tar file: `receipt.jwt`, `bundle.json`, `policy.rego`, `rims/ID.xml`, `ocsp/SHA256.der`. `pogw receipt \
             reappraise` judges it again, without a network.",
        )
        .by(Access::Operator)
        .named(
            "id",
            of("Id"),
            "The name of the receipt, which is its `jti`.",
        )
        .gives_as(200, media_type::TAR, of("Tar"), "The archive.")
        .fails(OF_STORE)
        .fails(&[ReceiptNotFound])
}

fn verify() -> Endpoint {
    let device = json!({ "arch": "HOPPER", "report": "EeAB", "chain": "LS0t" });
    let example = json!({ "nonce": DIGEST, "devices": [device] });
    Endpoint::post("/v1/verify", "verifyDevices", verify::verify)
        .says(
            "Have devices judged",
            "Evidence of devices alone, without work. The answer is what was found, whatever it is; nothing is kept.",
        )
        .takes("Evidence", verify::MAX_BODY_BYTES, example)
        .gives(200, "Appraisal", "What was found.")
        .fails(OF_JSON)
        .fails(OF_APPRAISAL)
}
