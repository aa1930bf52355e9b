//! Every link from a page to a file of the repository leads somewhere.

use std::fs;
use std::path::{Path, PathBuf};

use tests::checks::root;

#[test]
fn links_lead_somewhere() {
    let root = root();
    let mut pages = vec![root.join("README.md")];
    let folders = ["docs", "docs/quick-start"].map(|folder| root.join(folder));
    let crates = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    pages.extend(
        crates
            .map(|folder| folder.join("README.md"))
            .filter(|page| page.is_file()),
    );
    for folder in folders {
        let files = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|file| file.extension().is_some_and(|ending| ending == "md")));
    }
    let mut followed = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for target in targets(&text) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let there = match file {
                "" => page.clone(),
                _ => page.parent().unwrap().join(file),
            };
            assert!(there.exists(), "{}: {target}", page.display());
            assert!(
                heading.is_empty() || has_heading(&there, heading),
                "{}: {target}",
                page.display()
            );
            followed += 1;
        }
    }
    assert!(followed > 50, "only {followed} links");
}

/// What links of a page lead to, but for addresses.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let links = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    links.filter(|target| !target.contains("://") && !target.contains(char::is_whitespace))
}

/// Whether a page has a heading that is linked to so: lower case, without punctuation, dashes for spaces.
fn has_heading(page: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(PathBuf::from(page)).unwrap_or_default();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .any(|heading| {
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c })
                .eq(wanted.chars())
        })
}
