//! What the result of a builtin can come to, from its arguments alone: never less than it takes, and no more than a small
//! multiple of it for what policies do.
//!
//! A builtin that is not named here is not for policies, so that one which the engine gains is refused until it has been
//! looked at. Left out on purpose: `rand.intn`, by which a receipt would be granted by lot and nobody could repeat it;
//! `regex.template_match`, in which the engine panics; `units.parse` and `units.parse_bytes`, which write an exponent out as
//! an integer; `trace`, which would write to a log.

use regorus::Value;

/// Bytes at most, and `None` where they are more than the second argument.
pub(super) type Cost = fn(&[Value], usize) -> Option<usize>;

/// One value where it stands in a list.
const VALUE: usize = size_of::<Value>();
/// One value with what it takes beside itself: the head of its text, the node of the map it is in.
const NODE: usize = 64;
/// Larger integers may be held as floating point, which adding one no longer moves: a range would not end.
const EXACT: i64 = 1 << 53;

/// What give back a number, a truth, or a part of what they were given as it is.
const FREE: [&str; 36] = [
    "abs",
    "base64.is_valid",
    "bits.and",
    "bits.negate",
    "bits.or",
    "bits.rsh",
    "bits.xor",
    "ceil",
    "contains",
    "count",
    "endswith",
    "floor",
    "indexof",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "max",
    "min",
    "object.get",
    "object.subset",
    "regex.is_valid",
    "regex.match",
    "round",
    "semver.compare",
    "semver.is_valid",
    "startswith",
    "strings.any_prefix_match",
    "strings.any_suffix_match",
    "strings.count",
    "sum",
    "to_number",
    "type_name",
];

/// What a policy gives for a builtin.
pub(super) enum Price {
    /// It makes nothing to speak of.
    Free,
    /// What its result can come to.
    Of(Cost),
    /// It is not for policies.
    Refused,
}

/// The price of a builtin.
pub(super) fn of(name: &str) -> Price {
    let cost: Cost = match name {
        free if FREE.contains(&free) => return Price::Free,
        "array.concat" | "array.reverse" | "array.slice" | "object.filter" | "object.keys"
        | "object.remove" | "object.union" | "sort" => same_parts,
        "bits.lsh" => shifted,
        "concat" => joined,
        "indexof_n" | "json.is_valid" | "json.unmarshal" | "regex.find_n" | "regex.split"
        | "split" => in_pieces,
        "json.marshal_with_options" => indented,
        "numbers.range" => range,
        "numbers.range_step" => stepped,
        "regex.find_all_string_submatch_n" => every_group,
        "regex.replace" => replaced_by_pattern,
        "replace" => replaced,
        "sprintf" => formatted,
        "strings.replace_n" => replaced_in_turn,
        "__builtin_sets.intersection"
        | "__builtin_sets.union"
        | "base64.decode"
        | "base64.encode"
        | "base64url.decode"
        | "base64url.encode"
        | "base64url.encode_no_pad"
        | "format_int"
        | "hex.decode"
        | "hex.encode"
        | "intersection"
        | "json.filter"
        | "json.marshal"
        | "json.remove"
        | "lower"
        | "object.union_n"
        | "product"
        | "strings.reverse"
        | "substring"
        | "trim"
        | "trim_left"
        | "trim_prefix"
        | "trim_right"
        | "trim_space"
        | "trim_suffix"
        | "union"
        | "upper" => new_document,
        _ => return Price::Refused,
    };
    Price::Of(cost)
}

/// The same values in another list or map.
fn same_parts(arguments: &[Value], most: usize) -> Option<usize> {
    weight(arguments, most, 0)?.checked_mul(2)
}

/// A text or a document; the widest is a text in JSON in which each byte becomes six.
fn new_document(arguments: &[Value], most: usize) -> Option<usize> {
    weight(arguments, most, 0)?.checked_mul(8)
}

