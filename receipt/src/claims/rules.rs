//! What claims may not say at once. One rule, one fn, one error; [`check`] is the list.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Appraisal, ClaimsError, ClaimsParts, Device, DeviceKind, Finding, Method, ResultCheck, Source,
    Status, Tier, TrustVector, assurance, revocation,
};
use crate::limits::{
    MAX_COLLATERAL, MAX_DEVICES, MAX_INCLUSION_PATH, MAX_METHODS, MAX_OUTPUTS, MAX_REVOCATION,
};
use crate::value::{Text, excerpt};

/// Every rule, cheapest first; the order of the codes in [`ClaimsError`].
pub(super) fn check(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    expires_after_issue(claims)?;
    counts_are_bounded(claims)?;
    devices_and_submods_match(claims)?;
    for device in &claims.pogw.devices {
        let appraisal = claims.submods.get(&device.submod);
        let appraisal = appraisal.ok_or_else(|| submod_missing(device))?;
        appraisal_fits_device(appraisal, device)?;
    }
    overall_status_is_bounded(claims)?;
    outputs_are_distinct(claims)?;
    methods_are_distinct(claims)?;
    for finding in &claims.pogw.methods {
        source_can_carry(finding)?;
        hardware_is_not_simulated(finding, claims)?;
        strength_has_meaning(finding)?;
        share_belongs_to_audit(finding)?;
        chain_belongs_to_share(finding)?;
        count_belongs_to_replicas(finding)?;
    }
    revocation::agrees_with_its_method(claims)?;
    committed_outputs_exist(claims)?;
    one_thing_ran(claims)?;
    asserted_by_the_host(claims)?;
    timings_run_forward(claims)?;
    batch_holds_index(claims)?;
    results_are_affirmed(claims)?;
    level_is_supported(claims)
}

fn expires_after_issue(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    match claims.exp {
        Some(exp) if exp <= claims.iat.max(claims.nbf) => Err(ClaimsError::ExpiryNotAfterIssue {
            iat: claims.iat.secs(),
            nbf: claims.nbf.secs(),
            exp: exp.secs(),
        }),
        _ => Ok(()),
    }
}

fn counts_are_bounded(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    let work = &claims.pogw;
    let path = work.batch.as_ref().map_or(0, |batch| batch.path.len());
    let counts = [
        ("devices", MAX_DEVICES, work.devices.len()),
        ("outputs", MAX_OUTPUTS, work.outputs.len()),
        ("methods", MAX_METHODS, work.methods.len()),
        ("collateral", MAX_COLLATERAL, work.collateral.len()),
        ("revocation", MAX_REVOCATION, work.revocation.len()),
        ("batch path", MAX_INCLUSION_PATH, path),
    ];
    match counts.into_iter().find(|(_, limit, actual)| actual > limit) {
        Some((what, limit, actual)) => Err(ClaimsError::TooMany {
            what,
            limit,
            actual,
        }),
        None => Ok(()),
    }
}

/// Devices and submodules are the same things under the same names, so that neither list can hide one.
fn devices_and_submods_match(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    let devices = &claims.pogw.devices;
    if devices.is_empty() {
        return Err(ClaimsError::DevicesMissing);
    }
    let mut ids = BTreeSet::new();
    let mut submods = BTreeSet::new();
    for device in devices {
        let new_id = ids.insert(&device.id);
        let new_submod = submods.insert(&device.submod);
        if !(new_id && new_submod) {
            return Err(ClaimsError::DeviceDuplicate {
                id: device.id.clone(),
                submod: device.submod.clone(),
            });
        }
        if !claims.submods.contains_key(&device.submod) {
            return Err(submod_missing(device));
        }
    }
    match claims.submods.keys().find(|name| !submods.contains(name)) {
        Some(submod) => Err(ClaimsError::SubmodWithoutDevice {
            submod: submod.clone(),
        }),
        None => Ok(()),
    }
}

fn submod_missing(device: &Device) -> ClaimsError {
    ClaimsError::DeviceSubmodMissing {
        id: device.id.clone(),
        submod: device.submod.clone(),
    }
}

fn appraisal_fits_device(appraisal: &Appraisal, device: &Device) -> Result<(), ClaimsError> {
    names_a_policy(appraisal, &device.submod)?;
    simulated_is_not_affirmed(appraisal, device)?;
    simulated_is_not_named_genuine(appraisal, device)?;
    executables_are_not_overstated(appraisal, device)?;
    measurements_agree(appraisal, &device.submod)?;
    status_is_bounded(appraisal, &device.submod)
}

/// draft-ietf-rats-ear-04 section 3.1: the list must not be empty.
fn names_a_policy(appraisal: &Appraisal, submod: &Text) -> Result<(), ClaimsError> {
    if appraisal.ear_appraisal_policy_ids.is_empty() {
        let submod = submod.clone();
        return Err(ClaimsError::PolicyIdsMissing { submod });
    }
    Ok(())
}

