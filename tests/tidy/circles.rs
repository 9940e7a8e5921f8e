//! No circle of files.
//!
//! An arrow goes from a file to the file that defines what the first one names, in a `use` declaration or in
//! any other path. What a module exports again is followed to the file that defines it. Three things are no
//! arrows:
//!
//! * `mod` lines, and `pub use` of a name that the file itself does not use. A parent that declares its
//!   children and exports their names is on no circle.
//! * Method calls. They follow from the types that the file names.
//! * The tests at the end of a file.
//!
//! A parent that defines an item for its children *and* uses one of these children is on a circle: neither
//! file can be understood without the other. Such an item belongs in a file of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{Path, Paths, paths};
use super::source::{assert_none, sources};

/// The files by their module paths.
struct Files(BTreeMap<Path, Paths>);

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = sources();
    let files = sources.iter().filter(|source| !["lib", "main"].contains(&&*source.module));
    let files = Files(files.map(|source| (source.module_path(), paths(source.without_tests()))).collect());
    assert_none(files.circles().into_iter().collect());
}

impl Files {
    /// Describes every set of files each of which leads to all others of the set.
    fn circles(&self) -> Vec<String> {
        let reached: BTreeMap<&Path, BTreeSet<&Path>> =
            self.0.keys().map(|file| (file, self.reached_from(file))).collect();
        let mut circles = BTreeSet::new();
        for (file, reached_from_it) in &reached {
            let circle: Vec<String> = reached_from_it
                .iter()
                .filter(|other| reached[*other].contains(file))
                .map(|other| other.join("::"))
                .collect();
            if !circle.is_empty() {
                circles.insert(circle.join(" ↔ "));
            }
        }
        circles.into_iter().collect()
    }

    fn reached_from<'f>(&'f self, file: &Path) -> BTreeSet<&'f Path> {
        let mut reached = BTreeSet::new();
        let mut left = self.arrows(file);
        while let Some(next) = left.pop() {
            if reached.insert(next) {
                left.extend(self.arrows(next));
            }
        }
        reached
    }

    /// Returns the files that have items which a file uses.
    fn arrows<'f>(&'f self, file: &Path) -> Vec<&'f Path> {
        let Paths { used, reexported, rest } = &self.0[file];
        let own_use = |path: &&Path| path.last().is_some_and(|name| has_word(rest, name));
        let named = used.iter().chain(reexported.iter().filter(own_use));
        named.filter_map(|path| self.definer(file, path)).filter(|other| *other != file).collect()
    }

    /// Returns the file that defines what `path` names in `file`.
    fn definer<'f>(&'f self, file: &Path, path: &Path) -> Option<&'f Path> {
        let path = self.absolute(file, path)?;
        let (module, rest) = (1..=path.len())
            .rev()
            .filter_map(|length| Some((self.0.get_key_value(&path[..length])?, &path[length..])))
            .next()?;
        let (module, paths) = module;
        let Some(name) = rest.first() else { return Some(module) };
        match paths.reexported.iter().find(|path| path.last() == Some(name)) {
            Some(reexported) if module != file => self.definer(module, reexported),
            _ => Some(module),
        }
    }

    /// Returns a path as it is below the crate, or `None` for the path of another crate.
    fn absolute(&self, file: &Path, path: &Path) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        match &**first {
            "crate" => Some(rest.to_vec()),
            "self" => Some([file.clone(), rest.to_vec()].concat()),
            "super" => {
                let (_, parent) = file.split_last()?;
                let supers = rest.iter().take_while(|part| *part == "super").count();
                let above = parent.len().checked_sub(supers)?;
                Some([&parent[..above], &rest[supers..]].concat())
            }
            _ => {
                let child = [file.clone(), vec![first.clone()]].concat();
                self.0.contains_key(&child).then(|| [child, rest.to_vec()].concat())
            }
        }
    }
}

/// Tells whether code contains a name as a whole word.
fn has_word(code: &str, name: &str) -> bool {
    code.split(|char: char| !char.is_alphanumeric() && char != '_').any(|word| word == name)
}

#[test]
fn a_circle_is_found() {
    let file = |name: &str, code: &str| {
        let path: Path = name.split("::").map(str::to_owned).collect();
        (path, paths(&code.lines().map(str::to_owned).collect::<Vec<_>>()))
    };
    let circles =
        |files: &[(&str, &str)]| Files(files.iter().map(|(name, code)| file(name, code)).collect()).circles();
    let declaring = ("a", "mod b;\npub use self::b::B;");
    assert_eq!(circles(&[declaring, ("a::b", "pub struct B;"), ("c", "use crate::a::B;")]), [""; 0]);
    let defining = ("a", "use self::b::B;\nstruct A(B);");
    assert_eq!(circles(&[defining, ("a::b", "pub struct B(super::A);")]), ["a ↔ a::b"]);
    let three = [("a", "use crate::b::B;"), ("b", "use crate::c::{D, C};"), ("c", "fn c(a: crate::a::A) {}")];
    assert_eq!(circles(&three), ["a ↔ b ↔ c"]);
}
