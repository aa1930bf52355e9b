//! GPUs and switches together: the devices of an HGX system, one of them wrong.

use evidence::appraise::EvidenceAppraisal;
use evidence::policy::Policy;
use tests::forge::{GPUS, SWITCHES, another_gpu, another_switch, system};

use crate::kit::*;

/// The test that runs the table, as `docs/checks.md` names it.
pub(crate) const TEST: &str = "forged/system.rs::systems_with_something_wrong_are_refused";

/// First of the switches.
const FIRST_SWITCH: usize = GPUS;

/// A system with one defect, and everything that comes of it.
struct SystemCase {
    rows: &'static [u8],
    wrong: &'static str,
    devices: Vec<Forged>,
    /// Affirmed without a word, if not listed.
    together: BTreeMap<CheckId, Finding>,
    /// As on good devices, if not listed.
    alone: BTreeMap<(usize, CheckId), Finding>,
}

fn with(
    rows: &'static [u8],
    wrong: &'static str,
    change: impl FnOnce(&mut Vec<Forged>),
) -> SystemCase {
    let mut devices = system();
    change(&mut devices);
    SystemCase {
        rows,
        wrong,
        devices,
        together: BTreeMap::new(),
        alone: BTreeMap::new(),
    }
}

impl SystemCase {
    fn together(mut self, id: CheckId, status: Status, code: Code) -> Self {
        self.together.insert(id, (status, BTreeSet::from([code])));
        self
    }

    fn alone(mut self, position: usize, id: CheckId, status: Status, code: Code) -> Self {
        let finding = (status, BTreeSet::from([code]));
        self.alone.insert((position, id), finding);
        self
    }

    /// GPUs and switches do not name each other.
    fn another_graph(self) -> Self {
        self.together(CheckId::Topology, Refuted, TopologyMismatch)
    }

    fn check(&self, good: &[BTreeMap<CheckId, Finding>; 2]) {
        let devices: Vec<_> = self.devices.iter().map(appraise).collect();
        let mut expected: Vec<Finding> = Vec::new();
        for (position, (forged, found)) in self.devices.iter().zip(&devices).enumerate() {
            let is_switch = forged.report.blocks.len() == 31;
            let mut differs = good[usize::from(is_switch)].clone();
            let own = self.alone.iter().filter(|((at, _), _)| *at == position);
            differs.extend(own.map(|((_, id), finding)| (*id, finding.clone())));
            assert_eq!(
                findings(found),
                differs,
                "{}: device {position}",
                self.wrong
            );
            expected.extend(differs.into_values());
        }
        let appraisal = EvidenceAppraisal::new(devices, forge::AS_OF);
        for check in appraisal.checks() {
            let codes: BTreeSet<_> = check.reasons.iter().map(|reason| reason.code).collect();
            let good = (Affirmed, BTreeSet::new());
            let finding = self.together.get(&check.id).unwrap_or(&good);
            let found = (check.status, codes);
            assert_eq!(
                found, *finding,
                "{}: {} {:#?}",
                self.wrong, check.id, check.reasons
            );
            expected.push(finding.clone());
        }
        let overall = overall(expected.iter());
        assert_eq!(appraisal.overall(), overall, "{}", self.wrong);
    }
}

/// Rows that a case stands for.
pub(crate) fn rows() -> BTreeSet<u8> {
    cases().iter().flat_map(|case| case.rows).copied().collect()
}

#[test]
fn systems_with_something_wrong_are_refused() {
    let good = [Forged::gpu(), Forged::switch()].map(|it| findings(&appraise(&it)));
    let cases = cases();
    cases.iter().for_each(|case| case.check(&good));
    assert_eq!(cases[0].devices.len(), GPUS + SWITCHES);
    assert!(cases[0].together.is_empty() && cases[0].alone.is_empty());
}

