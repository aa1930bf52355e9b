//! Every form, every rule with an input that breaks it alone, and inputs nobody thought of.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::json::{MAX_DEPTH, MAX_VALUES};
use super::*;
use crate::work::{Blob, Hex};

const NONCE: &str = "931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb";
const OTHER_NONCE: &str = "e97b23a1718095a0e9e35edca810768c70a6a5a389b705e753b197912bc11576";

/// What a report begins with.
fn report() -> Vec<u8> {
    let head = [0x11, 0xe0, 0x01, 0xff];
    [&head[..], &hex::decode(NONCE).unwrap(), &[0; 5]].concat()
}

const CHAIN: &[u8] = b"-----BEGIN CERTIFICATE-----\n";

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn nvattest_device(arch: &str) -> Value {
    json!({
        "arch": arch, "nonce": NONCE, "evidence": base64(&report()), "certificate": base64(CHAIN),
    })
}

/// One good document of each form, with a GPU and a switch where the form can hold both.
fn good(form: Form) -> Value {
    let both = json!([nvattest_device("HOPPER"), nvattest_device("LS10")]);
    let bare = json!({"evidence": base64(&report()), "certificate": base64(CHAIN)});
    let with = |arch: &str| {
        let mut device = bare.clone();
        device["arch"] = arch.into();
        device
    };
    match form {
        Form::NvattestArray => both,
        Form::NvattestSystem => json!([[nvattest_device("HOPPER")], [nvattest_device("LS10")]]),
        Form::NvattestOutput => {
            json!({"result_code": 0, "result_message": "Ok", "evidences": both})
        }
        Form::PythonSdkGpu => json!([with("HOPPER"), with("BLACKWELL")]),
        Form::PythonSdkSwitch => json!([bare, bare]),
        Form::NrasRequest => json!({
            "nonce": NONCE, "arch": "LS10", "evidence_list": [bare, bare], "claims_version": "3.0",
        }),
        Form::Trustee => json!({"device_evidence_list": [with("Hopper"), with("LS10")]}),
        Form::Pogw => json!({"nonce": NONCE, "devices": [
            {"arch": "HOPPER", "report": base64(&report()), "chain": base64(CHAIN)},
            {"report": base64(&report()), "chain": base64(CHAIN)},
        ]}),
    }
}

const FORMS: [Form; 8] = [
    Form::NvattestArray,
    Form::NvattestSystem,
    Form::NvattestOutput,
    Form::PythonSdkGpu,
    Form::PythonSdkSwitch,
    Form::NrasRequest,
    Form::Trustee,
    Form::Pogw,
];

fn read_value(document: &Value) -> Result<SubmittedEvidence, Vec<Reason>> {
    read(document.to_string().as_bytes())
}

/// What was found as `(place, code)`.
fn found<T: fmt::Debug>(read: Result<T, Vec<Reason>>) -> Vec<(String, Code)> {
    let reasons = read.expect_err("refused");
    let placed = reasons.into_iter().map(|reason| {
        let (place, _) = reason.message.split_once(": ").expect("a place");
        (place.to_owned(), reason.code)
    });
    placed.collect()
}

/// The good document of a form with one thing done to it.
fn but(form: Form, change: impl FnOnce(&mut Value)) -> Value {
    let mut document = good(form);
    change(&mut document);
    document
}

fn remove(object: &mut Value, name: &str) {
    object.as_object_mut().unwrap().remove(name).unwrap();
}

//------------ Good documents --------------------------------------------------

