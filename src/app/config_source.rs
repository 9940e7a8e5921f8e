//! The source of a gateway's configuration: the arguments and the environment of the process, and a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::serve::ServeArgs;
use crate::config::{Config, ConfigErrors, Environment};

/// The source of a configuration. Clones share it.
#[derive(Clone)]
pub(super) struct ConfigSource(Arc<Source>);

struct Source {
    arguments: ServeArgs,
    environment: Environment,
    /// True for a file that can be read more than once.
    is_watched: bool,
}

impl ConfigSource {
    /// Notes the source of a configuration that was loaded a moment ago.
    pub(super) fn new(arguments: ServeArgs, environment: Environment) -> Self {
        // A pipe (`--config /dev/stdin`) has given its text to the start.
        let is_pipe = |file: &Path| file.metadata().is_ok_and(|about| !about.is_file());
        let is_watched = arguments.file().is_some_and(|file| !is_pipe(file));
        Self(Arc::new(Source { arguments, environment, is_watched }))
    }

    /// Checks the configuration with these contents of its file.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in it.
    pub(super) fn load(&self, contents: &[u8]) -> Result<Config, ConfigErrors> {
        self.0.arguments.load_contents(contents, &self.0.environment)
    }

    /// Returns the configuration file, if there is one.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.0.arguments.file().map(PathBuf::from)
    }

    /// Tells whether the file is looked at while the gateway serves.
    pub(super) fn is_watched(&self) -> bool {
        self.0.is_watched
    }
}