#[rustfmt::skip]
fn cases() -> Vec<SystemCase> {
    vec![
        with(&[114, 115, 116, 117], "nothing", |_| ()),
        with(&[114], "links of a GPU in another order, unused ones between", |it| links(&mut it[2]).rotate_left(8 * 3)),
        with(&[118], "devices in another order", |it| it.reverse()),
        with(&[113], "seven GPUs, which is a policy's question", |it| {
            it.remove(7);
            for switch in &mut it[7..] {
                named_gpus(switch)[56..64].fill(0);
            }
        }),
        with(&[113], "three switches, which is a policy's question", |it| {
            let gone = own_pdi(&it.remove(11));
            it[..GPUS].iter_mut().for_each(|gpu| unlink(gpu, gone));
        }),
        with(&[114], "GPU that names one switch fewer", |it| {
            let gone = own_pdi(&it[9]);
            unlink(&mut it[3], gone);
        })
        .another_graph(),
        with(&[114], "GPU that names no switch", |it| links(&mut it[0]).fill(0)).another_graph(),
        with(&[114], "GPU that names a switch of another system", |it| {
            let mut stranger = own_pdi(&another_switch());
            stranger.reverse();
            links(&mut it[7])[..8].copy_from_slice(&stranger);
        })
        .another_graph(),
        with(&[114], "GPU whose switches are not reversed", |it| {
            links(&mut it[4]).chunks_mut(8).for_each(<[u8]>::reverse);
        })
        .another_graph(),
        with(&[115], "switch left out", |it| drop(it.remove(10))).another_graph(),
        with(&[115], "switch too many, of another system", |it| it.push(another_switch())).another_graph(),
        with(&[115], "switch swapped for one of another system", |it| it[8] = another_switch()).another_graph(),
        with(&[115], "switch that every GPU names and that is not there", |it| {
            let stranger = own_pdi(&another_switch());
            for gpu in &mut it[..GPUS] {
                let unused = links(gpu).len() - 8;
                let mut stored = stranger;
                stored.reverse();
                links(gpu)[unused..].copy_from_slice(&stored);
            }
        })
        .another_graph(),
        with(&[116], "switch that names a GPU of another system", |it| {
            let stranger = certified_pdi(&another_gpu());
            named_gpus(&mut it[9])[..8].copy_from_slice(&stranger);
        })
        .another_graph(),
        with(&[116], "switch that names seven GPUs", |it| named_gpus(&mut it[11])[..8].fill(0)).another_graph(),
        with(&[116], "switch whose GPUs are reversed", |it| {
            named_gpus(&mut it[8])[..64].chunks_mut(8).for_each(<[u8]>::reverse);
        })
        .another_graph(),
        with(&[117], "GPU swapped for a genuine one of another system", |it| it[5] = another_gpu()).another_graph(),
        with(&[117], "GPU left out", |it| drop(it.remove(0))).another_graph(),
        with(&[117], "GPU too many, of another system", |it| it.insert(0, another_gpu())).another_graph(),
        with(&[117], "GPU whose identity cannot be read from its certificate", |it| {
            it[1].chain.certificate(1).serial[0] = 0x42;
        })
        .together(CheckId::Topology, Unverifiable, PdiUndeterminable),
        with(&[117], "GPU whose serial number is too short for an identity", |it| {
            it[1].chain.certificate(1).serial.truncate(8);
        })
        .together(CheckId::Topology, Unverifiable, PdiUndeterminable),
        with(&[54, 117], "switch whose identity cannot be read from its certificate", |it| {
            it[FIRST_SWITCH].chain.certificate(1).serial[0] = 0x42;
        })
        .together(CheckId::Topology, Unverifiable, PdiUndeterminable),
        with(&[118], "one device with another nonce", |it| it[4].report.nonce[31] ^= 1)
            .alone(4, Nonce, Refuted, NonceMismatch),
        with(&[118], "one switch with another nonce", |it| it[11].report.nonce = [9; 32])
            .alone(11, Nonce, Refuted, NonceMismatch),
        with(&[110], "one GPU in another mode", |it| mode(&mut it[2], 1, 0x55))
            .together(CheckId::Topology, Refuted, FeatureFlagMismatch),
        with(&[110], "all GPUs in another mode, which is a policy's question", |it| {
            it[..GPUS].iter_mut().for_each(|gpu| mode(gpu, 1, 0x55));
        }),
        with(&[110], "one GPU that states no mode", |it| {
            for id in [21, 36] {
                without_field(&mut it[2], id);
            }
        })
        .differs(2, CheckId::Mode, Status::NotRequested),
        with(&[111], "one GPU that speaks of its mode in two voices", |it| mode(&mut it[6], 2, 0x55))
            .alone(6, CheckId::Mode, Refuted, FeatureFlagMismatch),
        with(&[120], "switch with locks and disabled ports, which nobody judges", |it| {
            for (id, value) in [(23, [0xff, 0xff]), (24, [9, 9]), (25, [0, 0])] {
                it[9].report.opaque.push(Tlv::new(id, value));
            }
        }),
        with(&[55], "GPU twice", |it| {
            let again = it[0].clone();
            it.insert(1, again);
        })
        .together(CheckId::Devices, Refuted, DeviceRepeated),
        with(&[55], "GPU in the place of another", |it| it[1] = it[0].clone())
            .together(CheckId::Devices, Refuted, DeviceRepeated)
            .another_graph(),
        with(&[55], "GPU once more with another leaf", |it| {
            let mut again = it[3].clone();
            again.chain.certificate(0).key = stranger_key();
            again.chain.certificate(0).serial[1] ^= 1;
            it.push(again);
        })
        .together(CheckId::Devices, Refuted, DeviceRepeated),
        with(&[55], "switch twice", |it| it.push(it[8].clone())).together(CheckId::Devices, Refuted, DeviceRepeated),
        with(&[54], "switch that reports the identity of its neighbour", |it| {
            let other = own_pdi(&it[9]);
            field(&mut it[8], 22, &other);
        })
        .alone(8, Identity, Refuted, PdiMismatch),
    ]
}

