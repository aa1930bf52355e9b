//! What the text of a PTX module may contain, so that its results depend on its arguments alone.
//!
//! In scope: rules that reading can hold. Out of scope: whether an assembler takes the text, and what it makes of it:
//! `kernels/ptx/check`.
//!
//! Floating point is a list of what is allowed. PTX ISA 8.0 fixes the result of each of these to the bit: rounded to
//! nearest, ties to even, subnormal numbers kept, no operation fused with another. An assembler may fuse `mul` and `add`
//! that name no rounding, and leaves those alone that do (PTX ISA, floating-point instructions, `add`).

use std::collections::BTreeSet;

use kernels::program::Target;

/// A rule, by the name under which `ptx/testdata` expects it.
type Rule = (&'static str, fn(&Text<'_>) -> bool);

/// Every rule; each says whether a text breaks it.
pub(crate) const RULES: &[Rule] = &[
    ("isa_version", |text| text.directive(".version") != ["8.0"]),
    ("target", |text| {
        text.directive(".target") != [architecture(text.target)]
    }),
    ("address_size", |text| {
        text.directive(".address_size") != ["64"]
    }),
    ("external", |text| {
        text.has_directive(&[".extern", ".weak", ".common", ".alias"])
    }),
    ("debug_information", |text| text.tells_of_its_making()),
    ("machine_dependent", |text| {
        text.words().any(is_machine_dependent)
    }),
    ("approximate", |text| text.any(is_approximate)),
    ("flush_to_zero", |text| {
        text.any(|parts| parts.contains(&"ftz"))
    }),
    ("float_atomic", |text| {
        text.any(|parts| is_atomic(parts) && is_float(parts))
    }),
    ("rounding", |text| text.any(is_rounded_otherwise)),
    ("float_instruction", |text| {
        text.any(|parts| is_unknown_float(parts, text.target))
    }),
];

/// The rules that a text breaks. One that breaks a rule of its own is not counted as an unknown instruction too.
pub(crate) fn broken(ptx: &str, target: Target) -> BTreeSet<&'static str> {
    let text = Text::of(ptx, target);
    RULES
        .iter()
        .filter(|(_, breaks)| breaks(&text))
        .map(|(code, _)| *code)
        .collect()
}

const fn architecture(target: Target) -> &'static str {
    match target {
        Target::Portable => "sm_80",
        Target::Sm90a => "sm_90a",
    }
}

/// A module, taken apart.
pub(crate) struct Text<'a> {
    target: Target,
    /// The text without comments.
    bare: String,
    original: &'a str,
}

impl<'a> Text<'a> {
    pub(crate) fn of(original: &'a str, target: Target) -> Self {
        let bare = original
            .lines()
            .map(|line| line.split("//").next().unwrap_or(""));
        let bare = bare.collect::<Vec<_>>().join("\n");
        Self {
            target,
            bare,
            original,
        }
    }

    /// Names of the functions that a driver can launch.
    pub(crate) fn entries(&self) -> BTreeSet<String> {
        let names = self
            .bare
            .lines()
            .filter_map(|line| line.strip_prefix(".visible .entry "));
        names
            .map(|rest| rest.trim_end_matches(['(', ' ']).to_owned())
            .collect()
    }

    /// What stands behind every use of a directive.
    fn directive(&self, name: &str) -> Vec<&str> {
        let lines = self.bare.lines().filter_map(|line| line.strip_prefix(name));
        lines.map(str::trim).collect()
    }

    fn has_directive(&self, names: &[&str]) -> bool {
        self.words().any(|word| names.contains(&word))
    }

    /// Paths and lines of sources. The first line alone is a comment, and names no folder but the crate's own.
    fn tells_of_its_making(&self) -> bool {
        let comments = self
            .original
            .lines()
            .skip(1)
            .any(|line| line.contains("//"));
        comments || self.bare.contains('/') || self.has_directive(&[".file", ".loc", ".section"])
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.bare
            .split(|c: char| c.is_whitespace() || ",;(){}[]+".contains(c))
    }

    /// The dotted parts of every instruction's name: `add.rn.f32` is `add`, `rn`, `f32`.
    fn any(&self, rule: impl Fn(&[&str]) -> bool) -> bool {
        self.bare
            .split([';', '{', '}', '\n'])
            .filter_map(name)
            .any(|name| rule(&name.split('.').collect::<Vec<_>>()))
    }
}