#[test]
fn every_form_is_recognised_and_read() {
    use Architecture::{Blackwell, Hopper, Ls10};
    let table = [
        (Form::NvattestArray, true, [Some(Hopper), Some(Ls10)]),
        (Form::NvattestSystem, true, [Some(Hopper), Some(Ls10)]),
        (Form::NvattestOutput, true, [Some(Hopper), Some(Ls10)]),
        (Form::PythonSdkGpu, false, [Some(Hopper), Some(Blackwell)]),
        (Form::PythonSdkSwitch, false, [None, None]),
        (Form::NrasRequest, true, [Some(Ls10), Some(Ls10)]),
        (Form::Trustee, false, [Some(Hopper), Some(Ls10)]),
        (Form::Pogw, true, [Some(Hopper), None]),
    ];
    assert_eq!(table.map(|(form, _, _)| form), FORMS);
    for (form, states_nonce, claimed) in table {
        let evidence = read_value(&good(form)).unwrap_or_else(|e| panic!("{form}: {e:?}"));
        assert_eq!(evidence.form, form);
        assert_eq!(
            evidence.nonce.map(hex::encode),
            states_nonce.then(|| NONCE.to_owned()),
            "{form}"
        );
        assert_eq!(
            evidence.claims_version.is_some(),
            form == Form::NrasRequest,
            "{form}"
        );
        let devices = evidence.devices;
        assert_eq!(
            devices.iter().map(|d| d.claimed).collect::<Vec<_>>(),
            claimed,
            "{form}"
        );
        for device in devices {
            assert_eq!(
                (device.report, device.chain_pem),
                (report(), CHAIN.to_vec()),
                "{form}"
            );
            assert_eq!(
                (device.stated, device.uuid),
                (StatedVersions::default(), None),
                "{form}"
            );
        }
    }
}

#[test]
fn what_may_differ_without_changing_the_meaning() {
    let same = |form, change: fn(&mut Value)| {
        let changed = read_value(&but(form, change)).unwrap_or_else(|e| panic!("{form}: {e:?}"));
        assert_eq!(changed, read_value(&good(form)).unwrap());
    };
    // Hexadecimal and words in either case.
    same(Form::NvattestArray, |d| {
        d[1]["nonce"] = NONCE.to_uppercase().into()
    });
    same(Form::Trustee, |d| {
        d["device_evidence_list"][0]["arch"] = "HOPPER".into()
    });
    // Trustee's older encoding, in either case.
    same(Form::Trustee, |d| {
        d["device_evidence_list"][0]["evidence"] = hex::encode(report()).into();
        d["device_evidence_list"][1]["evidence"] = hex::encode_upper(report()).into();
    });
    // Members no form has, in NVIDIA's and Trustee's, whatever they hold.
    same(Form::NvattestArray, |d| {
        d[0]["version"] = json!({"1.0": [1.5, null, true]})
    });
    same(Form::NvattestOutput, |d| d["more"] = json!([[], {}]));
    same(Form::PythonSdkGpu, |d| d[0]["driver_version"] = 5.into());
    same(Form::NrasRequest, |d| {
        d["evidence_list"][0]["uuid"] = 5.into()
    });
    // A nonce or architecture stated once more, and the same.
    same(Form::NvattestOutput, |d| d["nonce"] = NONCE.into());
    same(Form::NrasRequest, |d| {
        d["evidence_list"][0]["nonce"] = NONCE.to_uppercase().into();
        d["evidence_list"][0]["arch"] = "ls10".into();
    });
    // `null` is absent.
    same(Form::NvattestArray, |d| d[0]["vbios_version"] = Value::Null);
    same(Form::Trustee, |d| {
        d["device_evidence_list"][0]["uuid"] = Value::Null
    });
    same(Form::Pogw, |d| d["devices"][1]["arch"] = Value::Null);
}

#[test]
fn what_only_some_forms_state_is_carried_through() {
    let older = but(Form::NvattestArray, |d| {
        d[0]["driver_version"] = "550.90.07".into();
        d[0]["vbios_version"] = "96.00.9F.00.01".into();
    });
    let stated = read_value(&older).unwrap().devices.remove(0).stated;
    let versions = (stated.driver.as_deref(), stated.vbios.as_deref());
    assert_eq!(versions, (Some("550.90.07"), Some("96.00.9F.00.01")));

    let named = but(Form::Trustee, |d| {
        d["device_evidence_list"][1]["uuid"] = "GPU-1".into()
    });
    let uuids = read_value(&named)
        .unwrap()
        .devices
        .into_iter()
        .map(|d| d.uuid);
    assert_eq!(uuids.collect::<Vec<_>>(), [None, Some("GPU-1".to_owned())]);

    let with_nonce = but(Form::Trustee, |d| d["nonce"] = NONCE.into());
    assert!(read_value(&with_nonce).unwrap().nonce.is_some());

    let versions = [
        ("2.0", ClaimsVersion::V2),
        ("3.0", ClaimsVersion::V3),
        ("4.0", ClaimsVersion::V4),
    ];
    for (word, version) in versions {
        let asked = but(Form::NrasRequest, |d| d["claims_version"] = word.into());
        assert_eq!(read_value(&asked).unwrap().claims_version, Some(version));
        assert_eq!(version.as_str(), word);
    }
    let unasked = but(Form::NrasRequest, |d| remove(d, "claims_version"));
    assert_eq!(read_value(&unasked).unwrap().claims_version, None);
}

