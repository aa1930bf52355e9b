//! Whatever the bytes, a parser answers: it reads them or says what is wrong, and never panics.
//!
//! Each parser sees noise, and good input after random changes as an attacker or a bad disk would make them. Where a
//! serializer exists, what it writes is read back as it was.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use attestation_agent::device::simulated::{Block, ReportSpec, Tlv};
use evidence::cert::{CertificateChain, ChainProfile, TrustAnchors};
use evidence::device::{Architecture, DeviceKind};
use evidence::report::{Report, ReportReading};
use evidence::rim::Rim;
use evidence::work::{
    Base64Url, Blob, Bundle, BundleDevice, Hex, JobSpec, KernelRef, OutputCommitment, Profile,
    StrictValue, Timing, UnsignedBundle, WorkStatement, canonical_json,
};
use evidence::{Expires, UnixTime};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Value, json};
use tests::forge::{Forged, stranger_key};

/// Cheap parsers get more cases.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

//------------ Changes ---------------------------------------------------------

/// One change to good bytes.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Truncate(Index),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Duplicate(Index, usize, Index),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        let span = |from: &Index, count: usize| {
            let from = from.index(length);
            from..length.min(from + count)
        };
        match self {
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Self::Set(at, byte) => bytes[at.index(length)] = *byte,
            Self::Truncate(at) => bytes.truncate(at.index(length)),
            Self::Remove(from, count) => drop(bytes.drain(span(from, *count))),
            Self::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Duplicate(from, count, to) => {
                let copy = bytes[span(from, *count)].to_vec();
                let to = to.index(length);
                bytes.splice(to..to, copy);
            }
        }
    }
}

/// One to four changes; `syntax` is what the format is made of, so that some get past the first rules.
fn changes(syntax: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<Change>> {
    let index = any::<Index>;
    let inserted = prop_oneof![
        4 => select(syntax).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 1..9),
    ];
    let byte = prop_oneof![
        Just(0),
        Just(1),
        Just(0x7f),
        Just(0x80),
        Just(0xff),
        any::<u8>()
    ];
    let change = prop_oneof![
        4 => (index(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        2 => (index(), byte).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => index().prop_map(Change::Truncate),
        1 => (index(), 1_usize..100).prop_map(|(from, count)| Change::Remove(from, count)),
        2 => (index(), inserted).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (index(), 1_usize..400, index())
            .prop_map(|(from, count, to)| Change::Duplicate(from, count, to)),
    ];
    vec(change, 1..5)
}

fn changed(good: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for change in changes {
        change.apply(&mut bytes);
    }
    bytes
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..64), vec(any::<u8>(), 0..6000)]
}

//------------ Reports ---------------------------------------------------------

static REPORTS: LazyLock<[(DeviceKind, Vec<u8>); 2]> = LazyLock::new(|| {
    [
        (DeviceKind::Gpu, Forged::gpu().report_bytes()),
        (DeviceKind::Switch, Forged::switch().report_bytes()),
    ]
});

const REPORT_SYNTAX: &[&[u8]] = &[
    &[0x11, 0xe0],
    &[0x11, 0x60],
    &[1, 1, 51, 0, 1, 48, 0],
    &[1, 1, 3, 0, 1, 0, 0],
    &[20, 0, 48, 0],
    &[34, 0, 2, 0, 1, 0],
    &[255, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff],
];