/// A value for each byte of a text.
fn in_pieces(arguments: &[Value], most: usize) -> Option<usize> {
    weight(arguments, most, 0)?.checked_mul(2 * NODE)
}

/// A value for each group of a pattern, at each letter of a text.
fn every_group(arguments: &[Value], most: usize) -> Option<usize> {
    let groups = text(arguments, 0).len().checked_add(1)?;
    let places = text(arguments, 1).len().checked_add(1)?;
    let values = groups.checked_mul(places)?.checked_mul(2 * NODE)?;
    weight(arguments, most, 0)?.checked_add(values)
}

/// A text in which each line begins with an indentation, given as an argument, for each level.
fn indented(arguments: &[Value], most: usize) -> Option<usize> {
    let (document, options) = arguments.split_first()?;
    let indentation = weight(options, most, 0)?;
    let document = std::slice::from_ref(document);
    weight(document, most, indentation)?.checked_mul(8)
}

fn shifted(arguments: &[Value], most: usize) -> Option<usize> {
    let bits = arguments.get(1).and_then(|bits| bits.as_u64().ok());
    let bits = usize::try_from(bits.unwrap_or(0)).ok()?;
    weight(arguments, most, 0)?.checked_add(bits)
}

fn joined(arguments: &[Value], most: usize) -> Option<usize> {
    let parts = arguments.get(1).map_or(0, members);
    let between = parts.checked_mul(text(arguments, 0).len())?;
    weight(arguments, most, 0)?.checked_add(between)
}

fn range(arguments: &[Value], _: usize) -> Option<usize> {
    numbers(arguments, 1)
}

fn stepped(arguments: &[Value], _: usize) -> Option<usize> {
    let step = arguments.get(2).and_then(|step| step.as_i64().ok());
    numbers(arguments, step.filter(|&step| step > 0).unwrap_or(1))
}

/// The numbers from the first argument to the second.
fn numbers(arguments: &[Value], step: i64) -> Option<usize> {
    let [first, last, ..] = arguments else {
        return Some(0);
    };
    let exact = |end: &Value| match end.as_number() {
        Ok(number) if number.is_integer() => number
            .as_i64()
            .filter(|number| (-EXACT..=EXACT).contains(number)),
        // The builtin says what is wrong.
        _ => Some(0),
    };
    let distance = exact(last)?.abs_diff(exact(first)?);
    let count = usize::try_from(distance.checked_div(step.unsigned_abs())?).ok()?;
    count.checked_add(1)?.checked_mul(VALUE)
}

fn replaced(arguments: &[Value], _: usize) -> Option<usize> {
    let (old, new) = (text(arguments, 1), text(arguments, 2));
    after(text(arguments, 0).len(), old, new)?.checked_mul(2)
}

fn replaced_in_turn(arguments: &[Value], _: usize) -> Option<usize> {
    let start = text(arguments, 1).len();
    let Some(Ok(pairs)) = arguments.first().map(Value::as_object) else {
        return Some(start);
    };
    let mut longest = start;
    let mut sum = start;
    for (old, new) in pairs.iter() {
        let [old, new] = [old, new].map(|end| end.as_string().map_or("", |text| text));
        longest = after(longest, old, new)?;
        sum = sum.checked_add(longest)?;
    }
    sum.checked_mul(2)
}

/// How long a text can become of which every `old` becomes `new`; an empty one stands between any two letters.
fn after(length: usize, old: &str, new: &str) -> Option<usize> {
    let places = length.checked_div(old.len()).unwrap_or(length);
    let places = places.checked_add(1)?;
    places.checked_mul(new.len())?.checked_add(length)
}

/// Each match, at most one a letter, becomes the new text; each `$1` in it all that was matched.
fn replaced_by_pattern(arguments: &[Value], most: usize) -> Option<usize> {
    let length = text(arguments, 0).len().checked_add(1)?;
    let each = text(arguments, 2).len().checked_add(1)?;
    let made = length.checked_mul(each)?.checked_mul(2)?;
    weight(arguments, most, 0)?.checked_add(made)
}

