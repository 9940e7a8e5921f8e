//! Text for a terminal of ordinary width: headings, and rows of a label and a wrapped paragraph.

/// Longest line, in characters.
pub const WIDTH: usize = 96;

/// Column in which the text of a row starts.
const TEXT_COLUMN: usize = 22;

/// A text under construction.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// Adds a heading, separated by an empty line from the text above it.
    pub fn heading(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// Adds a row: a label, and the text about it.
    pub fn row(&mut self, label: &str, text: &str) {
        let label_width = TEXT_COLUMN - 4;
        self.hanging(&format!("  {label:label_width$}  "), text);
    }

    /// Adds a paragraph. Its first line starts with `start`; the other lines are indented to match.
    pub fn hanging(&mut self, start: &str, text: &str) {
        self.0.push_str(&fill(start, text, WIDTH));
    }

    /// Adds text as it is, line by line, indented below the paragraph that it is an example of.
    pub fn example(&mut self, text: &str) {
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            self.0.push_str("      ");
            self.0.push_str(line);
            self.0.push('\n');
        }
    }

    /// Returns the whole text.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// Breaks a paragraph into lines of at most `width` characters, unless a word is longer. The first line
/// starts with `start`; the other lines are indented to match.
pub fn fill(start: &str, text: &str, width: usize) -> String {
    let indent = start.chars().count();
    let (mut filled, mut column) = (start.to_owned(), indent);
    for (index, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > width {
            filled.push('\n');
            filled.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if index > 0 {
            filled.push(' ');
            column += 1;
        }
        filled.push_str(word);
        column += length;
    }
    filled.push('\n');
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_hangs_under_its_first_word() {
        let mut page = Page::default();
        page.hanging("  - ", &"é→word ".repeat(30));
        let text = page.into_text();
        assert!(text.lines().count() > 2);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(text.lines().skip(1).all(|line| line.starts_with("    é")));
    }
}
