//! Jobs of tenants, the books, webhooks.

use evidence::limits::MAX_DEVICES;
use jobs::terms::{MAX_REPLICAS, MAX_STEP_S};
use serde_json::{Value, json};

use super::super::schema::{
    MAX_SAFE, and, closed, count, count_32, flag, list, list_of, number, object, of, or_null, said,
    short, text, text_like, with, word,
};
use super::Named;

/// Where a job can stand.
const JOB: [&str; 7] = [
    "open",
    "opening",
    "disputed",
    "accepted",
    "settled",
    "failed",
    "cancelled",
];
/// Where an assignment can stand.
const ASSIGNMENT: [&str; 11] = [
    "offered",
    "leased",
    "committed",
    "opening",
    "opened",
    "judged",
    "accepted",
    "paid",
    "expired",
    "released",
    "refused",
];
/// What can happen to money.
const TRANSFER: [&str; 9] = [
    "deposit",
    "withdrawal",
    "escrow",
    "stake",
    "pay",
    "refund",
    "return_stake",
    "slash",
    "payout",
];
/// What can happen to a job.
const EVENT: [&str; 18] = [
    "job_created",
    "assignment_offered",
    "assignment_leased",
    "assignment_expired",
    "assignment_released",
    "assignment_committed",
    "openings_asked",
    "assignment_opened",
    "assignment_judged",
    "assignment_refused",
    "job_disputed",
    "dispute_decided",
    "job_accepted",
    "job_challenged",
    "assignment_paid",
    "job_settled",
    "job_failed",
    "job_cancelled",
];

pub(super) fn all() -> Vec<Named> {
    vec![
        (
            "NewJob",
            closed([("spec", of("JobSpec")), ("terms", of("Terms"))]),
        ),
        ("Terms", terms()),
        ("Job", job()),
        ("JobStatus", word(&JOB)),
        ("Jobs", jobs()),
        ("Receipts", receipts()),
        ("JobReceipts", job_receipts()),
        ("JobEvent", event()),
        ("JobEventLine", event_line()),
        ("EventKind", word(&EVENT)),
        ("NewTransfer", new_transfer()),
        ("Transfer", transfer()),
        ("Account", account()),
        (
            "Treasury",
            object([(
                "balances",
                list(object([
                    ("currency", of("Currency")),
                    ("available", count()),
                ])),
            )]),
        ),
        ("ProviderStatement", statement()),
        ("NewWebhook", new_webhook()),
        ("Webhook", webhook()),
        (
            "FreshWebhook",
            and(webhook(), "secret", said(text(), "Shown this once.")),
        ),
        (
            "Webhooks",
            object([("webhooks", list(of("Webhook"))), ("next", of("Next"))]),
        ),
        (
            "RotatedSecret",
            object([
                ("id", of("Id")),
                ("secret", text()),
                ("former_secret_until", of("Time")),
            ]),
        ),
        (
            "MessageId",
            text_like("^msg_[0-9a-f]{32}_(?:0|[1-9][0-9]{0,17})$"),
        ),
        ("DeadLetters", dead_letters()),
        ("Redelivery", redelivery()),
        ("Redelivered", object([("redelivered", count())])),
    ]
}

fn terms() -> Value {
    let step = || number(1, MAX_STEP_S.into());
    let devices = closed([
        ("count?", number(1, MAX_DEVICES as i64)),
        (
            "architectures?",
            with(
                list_of(1, 2, word(&["HOPPER", "BLACKWELL"])),
                "uniqueItems",
                json!(true),
            ),
        ),
        ("min_assurance?", of("Assurance")),
        (
            "simulated?",
            said(flag(), "Whether software devices are let in."),
        ),
    ]);
    let audit = closed([
        ("wrong_ppm", number(1, 1_000_000)),
        ("log2_miss", number(-100, -1)),
    ]);
    let replicas = closed([
        ("count", number(1, MAX_REPLICAS.into())),
        ("adaptive", flag()),
        (
            "min_agreeing?",
            said(
                number(1, MAX_REPLICAS.into()),
                "At most `count`, and 1 where `adaptive`. Where fewer agree, the job fails with `too_few_agree`: nothing is \
                 paid, and no receipt issued.",
            ),
        ),
    ]);
    let terms = closed([
        ("replicas", replicas),
        (
            "audit?",
            said(audit, "How strong the point audit of each output is."),
        ),
        ("devices?", devices),
        (
            "policy?",
            said(
                text_like("^[A-Za-z0-9._-]{1,64}$"),
                "The policy that decides, in the version that is newest or in force when evidence is first judged; without it, \
                 the one in force then.",
            ),
        ),
        (
            "price",
            said(of("Money"), "Paid for each replica that is accepted."),
        ),
        (
            "stake",
            said(
                of("Amount"),
                "Put down by each replica, in the currency of the price.",
            ),
        ),
        ("commit_within_s", step()),
        ("open_within_s", step()),
        ("dispute_window_s", step()),
        (
            "deadline_s",
            said(
                step(),
                "At least `commit_within_s` and the time of an offer.",
            ),
        ),
    ]);
    said(
        terms,
        "The terms: jobs/README.md says what each means. A value out of bounds has a code of its own.",
    )
}

