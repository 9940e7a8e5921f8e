//! Values from the command line.

use toml::de::DeValue;

use super::document::Document;

/// Values of the command line, which replace those of the file and the environment.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// `--listen`: `server.listen`.
    pub listen: Option<String>,
    /// `--admin-listen`: `admin.listen`.
    pub admin_listen: Option<String>,
    /// `--store`: `store.url`.
    pub store: Option<String>,
}

impl Arguments {
    /// Lays the values that are set over the document. A section that is not a table is reported later, at
    /// its place in the file.
    pub(super) fn apply(&self, document: &mut Document<'_>) {
        let all = [
            ("--listen", ["server", "listen"], &self.listen),
            ("--admin-listen", ["admin", "listen"], &self.admin_listen),
            ("--store", ["store", "url"], &self.store),
        ];
        for (argument, keys, value) in all {
            if let Some(value) = value {
                document.override_value(
                    &keys.map(str::to_owned),
                    DeValue::String(value.clone().into()),
                    argument.into(),
                );
            }
        }
    }
}
