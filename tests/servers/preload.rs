//! Small libraries in C between a process and its system.

use std::fs::{File, Permissions, set_permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

/// A wall clock for processes that are started with it. A test can set it forward and back while they run.
pub struct WallClock {
    shift: File,
    environment: Vec<(String, String)>,
    _dir: TempDir,
}

impl WallClock {
    /// Makes a clock with the right time.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // Servers may run as another user.
        set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("a mode");
        let library = compile("tests/servers/clock_shift.c", dir.path());
        let file = dir.path().join("shift");
        let shift = File::create(&file).expect("a file");
        let environment = [("LD_PRELOAD", &library), ("CLOCK_SHIFT", &file)]
            .map(|(name, path)| (name.to_owned(), path.display().to_string()));
        let clock = Self { shift, environment: environment.into(), _dir: dir };
        clock.set_right();
        clock
    }

    pub fn set_right(&self) {
        self.shift_by(0);
    }

    /// Sets the clock ahead of the right time by `span`.
    pub fn set_ahead(&self, span: Duration) {
        self.shift_by(span.as_secs() as i64);
    }

    /// Sets the clock behind the right time by `span`.
    pub fn set_behind(&self, span: Duration) {
        self.shift_by(-(span.as_secs() as i64));
    }

    fn shift_by(&self, seconds: i64) {
        self.shift.write_all_at(&seconds.to_ne_bytes(), 0).expect("a write");
    }

    /// Returns the environment variables of a process that uses this clock.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }
}

/// Compiles `source`, a file of this package, into `into`. The result is for `LD_PRELOAD`.
pub fn compile(source: &str, into: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let library = into.join("preload.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
    let compiled = compiler.status().expect("a C compiler, which building already needs");
    assert!(compiled.success());
    library
}