#[test]
fn as_many_and_as_large_devices_as_there_may_be() {
    let mut device = nvattest_device("HOPPER");
    device["evidence"] = base64(&vec![0x11; MAX_REPORT_BYTES]).into();
    device["certificate"] = base64(&vec![b'-'; MAX_CHAIN_BYTES]).into();
    let full = json!(vec![device; MAX_DEVICES]);
    assert_eq!(read_value(&full).unwrap().devices.len(), MAX_DEVICES);

    let both = json!([
        vec![nvattest_device("LS10"); MAX_DEVICES],
        [nvattest_device("LS10")]
    ]);
    let found = found(read_value(&both));
    assert_eq!(found, [("document".to_owned(), Code::TooManyDevices)]);

    let mut device = good(Form::Trustee)["device_evidence_list"][0].take();
    device["evidence"] = hex::encode(vec![0x11; MAX_REPORT_BYTES]).into();
    device["certificate"] = base64(&vec![b'-'; MAX_CHAIN_BYTES]).into();
    let full = json!({"device_evidence_list": vec![device; MAX_DEVICES]});
    assert_eq!(read_value(&full).unwrap().devices.len(), MAX_DEVICES);
}

//------------ One negative for each rule --------------------------------------

/// One rule a line: form | JSON pointer = new value, or `-` to remove | what is found, and nothing else.
const RULES: &str = r#"
forms
nras_request     | /devices = []                                  | document form_ambiguous
nras_request     | /result_code = 0                               | document form_ambiguous
trustee          | /device_evidence_list -                        | document form_unknown
nvattest_array   | /1/report = ""                                 | [1] form_ambiguous
trustee          | /device_evidence_list/0/chain = null           | device_evidence_list[0] form_ambiguous
pogw             | /job = {}                                      | job member_unexpected
pogw             | /devices/1/nonce = "00"                        | devices[1].nonce member_unexpected
nvattest_array   | = {"evidence": ""}                             | document form_unknown
nvattest_array   | = [1, "x"]                                     | document form_unknown

two arrays in one
nvattest_system  | = [[]]                                         | document form_unknown
nvattest_system  | = [[], [], []]                                 | document form_unknown
nvattest_system  | /0 = []                                        | [0] device_missing
nvattest_system  | /1 = {}                                        | document form_unknown
nvattest_system  | /1/0 = []                                      | [1][0] member_invalid
nvattest_system  | /1/0/nonce -                                   | [1][0].nonce member_missing
nvattest_system  | /1/0/nonce = "OTHER"                           | [1][0].nonce nonces_differ
nvattest_system  | /1/0/arch -                                    | [1][0].arch member_missing
nvattest_system  | /0/0/report = ""                               | [0][0] form_ambiguous

the wrapper of nvattest
nvattest_output  | /result_code = 7                               | document collection_failed
nvattest_output  | = {"result_code": 7, "evidences": null}        | document collection_failed
nvattest_output  | = {"result_code": -1}                          | document collection_failed
nvattest_output  | /result_code -                                 | result_code member_missing
nvattest_output  | /result_code = 0.0                             | result_code member_invalid
nvattest_output  | /evidences = null                              | evidences member_missing
nvattest_output  | = {"result_code": 0, "claims": []}             | document form_unknown
nvattest_output  | = {"result_code": 7, "detached_eat": null}     | document form_unknown

