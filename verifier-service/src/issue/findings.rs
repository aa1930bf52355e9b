//! Checks become methods: how each came out, on whose word, how strong it is (DESIGN section 1).

use evidence::appraise::{CORE_DEVICE_CHECKS, DeviceAppraisal, WorkAppraisal, WorkFinding};
use evidence::{Check, CheckId, Status};
use receipt::{Chain, Finding, InvalidValue, Log2Error, Method, PartsPerMillion, Source};

/// Every method the appraisal has something to say about.
pub(super) fn methods(appraisal: &WorkAppraisal) -> Result<Vec<Finding>, InvalidValue> {
    // What a software device says is said by whoever runs it.
    let hardware = if appraisal.is_simulated() {
        Source::ProviderAsserted
    } else {
        Source::Hardware
    };
    let devices = &appraisal.devices();
    let fwid = [CheckId::Fwid];
    let report = worst(devices, CORE_DEVICE_CHECKS.iter().chain(&fwid));
    let manifests = [CheckId::DriverRim, CheckId::VbiosRim, CheckId::Measurements];
    let mut methods = vec![
        Finding::new(Method::DeviceReport, report, hardware),
        Finding::new(
            Method::ReferenceMeasurements,
            worst(devices, &manifests),
            hardware,
        ),
        Finding::new(
            Method::Revocation,
            worst(devices, &[CheckId::Revocation]),
            hardware,
        ),
        Finding::new(
            Method::OutputCommitment,
            output_commitment(appraisal),
            hardware,
        ),
    ];
    for finding in appraisal.findings() {
        methods.push(of_work(finding)?);
    }
    Ok(methods)
}

fn of_work(finding: &WorkFinding) -> Result<Finding, InvalidValue> {
    let method: Method = finding.check.id.as_str().parse()?;
    Ok(Finding {
        method,
        status: status(finding.check.status),
        source: source(finding.source),
        log2_error: finding.log2_error.map(Log2Error::new).transpose()?,
        wrong_ppm: finding.wrong_ppm.map(PartsPerMillion::new).transpose()?,
        chain: finding.chain.map(chain).transpose()?,
        agreeing: None,
    })
}

fn chain(chain: evidence::appraise::Chain) -> Result<Chain, InvalidValue> {
    Chain::new(chain.steps, chain.points, chain.drawn)
}

fn output_commitment(appraisal: &WorkAppraisal) -> receipt::Status {
    let check = appraisal
        .checks()
        .iter()
        .find(|check| check.id == CheckId::OutputCommitment);
    check.map_or(receipt::Status::Unverifiable, |check| status(check.status))
}

/// The worst of these checks over all devices. A check that is not there could not be made. Where some were not
/// requested (a switch has no driver RIM) the others speak; where none was, nobody asked.
fn worst<'a>(
    devices: &[DeviceAppraisal],
    ids: impl IntoIterator<Item = &'a CheckId>,
) -> receipt::Status {
    let mut statuses = Vec::new();
    for id in ids {
        let of_devices = devices.iter().map(|device| device.check(*id));
        statuses.extend(of_devices.map(|check: Option<&Check>| check.map(|check| check.status)));
    }
    let has = |status: Option<Status>| statuses.contains(&status);
    if has(Some(Status::Refuted)) {
        receipt::Status::Refuted
    } else if has(Some(Status::Unverifiable)) || has(None) || statuses.is_empty() {
        receipt::Status::Unverifiable
    } else if has(Some(Status::Affirmed)) {
        receipt::Status::Affirmed
    } else {
        receipt::Status::NotRequested
    }
}

pub(super) const fn status(status: Status) -> receipt::Status {
    match status {
        Status::Affirmed => receipt::Status::Affirmed,
        Status::Refuted => receipt::Status::Refuted,
        Status::Unverifiable => receipt::Status::Unverifiable,
        Status::NotRequested => receipt::Status::NotRequested,
    }
}

const fn source(source: evidence::Source) -> Source {
    match source {
        evidence::Source::Hardware => Source::Hardware,
        evidence::Source::Recomputation => Source::Recomputation,
        evidence::Source::Replicas => Source::Replicas,
        evidence::Source::VerifierClock => Source::VerifierClock,
        evidence::Source::GuestAsserted => Source::GuestAsserted,
        evidence::Source::ProviderAsserted => Source::ProviderAsserted,
    }
}
