//! Fields of RFC 4180, safe to be opened by a spreadsheet.

use std::borrow::Cow;

/// Appends a line: fields with commas between them, CRLF behind.
pub(super) fn line(into: &mut String, fields: &[&str]) {
    for (n, field) in fields.iter().enumerate() {
        if n > 0 {
            into.push(',');
        }
        into.push_str(&quoted(field));
    }
    into.push_str("\r\n");
}

/// A text that others chose. What a spreadsheet would take for a formula is made a text by an apostrophe.
pub(super) fn guarded(text: &str) -> Cow<'_, str> {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        true => format!("'{text}").into(),
        false => text.into(),
    }
}

fn quoted(field: &str) -> Cow<'_, str> {
    match field.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")).into(),
        false => field.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let mut text = String::new();
        line(&mut text, &["a", "", "b,c", "say \"x\"", "two\r\nlines"]);
        line(&mut text, &["-5"]);
        assert_eq!(
            text,
            "a,,\"b,c\",\"say \"\"x\"\"\",\"two\r\nlines\"\r\n-5\r\n"
        );
    }

    #[test]
    fn formulas_are_texts() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(guarded(text), format!("'{text}"));
        }
        for text in ["", "a=1", "7", "'=1"] {
            assert_eq!(guarded(text), text);
        }
    }
}