/// The arguments as JSON, and every width that the format asks for. One in other digits than ours is too much: the engine
/// would panic.
fn formatted(arguments: &[Value], most: usize) -> Option<usize> {
    let mut widths = 0_usize;
    for verb in text(arguments, 0).split('%').skip(1) {
        let digits = verb.trim_start_matches('.');
        let end = digits.find(|letter: char| !letter.is_numeric());
        let digits = digits.get(..end.unwrap_or(digits.len()))?;
        if !digits.is_empty() {
            widths = widths.checked_add(digits.parse().ok()?)?;
        }
    }
    new_document(arguments, most)?.checked_add(widths.checked_mul(2)?)
}

/// A text among the arguments; the builtin says what is wrong where it is none.
fn text(arguments: &[Value], index: usize) -> &str {
    let argument = arguments.get(index).and_then(|text| text.as_string().ok());
    argument.map_or("", |text| text)
}

fn members(list: &Value) -> usize {
    match list {
        Value::Array(items) => items.len(),
        Value::Set(items) => items.len(),
        _ => 0,
    }
}

/// What values take if each stands by itself, however often it is shared, and `level` more for each level it is down.
/// A few lines can share a value more often than can be counted, so that this ends as soon as it is more than `most`.
fn weight(values: &[Value], most: usize, level: usize) -> Option<usize> {
    let mut left = most;
    let mut open: Vec<(&Value, usize)> = values.iter().map(|value| (value, NODE)).collect();
    while let Some((value, cost)) = open.pop() {
        left = left.checked_sub(cost.checked_add(own(value))?)?;
        let below = cost.checked_add(level)?;
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, below))),
            Value::Set(items) => open.extend(items.iter().map(|item| (item, below))),
            Value::Object(members) => {
                let members = members.iter().flat_map(|(name, value)| [name, value]);
                open.extend(members.map(|value| (value, below)));
            }
            _ => {}
        }
    }
    most.checked_sub(left)
}