/// The name of an instruction, behind its label and guard; nothing for directives and pieces of operands.
fn name(statement: &str) -> Option<&str> {
    let behind_label = match statement.split_once(':') {
        // Two colons are part of a name: `fence.proxy.async.shared::cta`.
        Some((_, rest)) if !rest.starts_with(':') => rest,
        _ => statement,
    };
    let mut words = behind_label.split_whitespace();
    let first = words.next()?;
    let name = if first.starts_with('@') {
        words.next()?
    } else {
        first
    };
    name.starts_with(|c: char| c.is_ascii_lowercase())
        .then_some(name)
}

/// Values that differ from one device, one moment or one run to the next. `%tid`, `%ctaid` and their like do not.
fn is_machine_dependent(word: &str) -> bool {
    const REGISTERS: &[&str] = &[
        "%smid",
        "%nsmid",
        "%warpid",
        "%nwarpid",
        "%gridid",
        "%clock",
        "%globaltimer",
        "%pm",
        "%envreg",
        "%total_smem_size",
        "%dynamic_smem_size",
    ];
    REGISTERS.iter().any(|register| word.starts_with(register)) || word.starts_with("activemask")
}

/// Results that a generation may compute in its own way.
fn is_approximate(parts: &[&str]) -> bool {
    const FUNCTIONS: &[&str] = &["ex2", "lg2", "sin", "cos", "tanh", "rsqrt"];
    FUNCTIONS.contains(&parts[0]) || parts.iter().any(|part| ["approx", "full"].contains(part))
}

fn is_atomic(parts: &[&str]) -> bool {
    ["atom", "red"].contains(&parts[0])
}

fn is_float(parts: &[&str]) -> bool {
    const TYPES: &[&str] = &[
        "f16", "f16x2", "bf16", "bf16x2", "tf32", "f32", "f32x2", "f64", "e4m3", "e5m2",
    ];
    parts.iter().any(|part| TYPES.contains(part))
}

/// Arithmetic in single precision without a rounding, or with another than to nearest.
fn is_rounded_otherwise(parts: &[&str]) -> bool {
    const ROUNDED: &[&str] = &["add", "sub", "mul", "fma", "mad", "div", "rcp", "sqrt"];
    ROUNDED.contains(&parts[0])
        && parts.contains(&"f32")
        && !parts.contains(&"rn")
        && !is_approximate(parts)
}

/// Floating point that neither is on the list nor breaks a rule of its own.
fn is_unknown_float(parts: &[&str], target: Target) -> bool {
    let told = is_approximate(parts)
        || is_atomic(parts)
        || is_rounded_otherwise(parts)
        || parts.contains(&"ftz");
    is_float(parts) && !told && !is_exact(parts) && !is_specified_product(parts, target)
}

fn is_exact(parts: &[&str]) -> bool {
    match parts {
        ["ld" | "st" | "mov" | "selp", ..] => true,
        [
            "add" | "sub" | "mul" | "fma" | "div" | "rcp" | "sqrt",
            "rn",
            "f32",
        ] => true,
        // Of two zeros the positive one is the greater, and a NaN is passed over.
        ["abs" | "neg" | "copysign" | "min" | "max", "f32"] => true,
        ["setp", _, "f32"] | ["setp", _, "and" | "or" | "xor", "f32"] => true,
        ["cvt", "rni" | "rzi" | "rmi" | "rpi", "f32", "f32"] => true,
        ["cvt", "rni" | "rzi" | "rmi" | "rpi", integer, "f32"] | ["cvt", "rn", "f32", integer] => {
            is_integer(integer)
        }
        ["cvt", "rn", "bf16" | "bf16x2", "f32"] => true,
        _ => false,
    }
}

fn is_integer(part: &str) -> bool {
    ["8", "16", "32", "64"]
        .iter()
        .any(|bits| part.strip_prefix(['s', 'u']) == Some(bits))
}

/// The product of tensor cores in floating point that has a specification: bfloat16 on Hopper.
fn is_specified_product(parts: &[&str], target: Target) -> bool {
    let form = matches!(
        parts,
        [
            "wgmma",
            "mma_async",
            "sync",
            "aligned",
            _,
            "f32",
            "bf16",
            "bf16"
        ]
    );
    form && target == Target::Sm90a
}