impl SystemCase {
    fn differs(mut self, position: usize, id: CheckId, status: Status) -> Self {
        self.alone.insert((position, id), (status, BTreeSet::new()));
        self
    }
}

/// Nothing that every switch has is held against one: a switch and a whole system are denied for being software alone.
#[test]
fn the_strict_policy_takes_switches_as_they_are() {
    let text = include_str!("../../../policies/strict.rego");
    let policy = Policy::compile("strict", text).expect("a policy");
    for devices in [vec![Forged::switch()], system()] {
        let devices = devices
            .into_iter()
            .map(|it| appraise(&it.with(Forged::ask)));
        let appraisal = EvidenceAppraisal::new(devices.collect(), forge::AS_OF);
        let denials = policy.objections(&appraisal).expect("an answer");
        let codes: BTreeSet<_> = denials.into_iter().map(|denial| denial.code).collect();
        assert_eq!(codes, BTreeSet::from(["device_simulated".to_owned()]));
    }
}

/// Row 110 where there are no switches, as on a Blackwell board: no graph, and the modes are compared all the same.
#[test]
fn gpus_without_switches_run_in_one_mode() {
    let gpus = || system().into_iter().take(GPUS).collect::<Vec<_>>();
    let topology = |devices: &[Forged]| {
        let devices = devices.iter().map(appraise).collect();
        let appraisal = EvidenceAppraisal::new(devices, forge::AS_OF);
        let mut checks = appraisal.checks().iter();
        let check = checks.find(|check| check.id == CheckId::Topology);
        let check = check.expect("a check");
        let codes: Vec<_> = check.reasons.iter().map(|reason| reason.code).collect();
        (check.status, codes)
    };
    let nothing_to_judge = (Status::NotRequested, Vec::new());
    assert_eq!(topology(&gpus()), nothing_to_judge);
    assert_eq!(topology(&gpus()[..1]), nothing_to_judge);
    let mut other = gpus();
    mode(&mut other[5], 1, 0x55);
    let refuted = (Refuted, vec![FeatureFlagMismatch]);
    assert_eq!(topology(&other), refuted);
    other.iter_mut().for_each(|gpu| mode(gpu, 1, 0x55));
    assert_eq!(topology(&other), nothing_to_judge);
}

