//! The recipes as they stand in `config/dialects/`, and the lines that their comments offer instead.

use std::path::PathBuf;

use crate::clients::file;

pub const NAMES: [&str; 8] =
    ["acp", "adyen", "checkout-com", "modern-treasury", "paypal", "square", "stripe", "ucp"];

pub fn path(name: &str) -> PathBuf {
    file(&format!("config/dialects/{name}.toml"))
}

pub fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns a recipe with its upstream at another address.
pub fn in_front_of(text: &str, address: &str) -> String {
    let url = text.split("\nurl = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a URL");
    text.replace(url, &format!("http://{address}"))
}

/// Returns the groups of lines that the comments of a recipe offer. A line of a group is `# key = value`, with
/// three spaces or more.
pub fn offers(text: &str) -> Vec<Vec<String>> {
    let mut groups = vec![Vec::new()];
    for line in text.lines() {
        let offered = line.trim_start().strip_prefix("#   ").map(str::trim).filter(|line| is_setting(line));
        match offered {
            Some(offered) => groups.last_mut().expect("one").push(offered.to_owned()),
            None => groups.push(Vec::new()),
        }
    }
    groups.retain(|group| !group.is_empty());
    groups
}

fn is_setting(line: &str) -> bool {
    setting(line).is_some_and(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
}

fn setting(line: &str) -> Option<&str> {
    line.split_once(" = ").map(|(key, _)| key)
}

/// Returns a recipe with these lines on each of its routes, instead of the lines with the same keys.
pub fn changed(text: &str, lines: &[impl AsRef<str>]) -> String {
    let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
    let mut replaced: Vec<&str> = lines.iter().filter_map(|line| setting(line)).collect();
    if lines.contains(&"on_unknown = \"hold\"") {
        replaced.push("upstream_keys");
    }
    let mut changed = String::new();
    let mut in_route = false;
    for line in text.lines() {
        if line.starts_with('[') {
            in_route = line == "[[routes]]";
        }
        if !in_route || !setting(line).is_some_and(|key| replaced.contains(&key)) {
            changed += &format!("{line}\n");
        }
        if line == "[[routes]]" {
            changed += &format!("{}\n", lines.join("\n"));
        }
    }
    changed
}
