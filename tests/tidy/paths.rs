//! The paths that a file names, in `use` declarations and elsewhere.

/// A path in parts: `["crate", "store", "Ledger"]`.
pub type Path = Vec<String>;

/// The paths of one file.
#[derive(Default)]
pub struct Paths {
    /// The paths of private `use` declarations, and the paths in the rest of the code.
    pub used: Vec<Path>,
    /// The paths of `pub use` declarations.
    pub reexported: Vec<Path>,
    /// The code without its `use` declarations.
    pub rest: String,
}

/// Reads the paths of a file.
pub fn paths(code: &[String]) -> Paths {
    let mut found = Paths::default();
    let mut lines = code.iter();
    while let Some(line) = lines.next() {
        let Some(public) = begins_use(line) else {
            found.rest.push_str(&without_visibility(line));
            found.rest.push('\n');
            continue;
        };
        let mut declaration = line.clone();
        while !declaration.contains(';') {
            let Some(line) = lines.next() else { break };
            declaration.push_str(line);
        }
        let tree = declaration.split_once("use ").map_or("", |(_, tree)| tree);
        let target = if public { &mut found.reexported } else { &mut found.used };
        target.extend(leaves(tree.trim_end_matches(';')));
    }
    let inline = words(&found.rest);
    found.used.extend(inline);
    found
}

/// Returns a line without `pub(in …)`, because the path in it does not use the module that it names.
fn without_visibility(line: &str) -> String {
    match line.split_once("pub(in ").and_then(|(before, rest)| Some((before, rest.split_once(')')?.1))) {
        Some((before, after)) => format!("{before}pub{after}"),
        None => line.to_owned(),
    }
}

/// Returns whether the `use` declaration that a line begins is public, or `None` if it begins none.
fn begins_use(line: &str) -> Option<bool> {
    let line = line.trim_start();
    match line.strip_prefix("pub") {
        None => line.starts_with("use ").then_some(false),
        Some(rest) => {
            let rest = if rest.starts_with('(') { rest.split_once(')')?.1 } else { rest };
            rest.trim_start().starts_with("use ").then_some(true)
        }
    }
}

/// Returns the paths of a `use` tree: `a::{b, c::d}` names `a::b` and `a::c::d`.
fn leaves(tree: &str) -> Vec<Path> {
    let tree = tree.trim();
    if let Some((first, inner)) = tree.split_once('{') {
        let inner = inner.trim_end().strip_suffix('}').unwrap_or(inner);
        return branches(inner)
            .flat_map(leaves)
            .map(|leaf| parts(first).into_iter().chain(leaf).collect())
            .collect();
    }
    let path = tree.split_once(" as ").map_or(tree, |(path, _)| path);
    match parts(path) {
        path if path.is_empty() => Vec::new(),
        path => vec![path],
    }
}

/// Splits the inner part of a `use` tree at its own commas.
fn branches(tree: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    tree.split(move |char| {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        char == ',' && depth == 0
    })
}

fn parts(path: &str) -> Path {
    path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Returns every path of two parts or more in code.
fn words(code: &str) -> Vec<Path> {
    let in_path = |char: char| char.is_alphanumeric() || char == '_' || char == ':';
    let words = code.split(|char| !in_path(char)).filter(|word| word.contains("::"));
    words.map(|word| parts(word.trim_end_matches(':'))).filter(|path| path.len() > 1).collect()
}

#[test]
fn trees_have_leaves() {
    let read = |code: &str| {
        let code: Vec<String> = code.lines().map(str::to_owned).collect();
        let paths = paths(&code);
        let joined = |paths: Vec<Path>| paths.iter().map(|path| path.join("::")).collect::<Vec<_>>();
        (joined(paths.used), joined(paths.reexported))
    };
    assert_eq!(
        read("use crate::a::{b, c::{d as e,\n f}};\npub(super) use self::g;\nlet h = super::i::J::new();"),
        (
            ["crate::a::b", "crate::a::c::d", "crate::a::c::f", "super::i::J::new"]
                .map(str::to_owned)
                .to_vec(),
            vec!["self::g".to_owned()]
        )
    );
}