/// Row 121: what is found of a device depends on that device alone, wherever it stands among good and bad ones.
#[test]
fn no_device_leaves_traces_in_another() {
    let asking = |change: &dyn Fn(&mut Forged)| {
        Forged::gpu().with(|it| {
            it.ask();
            change(it);
        })
    };
    let devices = [
        asking(&|_| ()),
        asking(&|it| it.report.nonce[0] ^= 1),
        Forged::switch(),
        asking(&|it| it.report.corrupt_signature = true),
        asking(&|it| it.driver = None),
        asking(&|it| it.answer(forge::About::Device(2), |answer| answer.unasked = true)),
        Forged::gpu(),
        asking(&|it| block(it, 0).value[0] ^= 1),
        asking(&|it| it.chain_in_transit(Vec::clear)),
        asking(&|it| it.report_in_transit(Vec::clear)),
        Forged::switch().with(|it| it.vbios = None),
    ];
    let facts = |it: &Forged| {
        let found = appraise(it);
        // Each answer is signed anew, so that its digest tells nothing.
        let revocation = found.revocation().iter().flat_map(|chain| {
            let findings = chain.certificates.iter();
            findings.map(|f| (chain.chain, f.position(), f.status(), f.reasons().to_vec()))
        });
        let revocation: Vec<_> = revocation.collect();
        (findings(&found), found.compared().clone(), revocation)
    };
    let alone: Vec<_> = devices.iter().map(facts).collect();
    let distinct: BTreeSet<_> = alone.iter().map(|facts| format!("{facts:?}")).collect();
    assert_eq!(
        distinct.len(),
        devices.len(),
        "each is wrong in its own way"
    );
    let mut orders: Vec<Vec<usize>> = (0..devices.len())
        .map(|first| {
            (0..devices.len())
                .map(|n| (first + n) % devices.len())
                .collect()
        })
        .collect();
    orders.extend(
        orders
            .clone()
            .into_iter()
            .map(|order| order.into_iter().rev().collect()),
    );
    for order in orders {
        let found: Vec<_> = order.iter().map(|n| facts(&devices[*n])).collect();
        for (n, found) in order.iter().zip(found) {
            assert_eq!(found, alone[*n], "device {n} in {order:?}");
        }
    }
}

/// Row 55: a device is known by its leaf and by the certificate above it.
#[test]
fn no_device_counts_twice() {
    let good = Forged::gpu();
    let refreshed = Forged::gpu().with(|it| {
        let leaf = it.chain.certificate(0);
        leaf.key = stranger_key();
        leaf.serial[1] ^= 1;
    });
    let other = Forged::gpu().with(|it| {
        it.chain.certificate(0).serial[1] ^= 1;
        it.chain.certificate(1).serial[1] ^= 1;
    });
    let table: [(&str, &[&Forged], Option<Code>); 6] = [
        ("no device", &[], Some(DeviceMissing)),
        ("one device", &[&good], None),
        ("one device twice", &[&good, &good], Some(DeviceRepeated)),
        (
            "one device before and after an update",
            &[&good, &refreshed],
            Some(DeviceRepeated),
        ),
        (
            "one device first and last",
            &[&good, &other, &good],
            Some(DeviceRepeated),
        ),
        ("two devices", &[&good, &other], None),
    ];
    for (wrong, devices, code) in table {
        let devices = devices.iter().map(|it| appraise(it)).collect();
        let appraisal = EvidenceAppraisal::new(devices, forge::AS_OF);
        let check = &appraisal.checks()[0];
        let codes: Vec<_> = check.reasons.iter().map(|reason| reason.code).collect();
        assert_eq!(check.id, CheckId::Devices);
        assert_eq!(codes, Vec::from_iter(code), "{wrong}");
        assert_eq!(check.is_affirmed(), code.is_none(), "{wrong}");
        let overall = if code.is_none() {
            Overall::Pass
        } else {
            Overall::Fail
        };
        assert_eq!(appraisal.overall(), overall, "{wrong}");
    }
}

//------------ Hands ---------------------------------------------------------

/// The links of a GPU: identities of switches, bytes reversed.
fn links(gpu: &mut Forged) -> &mut Vec<u8> {
    &mut gpu.report.field_mut(22).expect("links").value
}

/// The GPUs a switch names, and what it says of ports behind them.
fn named_gpus(switch: &mut Forged) -> &mut Vec<u8> {
    &mut switch.report.field_mut(26).expect("GPUs").value
}

/// Takes a switch out of the links of a GPU.
fn unlink(gpu: &mut Forged, mut switch: [u8; 8]) {
    switch.reverse();
    let ends = links(gpu).chunks_mut(8).filter(|end| **end == switch);
    let unlinked = ends.map(|end| end.fill(0)).count();
    assert!(unlinked > 0);
}

/// The identity a switch reports.
fn own_pdi(switch: &Forged) -> [u8; 8] {
    let mut switch = switch.clone();
    let pdi = &switch.report.field_mut(22).expect("identity").value;
    pdi[..].try_into().expect("eight bytes")
}

/// The identity in a device's certificate.
fn certified_pdi(device: &Forged) -> [u8; 8] {
    let mut device = device.clone();
    let serial = &device.chain.certificate(1).serial;
    serial[1..].try_into().expect("eight bytes")
}

/// Sets flag and state of the mode of a GPU.
fn mode(gpu: &mut Forged, flag: u8, state: u8) {
    field(gpu, 36, &[flag, 0]);
    field(gpu, 21, &[state]);
}
