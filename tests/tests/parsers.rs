//! What is written is read back as it was, and nothing has two spellings.
//!
//! Inputs are made, not changed: what parsers hold whatever the bytes is the test `fuzz`.

use attestation_agent::device::simulated::{Block, ReportSpec, Tlv};
use evidence::device::DeviceKind;
use evidence::report::Report;
use evidence::work::{Base64Url, Blob, Bundle, Hex, StrictValue, canonical_json};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use tests::forge::stranger_key;
use tests::fuzz::seeds::bundle;

/// Cheap parsers get more cases.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

//------------ Reports ---------------------------------------------------------

/// Reports a device could write: distinct indexes, the fields a GPU must have, others as they come.
fn reports() -> impl Strategy<Value = ReportSpec> {
    let indexes = subsequence((1..=u8::MAX).collect::<Vec<_>>(), 1..=255);
    let blocks = indexes.prop_shuffle().prop_flat_map(|indexes| {
        let content = (any::<u8>(), vec(any::<u8>(), 0..50));
        vec(content, indexes.len()).prop_map(move |contents| {
            let blocks = indexes.iter().zip(contents);
            let blocks = blocks.map(|(index, (value_type, value))| Block {
                index: *index,
                value_type,
                value,
                ..Block::digest(0, [0; 48])
            });
            blocks.collect::<Vec<_>>()
        })
    });
    let messages = (
        any::<[u8; 32]>(),
        any::<[u8; 32]>(),
        any::<[u8; 2]>(),
        vec(any::<u8>(), 96),
    );
    (blocks, opaque(), messages).prop_map(|(blocks, opaque, messages)| {
        let (nonce, responder_nonce, [response_param1, response_param2], signature) = messages;
        ReportSpec {
            nonce,
            responder_nonce,
            response_param1,
            response_param2,
            blocks,
            opaque,
            signature: Some(signature),
            ..ReportSpec::default()
        }
    })
}

fn opaque() -> impl Strategy<Value = Vec<Tlv>> {
    let text = "[!-~]([ -~]{0,9}[!-~])?\0{0,3}";
    let text = |id: u16| text.prop_map(move |text: String| Tlv::new(id, text));
    let bytes = |id: u16, length| vec(any::<u8>(), length).prop_map(move |it| Tlv::new(id, it));
    let required = (
        text(3),
        bytes(6, 8..=8),
        bytes(11, 1..=1),
        text(15),
        text(17),
        text(18),
    );
    let required = required.prop_map(|(a, b, c, d, e, f)| vec![a, b, c, d, e, f]);
    let counters = vec(any::<[u8; 4]>(), 0..70).prop_map(|it| Tlv::new(12, it.concat()));
    let version = (0_u8..=1, 0_usize..8);
    let version =
        version.prop_map(|(it, zeros)| Tlv::new(34, [&[it][..], &vec![0; zeros]].concat()));
    let optional = (
        bytes(4, 0..=19),
        counters,
        text(16),
        bytes(20, 48..=48),
        bytes(21, 1..=1),
        version,
        text(35),
        bytes(36, 1..=8),
        bytes(255, 0..=4),
    );
    let optional = optional.prop_map(|(a, b, c, d, e, f, g, h, i)| vec![a, b, c, d, e, f, g, h, i]);
    let some = optional.prop_flat_map(|all| subsequence(all, 0..=9));
    let all = (required, some).prop_map(|(required, some)| [required, some].concat());
    all.prop_shuffle()
}

