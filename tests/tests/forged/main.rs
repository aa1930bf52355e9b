//! Evidence that is wrong in exactly one way each time, and everything that comes of it.
//!
//! A case names the rows of nvidia-evidence 10 it stands for, says in a sentence what is wrong, makes that wrong and
//! nothing else, and lists every check that then differs from the good evidence, with its status and all its codes.
//! **Every check that is not listed must be as on good evidence**: affirmed, without a word. So a report that is
//! changed before it is signed keeps its signature affirmed, and a defect of one manifest never touches the other.
//! Where revocation is asked about, the same holds of every certificate: those not listed are good.

mod chain;
mod comparison;
mod good;
mod kit;
mod ocsp;
mod pass;
mod relying_party;
mod report;
mod rim;
mod switch;
mod system;

use evidence::appraise::{CORE_DEVICE_CHECKS, EvidenceAppraisal};
use evidence::policy::{Decision, Policy};
use tests::checks;
use tests::forge::Asked;

use kit::*;
use rim::of_both_roles;

/// The last row of nvidia-evidence 10 that is about evidence: input and report, device certificates, OCSP, RIMs,
/// comparison, modes, systems. Those after it are about tokens.
const LAST_ROW: u8 = 121;

/// Rows held by a test of its own here, and where.
const IN_TESTS_OF_THEIR_OWN: &[(u8, &str)] = &[
    (50, "forged/main.rs::the_time_of_appraisal_is_an_argument"),
    (55, "forged/system.rs::no_device_counts_twice"),
    (72, "forged/ocsp.rs::the_findings_tell_who_when_and_why"),
    (
        67,
        "forged/relying_party.rs::answers_that_do_not_repeat_it_do_not_match",
    ),
    (
        73,
        "forged/ocsp.rs::whether_anybody_asked_about_the_responder_is_recorded",
    ),
    (77, "forged/rim.rs::no_id_leaves_its_folder"),
    (
        110,
        "forged/system.rs::gpus_without_switches_run_in_one_mode",
    ),
    (
        109,
        "forged/comparison.rs::what_no_manifest_covers_is_recorded",
    ),
    (121, "forged/system.rs::no_device_leaves_traces_in_another"),
];

/// Rows no case stands for, and why.
const NOT_COVERED: &[(u8, &str)] = &[
    (
        32,
        "held by the type: the expected nonce is an array of 32 bytes",
    ),
    (
        34,
        "issuing and spending challenges needs state: the verifier service's",
    ),
    (
        75,
        "the answer of the RIM service is read by the verifier service",
    ),
    (
        76,
        "the answer of the RIM service is read by the verifier service",
    ),
];