fn job() -> Value {
    let assignment = object([
        ("id", of("Name")),
        ("provider", of("Name")),
        ("status", word(&ASSIGNMENT)),
        ("code?", of("Word")),
    ]);
    object([
        ("id", of("Name")),
        ("status", of("JobStatus")),
        ("code?", said(of("Word"), "Why it failed.")),
        ("digest", of("Sha256")),
        ("spec", of("JobSpec")),
        ("terms_sha256", of("Sha256")),
        ("terms", of("Terms")),
        (
            "advised_stake?",
            said(
                of("Amount"),
                "The stake from which cheating is a loss under these terms, as far as anybody can reckon.",
            ),
        ),
        ("created_at", of("Time")),
        (
            "settle_at?",
            said(of("Time"), "When its dispute window ends."),
        ),
        ("ended_at?", of("Time")),
        (
            "agreeing",
            said(
                count_32(),
                "How many replicas were accepted with the same results.",
            ),
        ),
        (
            "assignments",
            said(
                list(assignment),
                "Those that committed, once openings are asked for.",
            ),
        ),
    ])
}

fn jobs() -> Value {
    let listed = object([
        ("id", of("Name")),
        ("digest", of("Sha256")),
        ("status", of("JobStatus")),
        ("created_at", of("Time")),
    ]);
    object([("jobs", list(listed)), ("next", of("Next"))])
}

fn receipts() -> Value {
    let listed = object([
        ("id", of("Id")),
        ("job", of("Name")),
        ("assignment", of("Name")),
        ("issued_at", of("Time")),
        ("revoked_at?", of("Time")),
    ]);
    object([("receipts", list(listed)), ("next", of("Next"))])
}

fn job_receipts() -> Value {
    let receipt = object([
        ("id", of("Id")),
        ("assignment", of("Name")),
        ("receipt", of("Token")),
        ("issued_at", of("Time")),
        ("revoked_at?", of("Time")),
    ]);
    object([("receipts", list(receipt))])
}

fn event() -> Value {
    let event = object([
        ("at", of("Time")),
        ("kind", of("EventKind")),
        ("assignment?", of("Name")),
        ("provider?", of("Name")),
        ("code?", of("Word")),
    ]);
    said(event, "A line of a job's history.")
}

/// The fields of one event, since OpenAPI 3.1 has no schema for a stream of them.
fn event_line() -> Value {
    let data = json!({
        "type": "string", "contentMediaType": "application/json", "contentSchema": of("JobEvent"),
    });
    let line = object([
        ("id", said(text_like("^[0-9]+$"), "A number that grows.")),
        ("event", of("EventKind")),
        ("data", data),
    ]);
    said(line, "One server-sent event: the values of its fields.")
}

fn new_transfer() -> Value {
    closed([
        ("party", said(of("Id"), "Whose money it is.")),
        (
            "money",
            closed([
                ("amount", number(1, MAX_SAFE)),
                ("currency", of("Currency")),
            ]),
        ),
        (
            "reference",
            said(
                text_like("^[!-~]{1,128}$"),
                "The own name for it of whoever books it: what was booked under it is booked once.",
            ),
        ),
    ])
}

fn transfer() -> Value {
    object([
        ("kind", word(&["deposit", "withdrawal", "payout"])),
        ("party", of("Id")),
        ("money", of("Money")),
        ("reference", text()),
        ("at", of("Time")),
    ])
}

fn account() -> Value {
    let balance = object([
        ("currency", of("Currency")),
        ("available", signed()),
        ("in_escrow", signed()),
        ("at_stake", signed()),
    ]);
    object([("party", of("Id")), ("balances", list(balance))])
}

/// An amount that may be one that went away.
fn signed() -> Value {
    number(-MAX_SAFE, MAX_SAFE)
}

fn statement() -> Value {
    let balances = || list(object([("currency", of("Currency")), ("amount", signed())]));
    let entry = object([
        ("number", count()),
        ("at", of("Time")),
        ("kind", word(&TRANSFER)),
        ("job?", of("Name")),
        ("assignment?", of("Name")),
        ("reference?", text()),
        ("currency", of("Currency")),
        ("amount", signed()),
        ("balance", signed()),
    ]);
    object([
        ("party", of("Id")),
        ("from", of("Time")),
        ("to", of("Time")),
        ("opening", balances()),
        ("entries", list(entry)),
        ("closing", balances()),
    ])
}

fn new_webhook() -> Value {
    closed([
        (
            "url",
            said(
                short(1, 2048),
                "Where messages go: docs/webhooks.md says where they may.",
            ),
        ),
        (
            "kinds?",
            said(
                list_of(1, 64, of("EventKind")),
                "Of which kinds of events; without it, of all.",
            ),
        ),
    ])
}

fn webhook() -> Value {
    object([
        ("id", of("Id")),
        ("url", text()),
        ("kinds?", list(of("EventKind"))),
        ("created_at", of("Time")),
        (
            "disabled_at?",
            said(of("Time"), "Since when its receiver is gone."),
        ),
    ])
}

fn dead_letters() -> Value {
    let message = object([
        ("number", count()),
        ("job", of("Name")),
        ("kind", of("EventKind")),
        ("at", of("Time")),
        ("assignment?", of("Name")),
    ]);
    let letter = object([
        ("id", of("MessageId")),
        ("message", message),
        ("attempts", count_32()),
        ("failure", or_null(text())),
    ]);
    object([("dead_letters", list(letter)), ("next", of("Next"))])
}

fn redelivery() -> Value {
    closed([(
        "messages?",
        said(list_of(0, 100, of("MessageId")), "Which; without it, all."),
    )])
}
