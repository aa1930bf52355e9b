//! Well-formed documents whose signed part is not a manifest's (`manifest`).

use super::super::fixture::{GOOD, hash};
use super::{all_refused_for, codes, refused};
use crate::reason::Code;

/// A second namespace for signatures, so that the case breaks no rule about declarations.
const NESTED_SIGNATURE: &str =
    r#"<s:Signature xmlns:s="http://www.w3.org/2000/09/xmldsig#"/></ns0:Payload>"#;

#[test]
fn the_signed_part_has_one_shape() {
    let resource = format!(
        r#"<ns0:Resource type="Measurement" index="5" active="False" alternatives="1" ns2:Hash0="{}" name="n" size="48"/>"#,
        hash(0)
    );
    let second_payload = format!("</ns0:Payload><ns0:Payload>{resource}</ns0:Payload>");
    let outside = format!("</ns0:Payload>{resource}");
    let alien = format!("{}</ns0:Payload>", resource.replace("ns0:", "ns2:"));
    let nested = format!(r#"name="Measurement_1" size="48">{resource}</ns0:Resource>"#);
    #[rustfmt::skip]
    let cases = [
        ("root of another name", "SoftwareIdentity", "SoftwareIdentities"),
        ("root of no namespace", r#"xmlns="http://standards.iso.org/iso/19770/-2/2015/schema.xsd""#, ""),
        ("entity missing", r#"<ns0:Entity name="Nobody" role="softwareCreator tagCreator"/>"#, ""),
        ("entity without name", r#"<ns0:Entity name="Nobody""#, "<ns0:Entity"),
        ("entity without role", r#" role="softwareCreator tagCreator""#, ""),
        ("entity with a child", r#"tagCreator"/>"#, r#"tagCreator"><ns0:Entity/></ns0:Entity>"#),
        ("two entities", "</ns0:Payload>", r#"</ns0:Payload><ns0:Entity name="a" role="b"/>"#),
        ("meta of another namespace", "<ns0:Meta ", "<ns2:Meta "),
        ("two metas", "<ns0:Meta ", "<ns0:Meta/><ns0:Meta "),
        ("payload inside meta", r#""4711"/>"#, r#""4711"><ns0:Payload/></ns0:Meta>"#),
        ("two payloads", "</ns0:Payload>", &second_payload),
        ("signature in the payload", "</ns0:Payload>", NESTED_SIGNATURE),
        ("element called like a signature", "</ns0:Payload>", "</ns0:Payload><ns0:Signature/>"),
        ("resource outside the payload", "</ns0:Payload>", &outside),
        ("resource of another namespace", "</ns0:Payload>", &alien),
        ("resource inside a resource", r#"name="Measurement_1" size="48"/>"#, &nested),
        ("other child of the payload", "</ns0:Payload>", r#"<ns0:File name="a"/></ns0:Payload>"#),
        ("text in the root", "<ns0:Meta ", "text<ns0:Meta "),
        ("text in the payload", "</ns0:Payload>", "text</ns0:Payload>"),
        ("text in a resource", r#"name="Measurement_1" size="48"/>"#, r#"name="Measurement_1" size="48">a</ns0:Resource>"#),
    ];
    all_refused_for(Code::RimMalformed, &cases);
}

#[test]
fn identity_and_meta_are_complete() {
    #[rustfmt::skip]
    let cases = [
        ("corpus tag", r#"corpus="false""#, r#"corpus="true""#),
        ("patch tag", r#"patch="false""#, r#"patch="true""#),
        ("supplemental tag", r#"supplemental="false""#, r#"supplemental="true""#),
        ("patch unsaid", r#"patch="false" "#, ""),
        ("tag id short", r#"tagId="aa"#, r#"tagId=""#),
        ("tag id missing", "tagId=", "id="),
        ("tag version missing", r#" tagVersion="0""#, ""),
        ("version of the tag missing", r#" version="1.0""#, ""),
        ("name missing", r#" name="GX100""#, ""),
        ("version missing", r#"colloquialVersion="550.1""#, ""),
        ("version empty", r#"colloquialVersion="550.1""#, r#"colloquialVersion="""#),
        ("version of another namespace", "colloquialVersion=", "ns1:colloquialVersion="),
        ("product missing", r#"product="GX100""#, ""),
        ("edition missing", r#"edition="GPU""#, ""),
        ("revision missing", r#"revision="r1""#, ""),
        ("payload elsewhere", r#"PayloadType="direct""#, r#"PayloadType="indirect""#),
        ("model missing", r#"ns1:PlatformModel="GX100-P""#, ""),
        ("model of no namespace", "ns1:PlatformModel=", "PlatformModel="),
        ("binding missing", r#"ns1:BindingSpec="RIMIM""#, ""),
        ("binding version missing", r#"ns1:BindingSpecVersion="1.01""#, ""),
        ("manufacturer missing", r#"ns1:FirmwareManufacturer="Nobody""#, ""),
        ("manufacturer id missing", r#"ns1:FirmwareManufacturerId="4711""#, ""),
        ("platform manufacturer missing", r#"ns1:PlatformManufacturerStr="Nobody""#, ""),
        ("platform manufacturer id missing", r#"ns1:PlatformManufacturerId="1""#, ""),
    ];
    all_refused_for(Code::RimMalformed, &cases);
}

#[test]
fn resources_are_strict() {
    let value = hash(0xaa);
    let hash_1 = format!(r#"ns2:Hash0="{value}" name="Measurement_1""#);
    let surplus = format!(r#"ns2:Hash1="{value}" {hash_1}"#);
    let renumbered = hash_1.replace("Hash0", "Hash1");
    let zero_padded = hash_1.replace("Hash0", "Hash00");
    let unqualified = hash_1.replace("ns2:", "");
    let misqualified = hash_1.replace("ns2:", "ns0:");
    let both = format!(r#"Hash0="{value}" {hash_1}"#);
    let upper_case = hash_1.replace("aa", "AA");
    let short = hash_1.replacen("aa", "", 1);
    let long = hash_1.replacen("aa", "aaaa", 1);
    let not_hex = hash_1.replacen("aa", "ag", 1);
    #[rustfmt::skip]
    let cases = [
        ("index missing", r#"index="1" "#, ""),
        ("index of another namespace", r#"index="1""#, r#"ns2:index="1""#),
        ("index not a number", r#"index="1""#, r#"index="abc""#),
        ("index above a byte", r#"index="1""#, r#"index="256""#),
        ("index negative", r#"index="1""#, r#"index="-1""#),
        ("index with sign", r#"index="1""#, r#"index="+1""#),
        ("index with leading zero", r#"index="1""#, r#"index="01""#),
        ("index of two zeros", r#"index="0""#, r#"index="00""#),
        ("index with blank", r#"index="1""#, r#"index=" 1""#),
        ("index hexadecimal", r#"index="1""#, r#"index="0x1""#),
        ("index twice, both active", r#"index="1""#, r#"index="9""#),
        ("index twice, one active", r#"index="1""#, r#"index="0""#),
        ("active missing", r#"index="1" active="True""#, r#"index="1""#),
        ("active lower case", r#"index="1" active="True""#, r#"index="1" active="true""#),
        ("active a number", r#"index="1" active="True""#, r#"index="1" active="1""#),
        ("inactive lower case", r#"active="False""#, r#"active="false""#),
        ("alternatives missing", r#"index="1" active="True" alternatives="1""#, r#"index="1" active="True""#),
        ("alternatives not a number", r#"index="1" active="True" alternatives="1""#, r#"index="1" active="True" alternatives="xyz""#),
        ("no alternatives", r#"index="1" active="True" alternatives="1""#, r#"index="1" active="True" alternatives="0""#),
        ("alternatives beyond the bound", r#"index="1" active="True" alternatives="1""#, r#"index="1" active="True" alternatives="17""#),
        ("fewer hashes than alternatives", r#"alternatives="2""#, r#"alternatives="3""#),
        ("more hashes than alternatives", r#"alternatives="2""#, r#"alternatives="1""#),
        ("gap in the hashes", "ns2:Hash1=", "ns2:Hash2="),
        ("hash missing", &hash_1, r#"name="Measurement_1""#),
        ("hash surplus", &hash_1, &surplus),
        ("hash numbered from 1", &hash_1, &renumbered),
        ("hash with a leading zero", &hash_1, &zero_padded),
        ("hash of no namespace", &hash_1, &unqualified),
        ("hash of another namespace", &hash_1, &misqualified),
        ("hash and one of no namespace", &hash_1, &both),
        ("hash upper case", &hash_1, &upper_case),
        ("hash short", &hash_1, &short),
        ("hash long", &hash_1, &long),
        ("hash not hex", &hash_1, &not_hex),
        ("hash of an inactive resource not hex", "000000", "00000g"),
        ("size missing", r#"name="Measurement_1" size="48""#, r#"name="Measurement_1""#),
        ("size not a number", r#"name="Measurement_1" size="48""#, r#"name="Measurement_1" size="abc""#),
        ("size of another digest", r#"name="Measurement_1" size="48""#, r#"name="Measurement_1" size="32""#),
        ("name missing", r#"name="Measurement_1""#, ""),
        ("type missing", r#"type="Measurement" index="1""#, r#"index="1""#),
        ("type another", r#"type="Measurement" index="1""#, r#"type="File" index="1""#),
        ("unknown attribute", r#"index="1""#, r#"index="1" unless="a""#),
    ];
    all_refused_for(Code::RimMalformed, &cases);
}

#[test]
fn the_number_of_resources_is_bounded() {
    let start = GOOD.find("<ns0:Resource").unwrap();
    let end = GOOD.find("</ns0:Payload>").unwrap();
    let with = |resources: &str| format!("{}{resources}{}", &GOOD[..start], &GOOD[end..]);
    let none = refused("no resource", &with(""));
    assert_eq!(codes(&none), [Code::RimMalformed]);
    let many = refused("257 resources", &with(&"<ns0:Resource/>".repeat(257)));
    assert_eq!(codes(&many), [Code::RimMalformed]);
    assert_eq!(many[0].actual.as_deref(), Some("257"));
    let most = refused("256 resources", &with(&"<ns0:Resource/>".repeat(256)));
    assert_eq!(codes(&most), [Code::RimMalformed; 256]);
}