the list
nvattest_array   | = []                                           | document device_missing
pogw             | /devices = []                                  | devices device_missing
trustee          | /device_evidence_list = {}                     | device_evidence_list member_invalid
nvattest_output  | /evidences/1 = "x"                             | evidences[1] member_invalid
python_sdk_switch| /0 = []                                        | [0] member_invalid

nonces
nvattest_array   | /1/nonce -                                     | [1].nonce member_missing
python_sdk_switch| /0/nonce = "OTHER"                             | [0].arch member_missing, [1].arch member_missing, [1].nonce member_missing
nvattest_output  | /evidences/0/nonce -                           | evidences[0].nonce member_missing
nvattest_array   | /0/nonce = null                                | [0].nonce member_missing
nras_request     | /nonce -                                       | nonce member_missing
pogw             | /nonce -                                       | nonce member_missing
pogw             | /nonce = 0                                     | nonce member_invalid
pogw             | /nonce = "SHORT"                               | nonce nonce_malformed
nras_request     | /nonce = "LONG"                                | nonce nonce_malformed
nvattest_array   | /0/nonce = "0xNONCE"                           | [0].nonce nonce_malformed
nvattest_array   | /0/nonce = "LETTERS"                           | [0].nonce nonce_malformed
nvattest_array   | /1/nonce = "OTHER"                             | [1].nonce nonces_differ
nvattest_output  | /nonce = "OTHER"                               | evidences[0].nonce nonces_differ, evidences[1].nonce nonces_differ
nras_request     | /evidence_list/1/nonce = "OTHER"               | evidence_list[1].nonce nonces_differ
nras_request     | /evidence_list/1/nonce = "00"                  | evidence_list[1].nonce nonce_malformed
trustee          | /nonce = ""                                    | nonce nonce_malformed

architectures
nvattest_array   | /0/arch -                                      | [0].arch member_missing
python_sdk_gpu   | /1/arch -                                      | [1].arch member_missing
nras_request     | /arch -                                        | arch member_missing
trustee          | /device_evidence_list/0/arch -                 | device_evidence_list[0].arch member_missing
nvattest_array   | /0/arch = "RUBIN"                              | [0].arch architecture_unsupported
nras_request     | /arch = ""                                     | arch architecture_unsupported
pogw             | /devices/0/arch = "HOPPER "                    | devices[0].arch architecture_unsupported
pogw             | /devices/0/arch = 9                            | devices[0].arch member_invalid
nras_request     | /evidence_list/0/arch = "HOPPER"               | evidence_list[0].arch form_ambiguous

reports and chains
python_sdk_switch| /0/evidence -                                  | [0].evidence member_missing
pogw             | /devices/1/chain -                             | devices[1].chain member_missing
nvattest_array   | /0/certificate = "-----BEGIN CERTIFICATE-----" | [0].certificate member_invalid
nvattest_array   | /0/evidence = "EeAB/w"                         | [0].evidence member_invalid
nvattest_array   | /0/evidence = "EeAB/x=="                       | [0].evidence member_invalid
nvattest_array   | /0/evidence = "EeAB_w=="                       | [0].evidence member_invalid
nvattest_array   | /0/evidence = "EeAB\n/w=="                     | [0].evidence member_invalid
nvattest_array   | /0/evidence = "11e001ff0"                      | [0].evidence member_invalid
pogw             | /devices/0/report = [17, 224]                  | devices[0].report member_invalid
trustee          | /device_evidence_list/0/evidence = "deadbeef"  | device_evidence_list[0].evidence form_ambiguous
trustee          | /device_evidence_list/0/evidence = "11e00"     | device_evidence_list[0].evidence member_invalid

the rest
nvattest_array   | /0/driver_version = 550                        | [0].driver_version member_invalid
nvattest_output  | /evidences/0/vbios_version = ""                | evidences[0].vbios_version member_invalid
trustee          | /device_evidence_list/0/uuid = "LONG"          | device_evidence_list[0].uuid member_invalid
trustee          | /device_evidence_list/0/uuid = "a\u202e"       | device_evidence_list[0].uuid member_invalid
nras_request     | /claims_version = "5.0"                        | claims_version claims_version_unsupported
nras_request     | /claims_version = 3.0                          | claims_version member_invalid
"#;

