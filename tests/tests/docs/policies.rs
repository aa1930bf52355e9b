//! Each recipe of `docs/policies.md` decides as its table says, behind the text of the default policy.

use std::fs;

use evidence::policy::Policy;
use serde_json::Value;
use tests::checks::root;

/// A recipe, and its table: what changes in the input, and the codes it is denied with.
struct Recipe<'a> {
    name: &'a str,
    text: &'a str,
    cases: Vec<(&'a str, Vec<&'a str>)>,
}

#[test]
fn every_recipe_decides_as_its_table_says() {
    let page = fs::read_to_string(root().join("docs/policies.md")).unwrap();
    let base = fs::read_to_string(root().join("policies/default.rego")).unwrap();
    let input: Value = serde_json::from_str(fenced(&page, "```json input\n").unwrap()).unwrap();
    let recipes: Vec<_> = page.split("\n## ").filter_map(recipe).collect();
    assert!(recipes.len() >= 7, "only {} recipes", recipes.len());
    for recipe in recipes {
        let policy = Policy::compile("site", &behind(&base, recipe.text)).unwrap();
        assert!(
            recipe.cases.iter().any(|(_, codes)| codes.is_empty()),
            "{} never grants",
            recipe.name
        );
        assert!(
            recipe.cases.iter().any(|(_, codes)| !codes.is_empty()),
            "{} never denies",
            recipe.name
        );
        for (changes, expected) in &recipe.cases {
            let denials = policy.denials(&changed(&input, changes)).unwrap();
            let codes: Vec<_> = denials.iter().map(|denial| denial.code.as_str()).collect();
            assert_eq!(&codes, expected, "{}: {changes}", recipe.name);
        }
    }
}

fn recipe(section: &str) -> Option<Recipe<'_>> {
    let name = section.split_once("```rego file=")?.1.split_once('\n')?.0;
    let text = fenced(section, &format!("```rego file={name}\n"))?;
    let (_, table) = section.split_once("| Change of the input | Denied with |\n|---|---|\n")?;
    let rows = table.lines().map_while(|line| line.strip_prefix("| "));
    let cases = rows.map(|row| {
        let (changes, codes) = row
            .trim_end_matches('|')
            .rsplit_once(" |")
            .expect("two columns");
        (changes, codes.split('`').skip(1).step_by(2).collect())
    });
    let cases = cases.collect();
    Some(Recipe { name, text, cases })
}

fn fenced<'a>(text: &'a str, opening: &str) -> Option<&'a str> {
    Some(text.split_once(opening)?.1.split_once("```\n")?.0)
}

/// The recipe behind the default policy; its terms about revocation replace the former ones.
fn behind(base: &str, recipe: &str) -> String {
    let terms = "revocation := ";
    let replaces = recipe.starts_with(terms);
    let kept = base
        .lines()
        .filter(|line| !(replaces && line.starts_with(terms)));
    kept.chain(recipe.lines())
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The input with what a row says: `` `/pointer` = `value` ``, or `` `/pointer` × `N` `` of the first of an array.
fn changed(input: &Value, changes: &str) -> Value {
    let mut changed = input.clone();
    let words: Vec<_> = changes.split('`').collect();
    for change in words.chunks_exact(4) {
        let [_, pointer, operator, value] = change else {
            unreachable!("chunks of four");
        };
        let place = changed
            .pointer_mut(pointer)
            .unwrap_or_else(|| panic!("no {pointer}"));
        match operator.trim() {
            "=" => *place = serde_json::from_str(value).unwrap(),
            "×" => *place = vec![place[0].clone(); value.parse().unwrap()].into(),
            other => panic!("what does {other} mean?"),
        }
    }
    assert_eq!(changes == "none", changed == *input, "{changes}");
    changed
}