/// Whoever reads the EAR claims alone must not take software for a device.
fn simulated_is_not_affirmed(appraisal: &Appraisal, device: &Device) -> Result<(), ClaimsError> {
    let hardware = Tier::of(appraisal.ear_trustworthiness_vector.hardware);
    let affirmed = [appraisal.ear_status, hardware].contains(&Tier::Affirming);
    if device.simulated && affirmed {
        let submod = device.submod.clone();
        return Err(ClaimsError::SimulatedDeviceAffirmed { submod });
    }
    Ok(())
}

/// Whoever reads NVIDIA's names alone must not take software for a device: of one that is simulated nothing is said
/// under them but a model that tells what it is.
fn simulated_is_not_named_genuine(
    appraisal: &Appraisal,
    device: &Device,
) -> Result<(), ClaimsError> {
    const WORD: &str = "SIMULATED";
    let tells = |value: &Value| {
        let mut words = value.as_str().unwrap_or("").split_whitespace();
        words.any(|word| word == WORD)
    };
    let mut claims = appraisal.vendor.iter();
    match claims.find(|(name, value)| *name != "hwmodel" || !tells(value)) {
        Some((claim, _)) if device.simulated => Err(ClaimsError::SimulatedVendorClaim {
            submod: device.submod.clone(),
            claim: excerpt(claim),
        }),
        _ => Ok(()),
    }
}

/// A device report is taken at boot; AR4SI's 2 would cover what runs after it.
fn executables_are_not_overstated(
    appraisal: &Appraisal,
    device: &Device,
) -> Result<(), ClaimsError> {
    const AT_AND_AFTER_BOOT: i8 = 2;
    let executables = appraisal.ear_trustworthiness_vector.executables;
    if device.kind != DeviceKind::CpuTee && executables == AT_AND_AFTER_BOOT {
        let submod = device.submod.clone();
        return Err(ClaimsError::ExecutablesOverstated { submod });
    }
    Ok(())
}

fn measurements_agree(appraisal: &Appraisal, submod: &Text) -> Result<(), ClaimsError> {
    let TrustVector { executables, .. } = appraisal.ear_trustworthiness_vector;
    let failed = appraisal.vendor.measurements_match() == Some(false);
    if failed && Tier::of(executables) == Tier::Affirming {
        let submod = submod.clone();
        return Err(ClaimsError::MeasurementContradiction { submod });
    }
    Ok(())
}

/// draft-ietf-rats-ear-04 section 3.1: no higher trust than the worst claim of the vector.
fn status_is_bounded(appraisal: &Appraisal, submod: &Text) -> Result<(), ClaimsError> {
    let bound = appraisal.ear_trustworthiness_vector.bound();
    is_no_better(appraisal.ear_status, bound, submod.as_str())
}

/// draft-ietf-rats-ear-04 section 3: no higher trust than the worst submodule.
fn overall_status_is_bounded(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    let statuses = claims
        .submods
        .values()
        .map(|appraisal| appraisal.ear_status);
    let bound = statuses.min().unwrap_or(Tier::None);
    is_no_better(claims.ear_status, bound, "the receipt")
}

fn is_no_better(actual: Tier, bound: Tier, place: &str) -> Result<(), ClaimsError> {
    if actual > bound {
        let place = place.to_owned();
        return Err(ClaimsError::StatusTooGood {
            place,
            bound,
            actual,
        });
    }
    Ok(())
}

fn outputs_are_distinct(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    let mut names = BTreeSet::new();
    let outputs = &claims.pogw.outputs;
    match outputs.iter().find(|output| !names.insert(&output.name)) {
        Some(output) => Err(ClaimsError::OutputDuplicate {
            name: output.name.clone(),
        }),
        None => Ok(()),
    }
}

/// One finding per method: two could disagree, and a reader would take the one it found first.
fn methods_are_distinct(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    let mut methods = BTreeSet::new();
    let findings = &claims.pogw.methods;
    match findings
        .iter()
        .find(|finding| !methods.insert(&finding.method))
    {
        Some(finding) => Err(ClaimsError::MethodDuplicate {
            method: finding.method.clone(),
        }),
        None => Ok(()),
    }
}

fn source_can_carry(finding: &Finding) -> Result<(), ClaimsError> {
    if finding.method.sources().contains(&finding.source) {
        return Ok(());
    }
    Err(ClaimsError::MethodSource {
        method: finding.method.clone(),
        actual: finding.source,
    })
}

fn hardware_is_not_simulated(finding: &Finding, claims: &ClaimsParts) -> Result<(), ClaimsError> {
    let is_subject = |device: &&Device| match finding.method {
        Method::GuestQuote => device.kind == DeviceKind::CpuTee,
        _ => device.kind != DeviceKind::CpuTee,
    };
    let mut subjects = claims.pogw.devices.iter().filter(is_subject);
    match subjects.find(|device| device.simulated) {
        Some(device) if finding.is_affirmed_by(Source::Hardware) => {
            Err(ClaimsError::SimulatedHardware {
                method: finding.method.clone(),
                device: device.id.clone(),
            })
        }
        _ => Ok(()),
    }
}

