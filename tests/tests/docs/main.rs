//! What the documentation says is so, as far as a machine can tell. Its commands are run by `doc_commands`.

mod checks;
mod limits;
mod links;
mod policies;
mod receipt;
mod threats;

/// Whether a file has a function of this name that is a test, or a body of one in a macro that makes a test for each
/// database; or a test in JavaScript, which is called by words.
fn has_test(text: &str, name: &str) -> bool {
    if text.contains(&format!("\ntest(\"{name}\", ")) {
        return true;
    }
    let lines: Vec<_> = text.lines().collect();
    let starts = [format!("fn {name}("), format!("async fn {name}(")];
    let is_start = |line: &&str| {
        starts
            .iter()
            .any(|start| line.trim_start().starts_with(start))
    };
    let Some(at) = lines.iter().position(is_start) else {
        return false;
    };
    let attributes = lines[..at]
        .iter()
        .rev()
        .take_while(|line| line.trim_start().starts_with('#'));
    let is_marked = { attributes }.any(|line| line.contains("test"));
    // What the line stands in: the last one above it that is not indented.
    let outer = lines[..at]
        .iter()
        .rev()
        .find(|line| !line.is_empty() && !line.starts_with(' '));
    is_marked || outer.is_some_and(|line| line.ends_with("! {"))
}