/// What a reading promises: something is read or a reason is given, and a report is never both whole and refused.
fn consistent(raw: &[u8], kind: DeviceKind) -> Result<(), TestCaseError> {
    let ReportReading { report, reasons } = Report::read(raw, kind);
    prop_assert!(report.is_some() || !reasons.is_empty());
    let parsed = Report::parse(raw, kind);
    prop_assert_eq!(parsed.is_ok(), reasons.is_empty());
    if let Some(report) = report {
        let report = report.peek();
        prop_assert_eq!(&report.nonce()[..], &raw[4..36]);
        let opaque = report.opaque();
        // Every question has an answer.
        let _ = (
            opaque.driver_version(),
            opaque.gpu_vbios_version(),
            opaque.nvdec0(),
        );
        let _ = (opaque.version(), opaque.feature_flag(), opaque.chip_info());
        let _ = (0..=u8::MAX)
            .filter_map(|index| report.measurement(index))
            .count();
    }
    Ok(())
}

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
    #![proptest_config(cases(6000))]

    #[test]
    fn reports_of_noise(raw in noise()) {
        consistent(&raw, DeviceKind::Gpu)?;
        consistent(&raw, DeviceKind::Switch)?;
    }

    #[test]
    fn reports_after_changes(which in 0_usize..2, changes in changes(REPORT_SYNTAX)) {
        let (_, good) = &REPORTS[which];
        let raw = changed(good, &changes);
        consistent(&raw, DeviceKind::Gpu)?;
        consistent(&raw, DeviceKind::Switch)?;
    }
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

//------------ Chains ----------------------------------------------------------

static CHAIN: LazyLock<Vec<u8>> = LazyLock::new(|| Forged::gpu().chain_pem());
static DERS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| Forged::gpu().chain.ders());

const PEM_SYNTAX: &[&[u8]] = &[
    b"-----BEGIN CERTIFICATE-----\n",
    b"-----END CERTIFICATE-----\n",
    b"-----BEGIN PRIVATE KEY-----\n",
    b"-----",
    b"\r\n",
    b"\n\n",
    b"=",
    b"A: b\n",
    b"\0",
];

const DER_SYNTAX: &[&[u8]] = &[
    &[0x30, 0],
    &[0x30, 0x80],
    &[0x30, 0x82, 0xff, 0xff],
    &[0x31, 3, 0x30, 1, 0],
    &[0xa3, 2, 0x30, 0],
    &[0x06, 3, 0x55, 29, 19],
    &[0x06, 6, 0x67, 0x81, 5, 5, 4, 1],
    &[0x17, 13],
    &[0x03, 1, 0],
    &[0x84, 0xff, 0xff, 0xff, 0xff],
];