/// Every table of cases, under the test that runs it, as `docs/checks.md` names that.
#[rustfmt::skip]
fn tables() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("forged/good.rs::what_is_odd_but_allowed_changes_nothing", good::tolerated()),
        ("forged/report.rs::reports_of_another_form_are_refused", report::sizes()),
        ("forged/report.rs::reports_of_another_form_are_refused", report::report_messages()),
        ("forged/report.rs::reports_of_another_form_are_refused", report::measurement_record()),
        ("forged/report.rs::reports_of_another_form_are_refused", report::opaque_data()),
        ("forged/report.rs::reports_for_another_nonce_are_refused", report::nonce()),
        ("forged/report.rs::reports_signed_otherwise_are_refused", report::report_signature()),
        ("forged/report.rs::modes_unknown_or_in_two_voices_are_refused", report::modes()),
        ("forged/chain.rs::other_device_chains_are_refused", chain::chain_text()),
        ("forged/chain.rs::other_device_chains_are_refused", chain::chain_roots()),
        ("forged/chain.rs::other_device_chains_are_refused", chain::chain_links()),
        ("forged/chain.rs::other_device_chains_are_refused", chain::chain_rights()),
        ("forged/chain.rs::other_device_chains_are_refused", chain::chain_algorithms()),
        ("forged/chain.rs::other_device_chains_are_refused", chain::chain_times()),
        ("forged/chain.rs::other_devices_are_refused", chain::firmware_ids()),
        ("forged/chain.rs::other_devices_are_refused", chain::identities()),
        ("forged/rim.rs::manifests_of_another_form_are_refused", of_both_roles(rim::rim_form)),
        ("forged/rim.rs::manifests_of_another_form_are_refused", of_both_roles(rim::rim_resources)),
        ("forged/rim.rs::manifests_of_another_form_are_refused", of_both_roles(rim::rim_signature)),
        ("forged/rim.rs::manifests_of_other_signers_are_refused", of_both_roles(rim::rim_chain)),
        ("forged/rim.rs::manifests_of_other_devices_are_refused", of_both_roles(rim::rim_fit)),
        ("forged/rim.rs::manifests_of_other_devices_are_refused", rim::rim_pairs()),
        ("forged/comparison.rs::other_measurements_are_refused", comparison::comparison()),
        ("forged/comparison.rs::other_measurements_are_refused", comparison::video_decoder()),
        ("forged/switch.rs::other_switches_are_refused", switch::switches()),
        ("forged/ocsp.rs::every_certificate_is_asked_about", ocsp::missing()),
        ("forged/ocsp.rs::every_certificate_is_asked_about", ocsp::other_numbers_of_certificates()),
        ("forged/ocsp.rs::answers_of_another_form_tell_nothing", ocsp::form()),
        ("forged/ocsp.rs::answers_about_other_certificates_tell_nothing", ocsp::identities()),
        ("forged/ocsp.rs::answers_signed_otherwise_tell_nothing", ocsp::signatures()),
        ("forged/ocsp.rs::answers_of_other_responders_tell_nothing", ocsp::responders()),
        ("forged/ocsp.rs::answers_of_another_time_tell_nothing", ocsp::times()),
        ("forged/ocsp.rs::answers_to_other_questions_tell_nothing", ocsp::nonces()),
        ("forged/ocsp.rs::what_is_not_good_is_refused", ocsp::statuses()),
        ("forged/ocsp.rs::what_is_odd_but_allowed_is_good", ocsp::tolerated()),
    ]
}

fn all_cases() -> Vec<Case> {
    tables().into_iter().flat_map(|(_, cases)| cases).collect()
}

#[test]
fn every_row_is_stood_for() {
    let cases = all_cases();
    let mut stood_for: BTreeSet<u8> = cases.iter().flat_map(|case| case.rows).copied().collect();
    stood_for.extend(system::rows());
    stood_for.extend(IN_TESTS_OF_THEIR_OWN.iter().map(|(row, _)| *row));
    let excused: BTreeSet<u8> = NOT_COVERED.iter().map(|(row, _)| *row).collect();
    let missing: Vec<u8> = checks::must()
        .take_while(|row| *row <= LAST_ROW)
        .filter(|row| !stood_for.contains(row) && !excused.contains(row))
        .collect();
    assert_eq!(missing, [0; 0], "rows without a case or an excuse");
    let both: Vec<_> = stood_for.intersection(&excused).collect();
    assert!(both.is_empty(), "excused and yet covered: {both:?}");
    let names: BTreeSet<_> = cases.iter().map(Case::name).collect();
    assert_eq!(names.len(), cases.len(), "two cases of one name");
}

/// `docs/checks.md` names a test here for a row where, and only where, the test has a case for that row.
#[test]
fn the_table_of_checks_names_the_cases() {
    let mut held: BTreeSet<(u8, String)> = BTreeSet::new();
    for (name, cases) in tables() {
        let rows = cases.iter().flat_map(|case| case.rows);
        held.extend(rows.map(|row| (*row, name.to_owned())));
    }
    held.extend(
        system::rows()
            .into_iter()
            .map(|row| (row, system::TEST.to_owned())),
    );
    held.extend(
        IN_TESTS_OF_THEIR_OWN
            .iter()
            .map(|(row, test)| (*row, (*test).to_owned())),
    );
    let claimed = checks::rows().into_iter().flat_map(|row| {
        let forged = row
            .tests
            .into_iter()
            .filter(|test| test.starts_with("forged/"));
        forged
            .map(move |test| (row.number, test))
            .collect::<Vec<_>>()
    });
    let claimed: BTreeSet<(u8, String)> = claimed.collect();
    let without_case: Vec<_> = claimed.difference(&held).collect();
    assert!(
        without_case.is_empty(),
        "claimed without a case: {without_case:?}"
    );
    let named: BTreeSet<u8> = claimed.iter().map(|(row, _)| *row).collect();
    let unnamed: BTreeSet<u8> = held
        .iter()
        .map(|(row, _)| *row)
        .filter(|it| !named.contains(it))
        .collect();
    assert!(
        unnamed.is_empty(),
        "cases the table does not name: {unnamed:?}"
    );
}

