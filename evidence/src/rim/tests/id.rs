//! Which ids a manifest can be asked for by.

use super::super::Rim;
use super::super::fixture::{GOOD, edit};
use crate::reason::Code;

/// What a manifest says of a chip and a version, in all its places.
fn rim(chip: &str, version: &str) -> Rim {
    let text = edit(&GOOD, "name=\"GX100\"", &format!("name=\"{chip}\""));
    let text = edit(&text, "product=\"GX100\"", &format!("product=\"{chip}\""));
    let text = edit(&text, "\"GX100-P\"", &format!("\"{chip}\""));
    let text = edit(&text, "\"550.1\"", &format!("\"{version}\""));
    Rim::parse(text.as_bytes()).unwrap().peek().clone()
}

const VERSION: Option<Code> = Some(Code::RimVersionMismatch);
const PRODUCT: Option<Code> = Some(Code::RimProductMismatch);

#[test]
fn an_id_names_the_version_of_its_manifest_and_the_chip_where_it_can() {
    const HOPPER: &str = "NV_GPU_DRIVER_GH100_550.90.07";
    const BLACKWELL: &str = "NV_GPU_CC_DRIVER_GB100_550.90.07";
    const VBIOS: &str = "NV_GPU_VBIOS_1010_0200_882_96009F0001";
    const SWITCH: &str = "NV_SWITCH_BIOS_5612_0002_890_96009F0001";
    #[rustfmt::skip]
    let table = [
        (HOPPER, "GH100", "550.90.07", None),
        (HOPPER, "GH100", "550.90.08", VERSION),
        (HOPPER, "GH100", "90.07", VERSION),
        (HOPPER, "GH100", "0.90.07", VERSION),
        (HOPPER, "GH100", "GH100_550.90.07", VERSION),
        (HOPPER, "GB100", "550.90.07", PRODUCT),
        (HOPPER, "GH10", "550.90.07", PRODUCT),
        (BLACKWELL, "GB100", "550.90.07", None),
        (BLACKWELL, "GB102", "550.90.07", PRODUCT),
        (BLACKWELL, "GH100", "550.90.07", PRODUCT),
        // The board of a VBIOS may have any GPU.
        (VBIOS, "GH100", "96.00.9F.00.01", None),
        (VBIOS, "GB100", "96.00.9f.00.01", None),
        (VBIOS, "GH100", "96.00.9F.00.02", VERSION),
        (VBIOS, "GH100", "01", VERSION),
        (VBIOS, "LS10", "96.00.9F.00.01", PRODUCT),
        (SWITCH, "LS10", "96.00.9F.00.01", None),
        (SWITCH, "LS10", "96.00.9F.00.02", VERSION),
        (SWITCH, "GH100", "96.00.9F.00.01", PRODUCT),
    ];
    for (id, chip, version, expected) in table {
        let objection = rim(chip, version).objection_to_id(id);
        let code = objection.as_ref().map(|reason| reason.code);
        assert_eq!(code, expected, "{id} {chip} {version}: {objection:?}");
    }
    // Of two chips in one manifest no device is.
    let torn = edit(&GOOD, "\"550.1\"", "\"96.00.9F.00.01\"");
    let torn = Rim::parse(torn.as_bytes()).unwrap().peek().clone();
    let objection = torn.objection_to_id(VBIOS).unwrap();
    assert_eq!(objection.code, Code::RimProductMismatch);
    assert_eq!(objection.actual.as_deref(), Some("GX100, GX100, GX100-P"));
}
