//! The parts of the page that are typed: shell blocks line by line, and blocks with a file name.
//!
//! A block is a file if the line above it ends with a colon and names the file: `` `oncegate.toml`: ``. A
//! block below `<!-- not run: why -->` is left out, and so are the commands of the list below.

/// Commands that a new user runs once, and commands that need more than this machine.
const NOT_RUN: [&str; 6] = ["cargo ", "git ", "docker ", "kubectl ", "./scripts/", "oncegate demo"];

/// A command and the comment beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub text: String,
    pub says: String,
}

/// A part of the page that is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    File { name: String, text: String },
    Commands(Vec<Command>),
}

/// Returns the blocks of a page in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    let mut above: Vec<&str> = Vec::new();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.trim().is_empty() {
                above.push(line.trim());
            }
            continue;
        };
        let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let name = above.last().and_then(|line| file_name(line));
        let notes = above.iter().rev().skip(usize::from(name.is_some()));
        let left_out =
            [above.last(), notes.clone().next()].iter().flatten().any(|l| l.starts_with("<!-- not run"));
        above.clear();
        match (left_out, name, language) {
            (true, ..) => {}
            (_, Some(name), _) => blocks.push(Block::File { name, text: inside.join("\n") + "\n" }),
            (_, None, "sh") => blocks.push(Block::Commands(commands(&inside))),
            (_, None, _) => {}
        }
    }
    blocks
}

/// Returns the last file that a line ending with a colon names.
fn file_name(line: &str) -> Option<String> {
    let quoted = line.strip_suffix(':')?.split('`').skip(1).step_by(2);
    quoted.filter(|name| name.contains('.') && !name.contains([' ', '/'])).last().map(str::to_owned)
}

fn commands(lines: &[&str]) -> Vec<Command> {
    let text = lines.join("\n").replace("\\\n", " ").replace("./target/release/oncegate", "oncegate");
    let typed = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let command = |line: &str| {
        let (text, says) = line.rsplit_once(" # ").unwrap_or((line, ""));
        Command { text: text.trim().to_owned(), says: says.trim().to_owned() }
    };
    typed.filter(|line| !NOT_RUN.iter().any(|start| line.starts_with(start))).map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str, says: &str) -> Command {
        Command { text: text.into(), says: says.into() }
    }

    #[test]
    fn blocks_are_files_or_commands_or_left_out() {
        let page = "`a.toml`:\n```toml\n[a]\n```\n\nIn `b.toml`, beside `a.toml`:\n\n```toml\n[b]\n```\n\
                    Only shown:\n```toml\n[c]\n```\n```sh\ncargo build\n./target/release/oncegate check \\\n  \
                    --config a.toml  # fine\n```\n<!-- not run: a database -->\n```sh\nrm -r /\n```\n\
                    <!-- not run: another -->\n`d.toml`:\n```toml\n[d]\n```\n";
        let expected = [
            Block::File { name: "a.toml".into(), text: "[a]\n".into() },
            Block::File { name: "a.toml".into(), text: "[b]\n".into() },
            Block::Commands(vec![command("oncegate check    --config a.toml", "fine")]),
        ];
        assert_eq!(blocks(page), expected);
    }
}
