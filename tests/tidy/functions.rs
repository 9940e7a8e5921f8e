//! Functions fit on a screen.

use super::source::{assert_none, sources};

/// Functions that may be longer than [`LONGEST`], because they are tables: one row after the other, and nothing else.
const TABLES: [(&str, &str); 1] = [("src/problem/slug.rs", "row")];
/// Functions that are still too long. The list may only become shorter.
const KNOWN: [(&str, &str); 0] = [];

/// The longest function, in lines.
const LONGEST: usize = 60;

/// A function outside of tests.
struct Function {
    name: String,
    lines: usize,
}

#[test]
fn functions_stay_short() {
    let mut lengths = Vec::new();
    let mut violations = Vec::new();
    for source in sources() {
        for Function { name, lines } in functions(source.without_tests()) {
            lengths.push(lines);
            let is_listed = TABLES
                .iter()
                .chain(&KNOWN)
                .any(|(path, table)| source.path.ends_with(path) && name == *table);
            if lines > LONGEST && !is_listed {
                violations.push(format!("{}: {name} has {lines} lines", source.path.display()));
            }
        }
    }
    assert_none(violations);
    lengths.sort_unstable();
    assert!(lengths.len() > 1000, "only {} functions were found", lengths.len());
    let ninetieth = lengths[lengths.len() * 9 / 10];
    assert!(ninetieth <= 25, "the 90th percentile has {ninetieth} lines");
}

/// Finds functions with a body. Formatted code closes a body on a line of its own, indented as the function is.
fn functions(code: &[String]) -> Vec<Function> {
    let mut found = Vec::new();
    for (number, line) in code.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        let (declared, bounds, body) =
            (format!("{indent}) "), format!("{indent}where"), format!("{indent}{{"));
        let mut in_bounds = false;
        let lines = code[number..].iter().take_while(|line| {
            in_bounds = line.trim_end() == bounds || (in_bounds && line.trim_end() != body);
            let is_declaration = (in_bounds || line.starts_with(&declared)) && line.ends_with(';');
            line.trim_end() != end && !is_declaration
        });
        let lines = if line.ends_with(['}', ';']) { 1 } else { lines.count() + 1 };
        found.push(Function { name, lines });
    }
    found
}

/// Returns the name of the function that a line begins, if it begins one.
fn function_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().skip_while(|word| {
        word.starts_with("pub") || word.ends_with(')') || ["const", "async", "unsafe", "in"].contains(word)
    });
    words.next().filter(|word| *word == "fn")?;
    let name = words.next()?;
    Some(name.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect())
}

#[test]
fn lengths_are_counted() {
    let code = "impl A {\n    pub(super) fn one() -> u8 { 1 }\n    async fn three(\n    ) {\n    }\n    fn none();\n}\n\
                trait B {\n    fn four<T>(\n    ) -> T\n    where\n        T: C;\n}\n\
                fn six<T>()\nwhere\n    T: C,\n{\n    c();\n}";
    let code: Vec<String> = code.lines().map(str::to_owned).collect();
    let found: Vec<_> = functions(&code).into_iter().map(|found| (found.name, found.lines)).collect();
    let expected = [("one", 1), ("three", 3), ("none", 1), ("four", 4), ("six", 6)];
    assert_eq!(found, expected.map(|(name, lines)| (name.to_owned(), lines)));
}