/// What a value takes beside its node. A large integer counts eightfold, as it is written in bits at the longest.
fn own(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Number(number) if number.as_i64().is_none() => {
            let bits = number.as_big().map_or(0, |number| number.bits());
            usize::try_from(bits).unwrap_or(usize::MAX)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use regorus::Engine;
    use regorus::unstable::BUILTINS;

    use super::*;

    fn cost(name: &str) -> Cost {
        match of(name) {
            Price::Of(cost) => cost,
            _ => panic!("{name} has no cost"),
        }
    }

    const PLENTY: usize = usize::MAX / 1024;

    fn value(rego: &str) -> Value {
        let results = Engine::new().eval_query(rego.to_owned(), false).unwrap();
        results.result[0].expressions[0].value.clone()
    }

    fn arguments(rego: &str) -> Vec<Value> {
        value(rego).as_array().unwrap().to_vec()
    }

    #[test]
    fn what_is_free_is_there() {
        for name in FREE {
            assert!(BUILTINS.contains_key(name), "{name}");
        }
    }

    #[test]
    fn what_was_not_looked_at_is_refused() {
        let refused = |name: &&&str| matches!(of(name), Price::Refused);
        let refused: Vec<_> = BUILTINS.keys().filter(refused).copied().collect();
        let expected = [
            "regex.template_match",
            "trace",
            "rand.intn",
            "units.parse",
            "units.parse_bytes",
        ];
        assert_eq!(BTreeSet::from_iter(refused), BTreeSet::from(expected));
        assert!(matches!(of("crypto.new"), Price::Refused));
    }

    #[test]
    fn no_result_is_larger_than_was_worked_out() {
        let table = [
            ("array.concat", "[[1, 2], [3, \"abc\"]]"),
            ("base64.encode", "[\"abcdefg\"]"),
            ("bits.lsh", "[7, 4000]"),
            ("concat", "[\"------------\", [\"a\", \"b\", \"\", \"\"]]"),
            ("format_int", "[123456789123456789123456789123456789, 2]"),
            ("hex.encode", "[\"abcdefg\"]"),
            (
                "json.marshal",
                "[[\"\\u0001\\u0001\\u0001\", {\"a\": 1.25}]]",
            ),
            (
                "json.marshal_with_options",
                "[[[[[[[1]]]]]], {\"indent\": \"----------\", \"prefix\": \"++++++\", \"pretty\": true}]",
            ),
            ("json.unmarshal", "[\"[1,2,3,[4,5,{}]]\"]"),
            ("numbers.range", "[-50, 50]"),
            ("numbers.range", "[50, -50]"),
            ("numbers.range_step", "[0, 100, 3]"),
            ("object.union", "[{\"a\": {\"b\": 1}}, {\"a\": {\"c\": 2}}]"),
            ("product", "[[1000000000000000000, 1000000000000000000]]"),
            ("regex.find_n", "[\".\", \"abcdef\", -1]"),
            ("indexof_n", "[\"aaaaaaaaaaaaaaaa\", \"a\"]"),
            (
                "regex.find_all_string_submatch_n",
                "[\"()()()()()\", \"abcdefgh\", -1]",
            ),
            ("regex.replace", "[\"abcabc\", \"([a-z]*)\", \"$1$1$1$1\"]"),
            ("regex.replace", "[\"abcabc\", \"x*\", \"0123456789\"]"),
            ("regex.split", "[\"\", \"abcdef\"]"),
            ("replace", "[\"aaaa\", \"a\", \"bbbbbbbbbb\"]"),
            ("replace", "[\"aaaa\", \"\", \"bbbbbbbbbb\"]"),
            ("split", "[\"abcdefgh\", \"\"]"),
            (
                "sprintf",
                "[\"%01000d|%900d|%.300f|%b\", [1, 2, 0.5, 1e30]]",
            ),
            ("sprintf", "[\"%v %v\", [[[1], {\"a\": {2}}], \"x\"]]"),
            (
                "strings.replace_n",
                "[{\"a\": \"bbbb\", \"b\": \"cccc\", \"c\": \"dddd\"}, \"aaa\"]",
            ),
            ("upper", "[\"\\u0149\\u0149\\u0149\\u0390\"]"),
        ];
        for (name, given) in table {
            let given = arguments(given);
            let bound = cost(name)(&given, PLENTY).unwrap();
            let engine = crate::policy::budget::call_for_tests(name, &given);
            let made = engine.unwrap_or_else(|error| panic!("{name}: {error}"));
            // A list of numbers is the one result of which more is made than is weighed as so many nodes.
            let taken = match made.as_array() {
                Ok(list) if name.starts_with("numbers.") => list.len() * VALUE,
                _ => weight(&[made], PLENTY, 0).unwrap() - NODE,
            };
            assert!(
                taken <= bound,
                "{name} of {given:?}: {taken}, bound {bound}"
            );
        }
    }

    #[test]
    fn what_could_be_too_much_is_too_much() {
        let table = [
            ("numbers.range", "[0, 9000000000000000]"),
            ("numbers.range", "[1e17, 100000000000000010]"),
            ("numbers.range", "[0, 99999999999999999999999]"),
            ("numbers.range_step", "[0, 9000000000000000, 2]"),
            ("bits.lsh", "[1, 4294967295]"),
            ("sprintf", "[\"%04000000000d\", [1]]"),
            ("sprintf", "[\"%99999999999999999999999d\", [1]]"),
            ("sprintf", "[\"%.4000000000f\", [1]]"),
            ("sprintf", "[\"%²d\", [1]]"),
        ];
        for (name, given) in table {
            let most = crate::policy::MAX_POLICY_MEMORY_BYTES;
            let bound = cost(name)(&arguments(given), most);
            assert!(
                bound.is_none_or(|bytes| bytes > most),
                "{name} of {given}: {bound:?}"
            );
        }
    }
}
