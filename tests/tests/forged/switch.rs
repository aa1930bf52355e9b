//! Switches.

use crate::kit::*;

#[rustfmt::skip]
pub(crate) fn switches() -> Vec<Case> {
    vec![
        switch(&[54], "switch reports another identity than its certificate's", |it| {
            field(it, 22, b"SIMOTHER");
        })
        .refutes(Identity, &[PdiMismatch]),
        switch(&[54], "certificate of a switch with another identity", |it| {
            it.chain.certificate(1).serial[8] ^= 1;
        })
        .refutes(Identity, &[PdiMismatch]),
        switch(&[54], "certificate of a switch with bytes of its identity reversed", |it| {
            it.chain.certificate(1).serial[1..].reverse();
        })
        .refutes(Identity, &[PdiMismatch]),
        switch(&[54], "serial number whose form nobody knows", |it| {
            it.chain.certificate(1).serial[0] = 0x42;
            it.chain.certificate(1).serial[8] ^= 1;
        }),
        switch(&[26], "switch without identity", |it| without_field(it, 22)).refutes(Parse, &[OpaqueFieldMissing]),
        switch(&[26], "switch without BIOS version", |it| without_field(it, 6))
            .refutes(Parse, &[OpaqueFieldMissing])
            .cannot_tell(VbiosRim, &[ReportUnreadable])
            .reference_lost(),
        switch(&[27], "GPU identities not a multiple of eight bytes", |it| {
            field(it, 26, &[0; 127]);
        })
        .refutes(Parse, &[OpaqueFieldInvalid]),
        switch(&[28], "switch identity of seven bytes", |it| field(it, 22, &[1; 7]))
            .refutes(Parse, &[OpaqueFieldInvalid, OpaqueFieldMissing]),
        switch(&[23], "field of a GPU in the report of a switch", |it| {
            it.report.opaque.push(Tlv::new(36, [0, 0]));
        })
        .refutes(Parse, &[OpaqueFieldUnknown]),
        switch(&[39, 40], "sender claims a GPU", |it| it.claimed = Some(Architecture::Hopper))
            .refutes(Identity, &[ArchitectureMismatch]),
        switch(&[31], "switch answers another nonce", |it| it.report.nonce[0] ^= 1).refutes(Nonce, &[NonceMismatch]),
        switch(&[37], "report of a switch signed by a stranger", |it| {
            it.report_signer = Some(stranger_key());
        })
        .refutes(ReportSignature, &[ReportSignatureInvalid]),
        switch(&[51], "firmware id in the report of a switch that is not the leaf's", |it| {
            it.report.opaque.push(Tlv::new(20, [9; 48]));
        })
        .refutes(Fwid, &[FwidMismatch]),
        switch(&[90], "BIOS manifest of a GPU's product", |it| {
            it.vbios().spec.meta.set("product", "GH100");
        })
        .refutes(VbiosRim, &[RimProductMismatch])
        .reference_lost(),
        switch(&[89], "BIOS manifest of another version", |it| {
            it.vbios().spec.meta.set("colloquialVersion", "F0.53.49.4D.03");
        })
        .refutes(VbiosRim, &[RimVersionMismatch])
        .reference_lost(),
        switch(&[94], "BIOS manifest missing", |it| it.vbios = None)
            .cannot_tell(VbiosRim, &[RimNotAvailable])
            .cannot_tell(Measurements, &[RimNotAvailable]),
        switch(&[102], "measurement of a switch differs", |it| block(it, 30).value[0] ^= 1)
            .refutes(Measurements, &[MeasurementMismatch]),
        switch(&[93], "driver manifest for a switch, which has no driver", |it| {
            it.driver = Forged::gpu().driver;
        }),
    ]
}

#[test]
fn other_switches_are_refused() {
    check_all(switches());
}
