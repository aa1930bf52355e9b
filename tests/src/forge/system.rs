//! GPUs and switches that belong together: the eight and four of an HGX system in protected-PCIe mode.
//!
//! Each has keys and an identity of its own under the roots of [`Forged::gpu`] and [`Forged::switch`]. Every GPU names the
//! four switches, in bytes reversed as genuine ones do (nvidia-evidence 3.1), every switch the eight GPUs.

use std::sync::LazyLock;

use attestation_agent::device::simulated::{CertificateSpec, DevicePki, PkiSpec};

use super::{Chain, Forged};

/// GPUs of the system; they come first.
pub const GPUS: usize = 8;
/// Switches of the system; they come after the GPUs.
pub const SWITCHES: usize = 4;

/// Links of a GPU that the report has room for, of which the last two are not in use.
const GPU_LINKS: usize = 18;
/// Bytes about ports behind the identities of the GPUs in a switch's report.
const PORTS: [u8; 64] = [3; 64];

/// A system about which nothing is wrong.
#[must_use]
pub fn system() -> Vec<Forged> {
    SYSTEM.clone()
}

/// A genuine GPU of another system, with the links of this one's GPUs.
#[must_use]
pub fn another_gpu() -> Forged {
    ANOTHER_GPU.clone()
}

/// A genuine switch of another system, with the links of this one's switches.
#[must_use]
pub fn another_switch() -> Forged {
    ANOTHER_SWITCH.clone()
}

static SYSTEM: LazyLock<Vec<Forged>> = LazyLock::new(|| {
    let gpus = (0..GPUS).map(gpu);
    gpus.chain((0..SWITCHES).map(switch)).collect()
});
static ANOTHER_GPU: LazyLock<Forged> = LazyLock::new(|| gpu(GPUS));
static ANOTHER_SWITCH: LazyLock<Forged> = LazyLock::new(|| switch(SWITCHES));

fn gpu(number: usize) -> Forged {
    Forged::gpu().with(|it| {
        let traits = DevicePki {
            pdi: pdi(*b"SIM-GPU0", number),
            ..DevicePki::default()
        };
        make_another(&mut it.chain, &traits);
        let mut links: Vec<[u8; 8]> = (0..GPU_LINKS - 2)
            .map(|link| pdi(SWITCH, link % SWITCHES))
            .collect();
        links.iter_mut().for_each(|pdi| pdi.reverse());
        links.resize(GPU_LINKS, [0; 8]);
        for (id, value) in [(22, links.concat()), (36, vec![2, 0]), (21, vec![0xaa])] {
            it.report.field_mut(id).expect("a field").value = value;
        }
    })
}

fn switch(number: usize) -> Forged {
    Forged::switch().with(|it| {
        let own = pdi(SWITCH, number);
        let traits = DevicePki {
            chip: "LS_10".to_owned(),
            pdi: own,
            serial_prefix: 0x50,
            ..DevicePki::default()
        };
        make_another(&mut it.chain, &traits);
        let gpus: Vec<_> = (0..GPUS).map(|n| pdi(*b"SIM-GPU0", n)).collect();
        let named = [&gpus.concat()[..], &PORTS].concat();
        for (id, value) in [(22, own.to_vec()), (26, named)] {
            it.report.field_mut(id).expect("a field").value = value;
        }
    })
}

const SWITCH: [u8; 8] = *b"SIM-SWT0";

/// Numbered in the last byte.
fn pdi(mut name: [u8; 8], number: usize) -> [u8; 8] {
    name[7] += u8::try_from(number).expect("a small number");
    name
}

/// Gives a chain the two certificates of another device.
fn make_another(chain: &mut Chain, device: &DevicePki) {
    let own = PkiSpec::device(device).expect("keys").certificates;
    let own: Vec<CertificateSpec> = own.into_iter().take(2).collect();
    chain.certificates().splice(..2, own);
}