fn strength_has_meaning(finding: &Finding) -> Result<(), ClaimsError> {
    if finding.log2_error.is_none() || finding.is_affirmed_by(Source::Recomputation) {
        return Ok(());
    }
    Err(ClaimsError::StrengthNotAllowed {
        method: finding.method.clone(),
        status: finding.status,
    })
}

/// A sample of points says nothing about a single wrong one: its strength holds from a share on, and states it.
fn share_belongs_to_audit(finding: &Finding) -> Result<(), ClaimsError> {
    let wanted = finding.method == Method::Audit && finding.log2_error.is_some();
    if finding.wrong_ppm.is_some() == wanted {
        return Ok(());
    }
    Err(ClaimsError::WrongShare {
        method: finding.method.clone(),
    })
}

/// A chain says what the share of a sample leaves open, and nothing beside any other strength.
fn chain_belongs_to_share(finding: &Finding) -> Result<(), ClaimsError> {
    if finding.chain.is_none() || finding.wrong_ppm.is_some() {
        return Ok(());
    }
    Err(ClaimsError::ChainWithoutShare {
        method: finding.method.clone(),
    })
}

/// Two that agree are worth less than eight: whoever reads `replicas` reads how many.
fn count_belongs_to_replicas(finding: &Finding) -> Result<(), ClaimsError> {
    let wanted = finding.method == Method::Replicas && finding.status == Status::Affirmed;
    if finding.agreeing.is_some() == wanted {
        return Ok(());
    }
    Err(ClaimsError::AgreeingCount {
        method: finding.method.clone(),
    })
}

fn committed_outputs_exist(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    let commitment = claims.pogw.finding(&Method::OutputCommitment);
    let affirmed = commitment.is_some_and(|finding| finding.status == Status::Affirmed);
    if affirmed && claims.pogw.outputs.is_empty() {
        return Err(ClaimsError::OutputsMissing);
    }
    Ok(())
}

fn one_thing_ran(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    if claims.pogw.kernel.is_some() && claims.pogw.program.is_some() {
        return Err(ClaimsError::ProgramBesideKernel);
    }
    Ok(())
}

/// A statement of the host stays one: no stronger word can be put under it.
fn asserted_by_the_host(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    let work = &claims.pogw;
    let program = work.program.as_ref().map(|program| program.source);
    let executor = work.executor.as_ref().map(|executor| executor.source);
    let module = work.module_digest.map(|module| module.source);
    let sources = [
        ("program", program),
        ("executor", executor),
        ("module_digest", module),
    ];
    for (claim, source) in sources {
        match source {
            Some(actual) if !is_of_the_host(actual) => {
                return Err(ClaimsError::AssertedSource { claim, actual });
            }
            _ => {}
        }
    }
    Ok(())
}

const fn is_of_the_host(source: Source) -> bool {
    matches!(source, Source::ProviderAsserted | Source::GuestAsserted)
}

fn timings_run_forward(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    let Some(timings) = &claims.pogw.timings else {
        return Ok(());
    };
    if is_of_the_host(timings.source) && timings.started_unix_ms <= timings.finished_unix_ms {
        return Ok(());
    }
    Err(ClaimsError::TimingsInvalid {
        started_unix_ms: timings.started_unix_ms,
        finished_unix_ms: timings.finished_unix_ms,
        source_word: timings.source,
    })
}

fn batch_holds_index(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    match &claims.pogw.batch {
        Some(batch) if batch.index >= batch.size => Err(ClaimsError::BatchIndex {
            index: batch.index,
            size: batch.size,
        }),
        _ => Ok(()),
    }
}

/// `assurance.results` names affirmed checks only, and none while another says that the output is wrong.
fn results_are_affirmed(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    let claimed = &claims.pogw.assurance.results;
    let affirmed = assurance::affirmed_results(claims);
    if let Some(check) = claimed.difference(&affirmed).next() {
        let method = check.method();
        return Err(ClaimsError::ResultNotAffirmed { method });
    }
    let is_refuted = |check: &&ResultCheck| {
        let finding = claims.pogw.finding(&check.method());
        finding.is_some_and(|finding| finding.status == Status::Refuted)
    };
    match ResultCheck::ALL.iter().find(is_refuted) {
        Some(check) if !claimed.is_empty() => Err(ClaimsError::ResultContradicted {
            method: check.method(),
        }),
        _ => Ok(()),
    }
}

fn level_is_supported(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    let claimed = claims.pogw.assurance.level;
    match assurance::supported(claims) {
        (supported, Some(shortfall)) if claimed > supported => Err(ClaimsError::LevelUnsupported {
            supported,
            claimed,
            shortfall,
        }),
        _ => Ok(()),
    }
}