#[test]
fn each_rule_refuses_with_its_code_and_place() {
    let rules: Vec<_> = RULES.lines().filter(|line| line.contains('|')).collect();
    assert!(rules.len() > 50);
    for rule in rules {
        let [form, change, expected] = rule.splitn(3, '|').map(str::trim).collect::<Vec<_>>()[..]
        else {
            panic!("{rule}");
        };
        let form = FORMS.into_iter().find(|f| f.as_str() == form).expect(rule);
        let found = found(read_value(&but(form, |document| apply(change, document))));
        let found: Vec<_> = found
            .iter()
            .map(|(place, code)| format!("{place} {code}"))
            .collect();
        assert_eq!(found.join(", "), expected, "{rule}");
    }
}

/// Does what the second column of [`RULES`] says.
fn apply(change: &str, document: &mut Value) {
    if let Some(pointer) = change.strip_suffix(" -") {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        return remove(document.pointer_mut(parent).unwrap(), name);
    }
    let (pointer, value) = change.split_once('=').unwrap();
    let value = value
        .replace("0xNONCE", &format!("0x{NONCE}"))
        .replace("SHORT", &NONCE[2..])
        .replace("LONG", &format!("{NONCE}00"))
        .replace("LETTERS", &"g".repeat(64))
        .replace("OTHER", OTHER_NONCE);
    let value = serde_json::from_str(&value).unwrap();
    let pointer = pointer.trim();
    match pointer.rsplit_once('/') {
        None => *document = value,
        Some((parent, name)) => match document.pointer_mut(parent).unwrap() {
            Value::Array(elements) => elements[name.parse::<usize>().unwrap()] = value,
            parent => parent[name] = value,
        },
    }
}

#[test]
fn sizes_are_judged_before_decoding() {
    let report = |form, evidence: String| {
        let document = but(form, |document| match form {
            Form::Trustee => document["device_evidence_list"][0]["evidence"] = evidence.into(),
            _ => document[0]["evidence"] = evidence.into(),
        });
        found(read_value(&document)).remove(0).1
    };
    // One byte more in as many characters of base64, one character more, and what is not even base64.
    let in_base64 = base64(&vec![0x11; MAX_REPORT_BYTES + 1]);
    assert_eq!(in_base64.len(), MAX_REPORT_BYTES.div_ceil(3) * 4);
    let longer = base64(&vec![0x11; MAX_REPORT_BYTES + 3]);
    let not_base64 = "!".repeat(longer.len());
    for evidence in [in_base64, longer, not_base64] {
        assert_eq!(report(Form::NvattestArray, evidence), Code::ReportTooLarge);
    }
    let in_hexadecimal = "11".repeat(MAX_REPORT_BYTES + 1);
    assert_eq!(report(Form::Trustee, in_hexadecimal), Code::ReportTooLarge);

    let chain = base64(&vec![b'-'; MAX_CHAIN_BYTES + 1]);
    let document = but(Form::NvattestArray, |d| d[1]["certificate"] = chain.into());
    let expected = ("[1].certificate".to_owned(), Code::ChainTooLarge);
    assert_eq!(found(read_value(&document)), [expected]);

    let devices = json!(vec![json!({}); MAX_DEVICES + 1]);
    let document = but(Form::NrasRequest, |d| d["evidence_list"] = devices);
    let expected = ("evidence_list".to_owned(), Code::TooManyDevices);
    assert_eq!(found(read_value(&document)), [expected]);
}