proptest! {
    #![proptest_config(cases(2000))]

    /// parse ∘ serialize = id.
    #[test]
    fn reports_are_read_as_they_were_written(spec in reports()) {
        let raw = spec.build(&stranger_key()).expect("bytes");
        let report = Report::parse(&raw, DeviceKind::Gpu);
        let report = report.map_err(|reasons| TestCaseError::fail(format!("{reasons:#?}")))?;
        let report = report.peek();
        prop_assert_eq!(report.nonce(), &spec.nonce);
        prop_assert_eq!(report.responder_nonce(), &spec.responder_nonce);
        let blocks: Vec<_> = report.blocks().iter().map(|it| (it.index, it.value_type, &it.value)).collect();
        let written: Vec<_> = spec.blocks.iter().map(|it| (it.index, it.value_type, &it.value)).collect();
        prop_assert_eq!(blocks, written);
        let fields: Vec<_> = report.opaque().fields().collect();
        let written: Vec<_> = spec.opaque.iter().map(|it| (it.id, &it.value[..])).collect();
        prop_assert_eq!(fields, written);
        prop_assert_eq!(evidence::report::requester_nonce(&raw), Some(&spec.nonce[..]));
        let signature = spec.signature.as_deref().unwrap_or_default();
        prop_assert_eq!(evidence::report::signed_part(&raw).expect("two parts").1, signature);
    }

    /// What a report says through its accessors is what was written.
    #[test]
    fn fields_mean_what_they_say(spec in reports()) {
        let raw = spec.build(&stranger_key()).expect("bytes");
        let report = Report::parse(&raw, DeviceKind::Gpu).expect("a good report");
        let opaque = report.peek().opaque();
        let written = |id: u16| spec.opaque.iter().find(|it| it.id == id).map(|it| &it.value[..]);
        let text = |id: u16| written(id).map(|it| String::from_utf8_lossy(it).trim_end_matches('\0').to_owned());
        prop_assert_eq!(opaque.driver_version().map(str::to_owned), text(3));
        prop_assert_eq!(opaque.chip_sku().map(str::to_owned), text(15));
        prop_assert_eq!(opaque.project().map(str::to_owned), text(17));
        prop_assert_eq!(opaque.project_sku().map(str::to_owned), text(18));
        prop_assert_eq!(opaque.chip_info().map(str::to_owned), text(35));
        prop_assert_eq!(opaque.fwid(), written(20));
        let shifted = |sum, digit: &u8| sum << 8 | u64::from(*digit);
        let number = |id: u16| written(id).map(|it| it.iter().rev().fold(0_u64, shifted));
        prop_assert_eq!(opaque.version(), number(34));
        prop_assert_eq!(opaque.feature_flag(), number(36));
        for index in 0..=u8::MAX {
            let block = spec.blocks.iter().find(|it| u16::from(it.index) == u16::from(index) + 1);
            let value = report.peek().measurement(index).map(|it| &it.value);
            prop_assert_eq!(value, block.map(|it| &it.value));
        }
    }
}

//------------ Bundles and JSON ------------------------------------------------

/// JSON that has one reading: no fractions, no integers beyond 2^53 − 1.
fn strict_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Texts that are often, nearly or never the spelling of four bytes.
const SPELLINGS: &[&str] = &[
    "[0-9a-f]{8}",
    "[0-9a-fA-F]{7,9}",
    "[A-Za-z0-9_-]{6}",
    "[A-Za-z0-9+/=_ -]{5,8}",
    "\\PC*",
];

#[test]
fn a_bundle_is_read_as_it_was_written() {
    let json = serde_json::to_vec(&bundle()).expect("JSON");
    assert_eq!(Bundle::parse(&json).expect("a bundle"), bundle());
}

proptest! {
    #![proptest_config(cases(6000))]

    #[test]
    fn strict_values_of_noise(text in "\\PC*") {
        let _ = serde_json::from_str::<StrictValue>(&text);
    }

    /// The canonical form of a canonical form is itself, and nothing is lost on the way.
    #[test]
    fn strict_values_have_one_form(value in strict_values()) {
        let strict = StrictValue::new(&value).expect("a strict value");
        prop_assert_eq!(strict.as_value(), &value);
        let canonical = canonical_json(&value).expect("canonical");
        let again: StrictValue = serde_json::from_slice(&canonical).expect("a strict value");
        prop_assert_eq!(again.as_value(), &value);
        prop_assert_eq!(canonical_json(&again).expect("canonical"), canonical);
    }

    /// A fraction is refused wherever it stands.
    #[test]
    fn fractions_are_refused(value in strict_values(), fraction in any::<f64>()) {
        let fraction = Value::from(fraction);
        prop_assume!(fraction.is_number());
        let (in_array, in_object) = (json!([value, fraction]), json!({ "a": fraction }));
        prop_assert!(StrictValue::new(&in_array).is_err());
        prop_assert!(StrictValue::new(&in_object).is_err());
    }

    /// One spelling each: what is read is written in the very same letters.
    #[test]
    fn bytes_have_one_spelling(text in select(SPELLINGS).prop_flat_map(|it| it)) {
        if let Some(hex) = Hex::<4>::parse(&text) {
            prop_assert_eq!(hex.to_string(), text.clone());
        }
        if let Some(base64) = Base64Url::<4>::parse(&text) {
            prop_assert_eq!(base64.to_string(), text.clone());
        }
        let quoted = Value::from(text.clone()).to_string();
        if let Ok(blob) = serde_json::from_str::<Blob>(&quoted) {
            prop_assert_eq!(serde_json::to_string(&blob).expect("JSON"), quoted);
        }
    }

    #[test]
    fn bytes_are_read_as_they_were_written(bytes in any::<[u8; 32]>(), blob in vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(Hex::parse(&Hex(bytes).to_string()), Some(Hex(bytes)));
        prop_assert_eq!(Base64Url::parse(&Base64Url(bytes).to_string()), Some(Base64Url(bytes)));
        let json = serde_json::to_string(&Blob(blob.clone())).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Blob>(&json).expect("a blob"), Blob(blob));
    }
}
