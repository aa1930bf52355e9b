//! Which form a document has, and what each form demands.

use std::fmt;

use serde::{Serialize, Serializer};

use super::json::Json;
use super::node::{Node, Read, legible};
use crate::reason::{Code, Reason};

/// A form of serialised evidence (see the table in the [module documentation](super)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// NVIDIA's C++ SDK: what `nvattest` reads from a file and our agent writes.
    NvattestArray,
    /// Two such arrays in one: the GPUs of a system and its switches, which the SDK has in a file each.
    NvattestSystem,
    /// What `nvattest collect-evidence --format json` prints.
    NvattestOutput,
    /// NVIDIA's Python SDK, GPUs.
    PythonSdkGpu,
    /// NVIDIA's Python SDK, switches.
    PythonSdkSwitch,
    /// The body of a request to NVIDIA's Remote Attestation Service, version 3 or 4.
    NrasRequest,
    /// Confidential Containers' Trustee.
    Trustee,
    /// Our own, as `POST /v1/verify` takes it.
    Pogw,
}

/// What a form is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// The member that lists the devices; `None` where the document is the list.
    pub(super) list: Option<&'static str>,
    /// The member of a device that holds its report.
    pub(super) report: &'static str,
    /// The member of a device that holds its chain.
    pub(super) chain: &'static str,
    /// Where the form demands a nonce.
    pub(super) nonce: StatedBy,
    /// Where the form demands an architecture.
    pub(super) arch: StatedBy,
}

/// Who has to state something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatedBy {
    Document,
    EachDevice,
    Nobody,
}

/// Members of the document that only one form has.
const MARKS: [(&str, Form); 5] = [
    ("evidences", Form::NvattestOutput),
    ("result_code", Form::NvattestOutput),
    ("evidence_list", Form::NrasRequest),
    ("device_evidence_list", Form::Trustee),
    ("devices", Form::Pogw),
];

const KNOWN_FORMS: &str = "evidence of nvattest (a list of devices, its wrapper, or two lists in one: GPUs and switches), \
    the Python SDK, an NRAS request, Trustee or PoGW";

/// A list of GPUs and one of switches.
const LISTS_OF_A_SYSTEM: usize = 2;

/// Most names of members repeated in a reason.
const MAX_NAMES: usize = 8;

impl Form {
    /// The form of a document, told by its shape alone.
    pub(super) fn recognise(document: Node<'_>) -> Read<Self> {
        match document.json() {
            Json::Array(_) => Self::of_array(document),
            Json::Object(_) => Self::of_object(document),
            _ => unknown(document, document.kind()),
        }
    }

    fn of_object(document: Node<'_>) -> Read<Self> {
        let marks = MARKS.iter().filter(|(name, _)| document.has(name));
        let mut forms: Vec<_> = marks.map(|(_, form)| *form).collect();
        forms.dedup();
        match forms.as_slice() {
            [form] => Ok(*form),
            [] => {
                let names = document.names().take(MAX_NAMES).map(legible);
                let names: Vec<_> = names.collect();
                unknown(document, &format!("an object of [{}]", names.join(", ")))
            }
            several => {
                let several: Vec<_> = several.iter().map(|form| form.as_str()).collect();
                let reason = Reason::new(Code::FormAmbiguous, "has the lists of several forms")
                    .expected("one form")
                    .actual(several.join(", "));
                document.refuse(reason)
            }
        }
    }

    fn of_array(document: Node<'_>) -> Read<Self> {
        let mut elements = document.elements()?.peekable();
        if elements.peek().is_none() {
            return document.refuse(Reason::new(Code::DeviceMissing, "lists no device"));
        }
        let [mut evidence, mut nonce, mut arch] = [false; 3];
        let mut lists = 0;
        for element in elements {
            let element = element.node();
            let is_list = matches!(element.json(), Json::Array(_));
            lists = usize::saturating_add(lists, is_list.into());
            evidence |= element.has("evidence") || element.has("certificate");
            nonce |= element.has("nonce");
            arch |= element.has("arch");
        }
        match (evidence, nonce, arch) {
            (true, true, _) => Ok(Self::NvattestArray),
            (true, false, true) => Ok(Self::PythonSdkGpu),
            (true, false, false) => Ok(Self::PythonSdkSwitch),
            (false, _, _) if lists == document.elements()?.len() => Self::of_lists(document, lists),
            (false, _, _) => unknown(document, "an array without evidence"),
        }
    }

    fn of_lists(document: Node<'_>, lists: usize) -> Read<Self> {
        match lists {
            LISTS_OF_A_SYSTEM => Ok(Self::NvattestSystem),
            1 => unknown(document, "an array of one array"),
            several => unknown(document, &format!("an array of {several} arrays")),
        }
    }

    pub(super) const fn shape(self) -> Shape {
        use StatedBy::{Document, EachDevice, Nobody};
        let (list, nonce, arch) = match self {
            Self::NvattestArray | Self::NvattestSystem => (None, EachDevice, EachDevice),
            Self::NvattestOutput => (Some("evidences"), EachDevice, EachDevice),
            Self::PythonSdkGpu => (None, Nobody, EachDevice),
            Self::PythonSdkSwitch => (None, Nobody, Nobody),
            Self::NrasRequest => (Some("evidence_list"), Document, Document),
            Self::Trustee => (Some("device_evidence_list"), Nobody, EachDevice),
            Self::Pogw => (Some("devices"), Document, Nobody),
        };
        let (report, chain) = match self {
            Self::Pogw => ("report", "chain"),
            _ => ("evidence", "certificate"),
        };
        Shape {
            list,
            report,
            chain,
            nonce,
            arch,
        }
    }

    /// The word in logs and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NvattestArray => "nvattest_array",
            Self::NvattestSystem => "nvattest_system",
            Self::NvattestOutput => "nvattest_output",
            Self::PythonSdkGpu => "python_sdk_gpu",
            Self::PythonSdkSwitch => "python_sdk_switch",
            Self::NrasRequest => "nras_request",
            Self::Trustee => "trustee",
            Self::Pogw => "pogw",
        }
    }
}

fn unknown<T>(document: Node<'_>, actual: &str) -> Read<T> {
    let reason = Reason::new(Code::FormUnknown, "is no known form of evidence")
        .expected(KNOWN_FORMS)
        .actual(actual);
    document.refuse(reason)
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