#[test]
fn what_is_no_form_says_what_it_is() {
    let table = [
        ("null", "null"),
        ("5", "an integer"),
        ("1e400000", "not JSON"),
        (r#""evidence""#, "a string"),
        ("{}", "an object of []"),
        (
            r#"{"AttestationReport": 1, "\n": 2}"#,
            "an object of [\u{fffd}, AttestationReport]",
        ),
        ("[1]", "an array without evidence"),
        (
            r#"[["JWT", "e30"], {"GPU-0": "e30"}]"#,
            "an array without evidence",
        ),
        (
            r#"{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0}"#,
            "[a, b, c, d, e, f, g, h]",
        ),
        // One device alone is no list of devices.
        (
            r#"{"nonce": "", "evidence": "", "certificate": ""}"#,
            "certificate, evidence, nonce",
        ),
    ];
    for (text, actual) in table {
        let reasons = read(text.as_bytes()).unwrap_err();
        assert_eq!(reasons.len(), 1, "{text}");
        let shown = reasons[0].to_string();
        assert!(shown.contains(actual), "{text}: {shown}");
    }
}

#[test]
fn all_reasons_of_a_file_are_collected() {
    let document = json!([
        {"arch": "VOLTA", "nonce": "00", "evidence": 5, "vbios_version": []},
        {"arch": "HOPPER", "nonce": NONCE, "evidence": "", "certificate": ""},
        {"arch": "HOPPER", "nonce": OTHER_NONCE, "evidence": "?", "certificate": ""},
    ]);
    let text = document
        .to_string()
        .replacen(r#""arch""#, r#""x": {"a": 1, "a": 1}, "arch""#, 1);
    let found = found(read(text.as_bytes()));
    let expected = [
        ("[0].x.a", Code::MemberRepeated),
        ("[0].arch", Code::ArchitectureUnsupported),
        ("[0].nonce", Code::NonceMalformed),
        ("[0].evidence", Code::MemberInvalid),
        ("[0].certificate", Code::MemberMissing),
        ("[0].vbios_version", Code::MemberInvalid),
        ("[2].nonce", Code::NoncesDiffer),
        ("[2].evidence", Code::MemberInvalid),
    ];
    assert_eq!(
        found,
        expected.map(|(place, code)| (place.to_owned(), code))
    );
}

#[test]
fn the_tools_own_words_are_repeated_when_it_failed() {
    let failed = json!({"result_code": 502, "result_message": "no\u{7}GPU", "evidences": null});
    let reasons = read_value(&failed).unwrap_err();
    assert_eq!(
        reasons[0].to_string(),
        "collection_failed: document: the evidence was not collected, expected result_code 0, got 502: no\u{fffd}GPU"
    );
}

//------------ Bounds and repeated members -------------------------------------

#[test]
fn no_member_twice_at_any_depth() {
    let good = |form| good(form).to_string();
    let nested =
        |form, inside: &str| good(form).replacen(r#""arch":"#, &format!(r#"{inside},"arch":"#), 1);
    let table = [
        (
            nested(Form::NvattestArray, r#""arch":"HOPPER""#),
            "[0].arch",
        ),
        // The same value, another spelling of the same name.
        (
            nested(Form::NvattestArray, r#""\u0061rch":"HOPPER""#),
            "[0].arch",
        ),
        (
            nested(Form::NrasRequest, &format!(r#""nonce":"{OTHER_NONCE}""#)),
            "nonce",
        ),
        (
            nested(Form::Trustee, r#""x":[0,{"y":{"z":null,"z":null}}]"#),
            "device_evidence_list[0].x[1].y.z",
        ),
        (
            good(Form::Pogw).replacen('{', r#"{"devices":[],"#, 1),
            "devices",
        ),
    ];
    for (text, place) in table {
        let found = found(read(text.as_bytes()));
        assert!(
            found.contains(&(place.to_owned(), Code::MemberRepeated)),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn size_depth_and_number_of_values_are_bounded() {
    let within = |extra: String| {
        good(Form::NvattestArray).to_string().replacen(
            r#""arch":"#,
            &format!(r#""x":{extra},"arch":"#),
            1,
        )
    };
    let only = |text: String| {
        let found = found(read(text.as_bytes()));
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].1
    };
    // Two levels above, one for the array itself.
    let deep = |levels: usize| within("[".repeat(levels) + &"]".repeat(levels));
    assert!(read(deep(MAX_DEPTH - 2).as_bytes()).is_ok());
    assert_eq!(only(deep(MAX_DEPTH - 1)), Code::EvidenceTooLarge);
    assert_eq!(only("[".repeat(MAX_JSON_BYTES)), Code::EvidenceTooLarge);

    // The document, two devices of four members, and the array.
    let many = |values: usize| within(format!("[{}]", vec!["0"; values].join(",")));
    assert!(read(many(MAX_VALUES - 12).as_bytes()).is_ok());
    assert_eq!(only(many(MAX_VALUES - 11)), Code::EvidenceTooLarge);

    let mut padded = good(Form::NvattestArray).to_string();
    padded.push_str(&" ".repeat(MAX_JSON_BYTES - padded.len()));
    assert!(read(padded.as_bytes()).is_ok());
    padded.push(' ');
    assert_eq!(only(padded), Code::EvidenceTooLarge);
}

#[test]
fn reasons_are_bounded_in_number_and_length() {
    let name = "n".repeat(1000);
    let twice = vec![format!(r#""{name}":0"#); 2000].join(",");
    let reasons = read(format!("[{{{twice}}}]").as_bytes()).unwrap_err();
    assert_eq!(reasons.len(), 512);
    assert!(reasons.iter().all(|reason| reason.to_string().len() < 200));

    // What turns text around or breaks lines does not reach a log.
    let reasons = read(br#"[{"a\u202e\n\"": 0, "a\u202e\n\"": 0}]"#).unwrap_err();
    let shown = reasons[0].to_string();
    let expected = "member_repeated: [0].a\u{fffd}\u{fffd}\": member occurs more than once";
    assert_eq!(shown, expected);
}

#[test]
fn what_is_not_json_is_refused_where_it_ends() {
    let table: &[&[u8]] = &[
        b"",
        b" ",
        b"[",
        b"[{]",
        b"[] []",
        b"[{'evidence': 1}]",
        b"[{\"evidence\": NaN}]",
        b"[{\"evidence\": \"\\ud800\"}]",
        b"[{\"evidence\": \"\xff\"}]",
        b"\xef\xbb\xbf[]",
    ];
    for text in table {
        let found = found(read(text));
        assert_eq!(
            found,
            [("document".to_owned(), Code::EvidenceNotJson)],
            "{text:?}"
        );
    }
}

//------------ Predicates ------------------------------------------------------

#[test]
fn the_stated_nonce_is_compared_with_the_expected_one() {
    let mut evidence = read_value(&good(Form::Pogw)).unwrap();
    let [expected, other] = [NONCE, OTHER_NONCE].map(|nonce| Hex::parse(nonce).unwrap().0);
    assert_eq!(evidence.nonce_mismatch(&expected), None);
    let reason = evidence.nonce_mismatch(&other).unwrap();
    assert_eq!(reason.code, Code::NonceMismatch);
    assert_eq!(reason.expected.as_deref(), Some(OTHER_NONCE));
    assert_eq!(reason.actual.as_deref(), Some(NONCE));
    evidence.nonce = None;
    assert_eq!(evidence.nonce_mismatch(&other), None);
}

#[test]
fn stated_versions_are_compared_with_those_in_the_report() {
    let stated = StatedVersions {
        driver: Some("550.90.07".to_owned()),
        vbios: Some("96.00.9f.00.01".to_owned()),
    };
    let number = |driver, vbios| stated.mismatches(driver, vbios).len();
    assert_eq!(number(Some("550.90.07"), Some("96.00.9F.00.01")), 0);
    assert_eq!(number(None, None), 0);
    assert_eq!(number(Some("550.90.08"), Some("96.00.9F.00.01")), 1);
    assert_eq!(number(Some(""), Some("96.00.9F.00.02")), 2);
    let nothing = StatedVersions::default();
    assert_eq!(nothing.mismatches(Some("1"), Some("2")), []);
    let reason = stated.mismatches(Some("1"), None).remove(0);
    assert_eq!(
        reason.to_string(),
        "stated_version_mismatch: driver version stated with the evidence, expected 1, got 550.90.07"
    );
}

#[test]
fn evidence_is_not_printed() {
    let evidence = read_value(&good(Form::Pogw)).unwrap();
    let shown = format!("{:?}", evidence.devices[0]);
    assert!(
        shown.contains("report_bytes: 41, chain_bytes: 28"),
        "{shown}"
    );
}

//------------ Inputs nobody thought of ----------------------------------------

/// What documents of the forms are made of.
const SYNTAX: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "null",
    "0",
    "1.5",
    "-",
    "\\u0000",
    "\\",
    "[]",
    "{}",
    "\"nonce\":",
    "\"arch\":",
    "\"evidence\":",
    "\"certificate\":",
    "\"report\":",
    "\"chain\":",
    "\"devices\":",
    "\"evidences\":",
    "\"evidence_list\":",
    "\"device_evidence_list\":",
    "\"result_code\":",
    "\"HOPPER\"",
    "\"11e001ff\"",
    "\"\"",
    "{\"a\":1,\"a\":1}",
];

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => select(SYNTAX).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..5),
    ];
    let change = (any::<Index>(), 0_usize..60, piece);
    (select(&FORMS[..]), vec(change, 1..5)).prop_map(|(form, changes)| {
        let mut text = good(form).to_string().into_bytes();
        for (at, removed, piece) in changes {
            let at = at.index(text.len() + 1);
            let end = text.len().min(at + removed % 20);
            // Two thirds of the changes insert or replace; the rest only remove.
            let piece = if removed < 40 { piece } else { Vec::new() };
            text.splice(at..end, piece);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the bytes, there is an answer, and what is accepted holds what a plain reader finds there.
    #[test]
    fn never_panics_and_never_invents(text in mutated()) {
        match read(&text) {
            Err(reasons) => prop_assert!(!reasons.is_empty()),
            Ok(evidence) => {
                let document: Value = serde_json::from_slice(&text).unwrap();
                let list = match evidence.form.shape().list {
                    Some(name) => &document[name],
                    None => &document,
                };
                let given: Vec<_> = match evidence.form {
                    Form::NvattestSystem => [&list[0], &list[1]]
                        .into_iter()
                        .flat_map(|list| list.as_array().unwrap())
                        .collect(),
                    _ => list.as_array().unwrap().iter().collect(),
                };
                prop_assert_eq!(given.len(), evidence.devices.len());
                let shape = evidence.form.shape();
                for (given, device) in given.into_iter().zip(&evidence.devices) {
                    let written = |name: &str| given[name].as_str().unwrap().to_owned();
                    prop_assert_eq!(base64(&device.chain_pem), written(shape.chain));
                    let report = written(shape.report);
                    let hexadecimal = report.eq_ignore_ascii_case(&hex::encode(&device.report));
                    let allowed = evidence.form == Form::Trustee && hexadecimal;
                    prop_assert!(allowed || report == base64(&device.report));
                }
            }
        }
    }

    #[test]
    fn noise_is_refused(noise in vec(any::<u8>(), 0..200)) {
        prop_assert!(read(&noise).is_err());
    }

    /// What is written as our agent writes it is read as it was.
    #[test]
    fn form_1_is_read_as_written(
        nonce in any::<[u8; 32]>(),
        devices in vec((arch(), vec(any::<u8>(), 0..300), vec(any::<u8>(), 0..300)), 1..6),
    ) {
        #[derive(Serialize)]
        struct Written {
            arch: Architecture,
            nonce: Hex<32>,
            evidence: Blob,
            certificate: Blob,
        }
        let written = devices.iter().cloned().map(|(arch, report, chain)| Written {
            arch,
            nonce: Hex(nonce),
            evidence: Blob(report),
            certificate: Blob(chain),
        });
        let text = serde_json::to_vec_pretty(&written.collect::<Vec<_>>()).unwrap();
        let evidence = read(&text).unwrap();
        prop_assert_eq!(evidence.form, Form::NvattestArray);
        prop_assert_eq!(evidence.nonce, Some(nonce));
        let read = evidence.devices.into_iter();
        let read = read.map(|device| (device.claimed.unwrap(), device.report, device.chain_pem));
        prop_assert_eq!(read.collect::<Vec<_>>(), devices);
    }
}

fn arch() -> impl Strategy<Value = Architecture> {
    select(
        &[
            Architecture::Hopper,
            Architecture::Blackwell,
            Architecture::Ls10,
        ][..],
    )
}
