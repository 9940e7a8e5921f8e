//! Expansion of `${VAR}` in the strings of the file.
//!
//! `${NAME}` stands for the value of the environment variable `NAME`. The variable must be set, but may be
//! empty. `$$` stands for one `$`, so `$${NAME}` is the text `${NAME}`. Any other `$` stands for itself. The
//! value of a variable is not expanded again, and keys are never expanded.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Document, KeyPath, Step};
use super::environment::Environment;
use super::mistakes::Mistakes;

/// Expands every string of the file.
pub(super) fn expand(document: &mut Document<'_>, environment: &Environment, mistakes: &Mistakes) {
    let end_of_file = document.end_of_file();
    let expansion = Expansion { environment, mistakes, end_of_file };
    expansion.table(document.root_mut(), &KeyPath::default());
}

struct Expansion<'e> {
    environment: &'e Environment,
    mistakes: &'e Mistakes,
    end_of_file: usize,
}

impl Expansion<'_> {
    fn table(&self, table: &mut DeTable<'_>, path: &KeyPath) {
        for (key, value) in table.iter_mut() {
            self.value(value, path.then(Step::Key(key.get_ref().to_string())));
        }
    }

    fn value(&self, value: &mut Spanned<DeValue<'_>>, path: KeyPath) {
        if value.span().start > self.end_of_file {
            // The value of an environment variable is used unchanged. A table that a variable created can
            // contain no value of the file.
            return;
        }
        match value.get_mut() {
            DeValue::String(text) if text.contains('$') => match expanded(text, self.environment) {
                Ok(expanded) => *text = expanded.into(),
                Err(message) => self.mistakes.add(path, message),
            },
            DeValue::Table(inner) => self.table(inner, &path),
            DeValue::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.value(item, path.then(Step::Index(index)));
                }
            }
            _ => {}
        }
    }
}

/// Returns `text` with every variable replaced.
///
/// # Errors
/// A message that names the variable that is not set, or that explains a `${` without a name.
fn expanded(text: &str, environment: &Environment) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        result.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if let Some(after) = after.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (value, after) = variable(after, environment)?;
            result.push_str(value);
            rest = after;
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    Ok(result)
}

/// Returns the value of the variable that is named at the start of `text`, and the text after its brace.
fn variable<'t, 'e>(text: &'t str, environment: &'e Environment) -> Result<(&'e str, &'t str), String> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let (name, rest) = text.split_once('}').filter(|(name, _)| is_name(name)).ok_or(
        "`${` must be followed by the name of an environment variable and `}`; \
         write `$${` for the characters themselves",
    )?;
    let value = environment
        .value(name)
        .ok_or_else(|| format!("the environment variable {name} is not set; `$${{` writes `${{`"))?;
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_once() {
        let environment = Environment::from([("A", "one"), ("EMPTY", ""), ("DOLLAR", "${A}$$")]);
        for (text, result) in [
            ("${A}", "one"),
            ("x${A}y${EMPTY}z${A}", "xoneyzone"),
            ("$A $ 5$", "$A $ 5$"),
            ("$${A}", "${A}"),
            ("$$${A}", "$one"),
            ("${DOLLAR}", "${A}$$"),
        ] {
            assert_eq!(expanded(text, &environment).as_deref(), Ok(result), "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let environment = Environment::default();
        assert!(expanded("a ${SECRET_1}", &environment).is_err_and(|why| why.contains("SECRET_1")));
        for text in ["${", "${A", "${}", "${A B}", "${1A}"] {
            assert!(expanded(text, &environment).is_err_and(|why| why.contains("`$${`")), "{text}");
        }
    }
}