/// Asking changes nothing but the answer to what was asked: no check leans on the check of revocation.
#[test]
fn good_answers_change_nothing_else() {
    let mut asked = 0;
    for case in all_cases()
        .into_iter()
        .filter(|case| case.forged.asked.is_none())
    {
        let silent = findings(&appraise(&case.forged));
        let with_answers = case
            .forged
            .clone()
            .with(|it| it.asked = Some(Asked::default()));
        let mut found = findings(&appraise(&with_answers));
        let (status, _) = found[&CheckId::Revocation];
        assert_ne!(status, Refuted, "{}", case.name());
        found.insert(CheckId::Revocation, silent[&CheckId::Revocation].clone());
        assert_eq!(found, silent, "{}", case.name());
        asked += 1;
    }
    assert!(asked > 400, "{asked}");
}

/// Row 50: the same bytes are right at one time and wrong at two others; nothing but the argument says which.
#[test]
fn the_time_of_appraisal_is_an_argument() {
    let mut it = Forged::gpu().with(|it| {
        it.chain.certificate(0).not_before = at(second(-10));
        it.chain.certificate(0).not_after = at(second(10));
        it.driver().chain.certificate(0).not_after = at(second(5));
    });
    for (seconds, chain, driver) in [
        (-11, Refuted, Affirmed),
        (0, Affirmed, Affirmed),
        (6, Affirmed, Refuted),
        (11, Refuted, Refuted),
    ] {
        it.as_of = second(seconds);
        let found = appraise(&it);
        let status = |id| found.check(id).expect("a check").status;
        assert_eq!(
            (status(Chain), status(DriverRim)),
            (chain, driver),
            "{seconds}"
        );
    }
}

/// A missing manifest is never a pass, and never a reason to refuse what is genuine.
#[test]
fn what_is_missing_is_incomplete() {
    for case in of_both_roles(rim::rim_fit).iter().chain(&rim::rim_pairs()) {
        let missing = case.forged.driver.is_none() || case.forged.vbios.is_none();
        if missing {
            let found = appraise(&case.forged).overall();
            assert_eq!(found, Overall::Incomplete, "{}", case.name());
        }
    }
}

/// A policy that denies nothing still cannot grant what has no core: and it grants whatever else it is told to.
#[test]
fn no_policy_waives_the_core() {
    let policy =
        "package pogw\nimport rego.v1\ndeny contains denial if {\n  false\n  denial := {}\n}\n";
    let policy = Policy::compile("denies-nothing", policy).expect("a policy");
    let mut granted = 0;
    for case in all_cases() {
        let device = appraise(&case.forged);
        let core = CORE_DEVICE_CHECKS.iter().filter(|id| !device.affirms(**id));
        let core: Vec<String> = core.map(ToString::to_string).collect();
        let appraisal = EvidenceAppraisal::new(vec![device], forge::AS_OF);
        match policy.decide(appraisal).expect("a decision") {
            Decision::Granted(_) => {
                granted += 1;
                assert_eq!(core, [""; 0], "{} was granted", case.name());
            }
            Decision::Refused(refusal) => {
                let floor = CoreCheckNotAffirmed.as_str();
                assert!(refusal.deny.iter().all(|denial| denial.code == floor));
                let named = |id: &String| {
                    let subject = format!("device 0: {id} is ");
                    refusal
                        .deny
                        .iter()
                        .any(|denial| denial.message.starts_with(&subject))
                };
                assert!(
                    core.iter().all(named),
                    "{}: {:?}",
                    case.name(),
                    refusal.deny
                );
                assert_eq!(refusal.deny.len(), core.len(), "{}", case.name());
                assert!(!core.is_empty());
            }
        }
    }
    assert!(granted > 0);
    let without_rims = Forged::gpu().with(|it| {
        it.driver = None;
        it.vbios = None;
    });
    let device = appraise(&without_rims);
    assert_eq!(device.overall(), Overall::Incomplete);
    let decision = policy.decide(EvidenceAppraisal::new(vec![device], forge::AS_OF));
    assert!(matches!(decision, Ok(Decision::Granted(_))));
    let nothing = EvidenceAppraisal::new(Vec::new(), forge::AS_OF);
    assert!(matches!(policy.decide(nothing), Ok(Decision::Refused(_))));
}