/// Reading, judging and asking for the time, of whatever could be read.
fn judged(pem: &[u8]) -> Result<(), TestCaseError> {
    let nobody = TrustAnchors::default();
    let examined = CertificateChain::examine(pem, ChainProfile::Device, &nobody);
    let reasons = examined.reasons_at(UnixTime::from_secs(0));
    prop_assert!(!reasons.is_empty(), "nobody is trusted");
    let chain = CertificateChain::from_pem(pem);
    prop_assert_eq!(chain.is_ok(), examined.peek().is_some());
    for certificate in examined
        .peek()
        .into_iter()
        .flat_map(CertificateChain::certificates)
    {
        let _ = (
            certificate.common_name(),
            certificate.fwid(),
            certificate.serial_decimal(),
        );
        prop_assert!(!certificate.der().is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn chains_of_noise(pem in noise()) {
        judged(&pem)?;
    }

    #[test]
    fn chains_after_changes_of_their_text(changes in changes(PEM_SYNTAX)) {
        judged(&changed(&CHAIN, &changes))?;
    }

    #[test]
    fn chains_after_changes_of_a_certificate(which in 0_usize..5, changes in changes(DER_SYNTAX)) {
        let mut ders = DERS.clone();
        ders[which] = changed(&ders[which], &changes);
        if let Ok(chain) = CertificateChain::from_ders(ders.iter().map(Vec::as_slice)) {
            let refuted = chain.authenticate(ChainProfile::Device, &TrustAnchors::default());
            let refuted = refuted.expect_err("nobody is trusted");
            prop_assert!(!refuted.reasons.is_empty());
            let _ = refuted.value.peek().reasons_at(UnixTime::from_secs(i64::MAX));
            let _ = refuted.value.peek().reasons_at(UnixTime::from_secs(i64::MIN));
        }
    }

    #[test]
    fn certificates_of_noise(der in noise()) {
        prop_assert!(CertificateChain::from_ders([&der[..]]).is_err());
    }
}

//------------ Manifests -------------------------------------------------------

static RIM: LazyLock<Vec<u8>> = LazyLock::new(|| Forged::gpu().driver().document());

const XML_SYNTAX: &[&[u8]] = &[
    b"<",
    b">",
    b"/>",
    b"\"",
    b"=",
    b"&",
    b"&amp;",
    b"<!",
    b"<?",
    b"<!--",
    b"]]>",
    b"<a>",
    b"</a>",
    b" xmlns=\"\"",
    b" xmlns:a=\"b\"",
    b" xml:id=\"a\"",
    b"ns0:",
    b" index=\"1\"",
    b"\n",
    b"\t",
];

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn manifests_of_noise(xml in noise()) {
        prop_assert!(Rim::parse(&xml).is_err());
    }

    #[test]
    fn manifests_after_changes(changes in changes(XML_SYNTAX)) {
        let xml = changed(&RIM, &changes);
        match Rim::parse(&xml) {
            Ok(rim) => {
                let refuted = rim.authenticate(&TrustAnchors::default());
                prop_assert!(!refuted.expect_err("nobody is trusted").reasons.is_empty());
            }
            Err(reasons) => prop_assert!(!reasons.is_empty()),
        }
    }
}

//------------ Bundles and JSON ------------------------------------------------

static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| {
    let job = json!({
        "profile": "pogw/1",
        "kernel": "gemm_i8",
        "params": { "m": 4, "nested": [1, null, { "a": "\u{20ac}" }] },
        "checks": ["freivalds"],
        "label": "order 1",
    });
    let job: JobSpec = serde_json::from_value(job).expect("a job");
    let statement = WorkStatement {
        profile: Profile::V1,
        job: job.digest().expect("a digest"),
        challenge: Base64Url([1; 32]),
        agent_key: Base64Url([2; 32]),
        kernel: KernelRef {
            name: "gemm_i8".to_owned(),
            spec: Hex([3; 32]),
            module: Some(Hex([4; 32])),
        },
        outputs: vec![OutputCommitment {
            name: "c".to_owned(),
            len: 64,
            blake3: Hex([5; 32]),
        }],
        executor: "cpu-reference".to_owned(),
        timing: Timing {
            started_at_ms: 1_780_272_000_000,
            run_us: 10,
            digest_us: 1,
        },
        telemetry: BTreeMap::from([("power_mw".to_owned(), -1)]),
    };
    let device = BundleDevice {
        arch: Architecture::Hopper,
        report: Blob(vec![6; 100]),
        chain: Blob(vec![7; 100]),
    };
    let unsigned = UnsignedBundle {
        job,
        statement,
        devices: vec![device],
        inputs: BTreeMap::from([("a".to_owned(), Blob(vec![8; 10]))]),
        outputs: BTreeMap::from([("c".to_owned(), Blob(vec![]))]),
    };
    unsigned.sign(|_| [9; 64]).expect("a bundle")
});
static BUNDLE_JSON: LazyLock<Vec<u8>> =
    LazyLock::new(|| serde_json::to_vec(&*BUNDLE).expect("JSON"));

const JSON_SYNTAX: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"1e400",
    b"-0",
    b"0.5",
    b"9007199254740993",
    b"\"profile\":\"pogw/1\",",
    b"\"a\":1,",
    b" ",
    b"\0",
];

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
    assert_eq!(Bundle::parse(&BUNDLE_JSON).expect("a bundle"), *BUNDLE);
}

proptest! {
    #![proptest_config(cases(6000))]

    #[test]
    fn bundles_of_noise(json in noise()) {
        prop_assert!(Bundle::parse(&json).is_err());
    }

    /// What is read after changes is written and read again as the same.
    #[test]
    fn bundles_after_changes(changes in changes(JSON_SYNTAX)) {
        let json = changed(&BUNDLE_JSON, &changes);
        if let Ok(bundle) = Bundle::parse(&json) {
            let again = serde_json::to_vec(&bundle).expect("JSON");
            prop_assert_eq!(Bundle::parse(&again).expect("a bundle"), bundle);
        }
    }

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
