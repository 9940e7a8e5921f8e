//! Small libraries in C that stand between a process and its system.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `source`, a file of this package, into `into`; the result is for `LD_PRELOAD`.
pub fn compile(source: &str, into: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let library = into.join("preload.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
    let compiled = compiler.status().expect("a C compiler, which building already needs");
    assert!(compiled.success());
    library
}
