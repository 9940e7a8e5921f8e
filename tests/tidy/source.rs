//! The source files, as the other tests look at them.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file and its top-level module.
pub struct Source {
    pub path: PathBuf,
    pub module: String,
    /// The lines without comments. Line numbers are kept.
    pub code: Vec<String>,
}

/// Returns every `.rs` file below a folder.
pub fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is readable") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// Reads all files of `src`.
pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found: Vec<Source> = rust_files(&root).into_iter().map(|path| read(&root, path)).collect();
    assert!(found.len() > 40, "the walk found only {} files", found.len());
    found
}

fn read(root: &Path, path: PathBuf) -> Source {
    let inner = path.strip_prefix(root).expect("below src");
    let first = inner.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    let module = first.trim_end_matches(".rs").to_owned();
    let text = fs::read_to_string(&path).expect("source is text");
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned()).collect();
    Source { path, module, code }
}

impl Source {
    /// Returns the module path of the file below the crate: `["gateway", "contest"]`.
    pub fn module_path(&self) -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let inner = self.path.strip_prefix(root).expect("below src").with_extension("");
        let mut names: Vec<String> =
            inner.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        names.pop_if(|last| last == "mod");
        names
    }

    /// Returns the code in front of the tests that stand at the end of the file. A file of tests has none.
    pub fn without_tests(&self) -> &[String] {
        // Such a file is a module for tests as a whole.
        if self.module_path().iter().any(|name| name == "tests") {
            return &[];
        }
        let tests = self.code.windows(2).position(|lines| {
            is_for_tests(&lines[0]) && lines[1].starts_with("mod ") && lines[1].ends_with('{')
        });
        &self.code[..tests.unwrap_or(self.code.len())]
    }
}

/// Tells whether an attribute keeps an item for tests, perhaps for those of one feature.
fn is_for_tests(attribute: &str) -> bool {
    ["#[cfg(test)]", "#[cfg(all(test,"].iter().any(|begin| attribute.starts_with(begin))
}

/// Fails with all violations, if there are any.
pub fn assert_none(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}
