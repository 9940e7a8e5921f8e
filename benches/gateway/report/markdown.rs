//! Tables in Markdown, aligned for a terminal.

/// A table. The first columns hold words, and the others numbers.
pub struct Table {
    words: usize,
    lines: Vec<Vec<String>>,
}

impl Table {
    /// Makes a table with these heads, the first `words` of them over columns of words.
    pub fn of(words: usize, heads: &[&str]) -> Self {
        Self { words, lines: vec![heads.iter().map(|head| (*head).to_owned()).collect()] }
    }

    pub fn add(&mut self, cells: impl IntoIterator<Item = String>) {
        self.lines.push(cells.into_iter().collect());
    }

    /// Prints the table under a line of text.
    pub fn print(&self, text: &str) {
        println!("\n{text}\n");
        let width =
            |column: usize| self.lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.lines[0].len()).map(width).collect();
        for (number, line) in self.lines.iter().enumerate() {
            let cells = line.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, width))| {
                if column < self.words { format!(" {cell:<width$} |") } else { format!(" {cell:>width$} |") }
            });
            println!("|{}", cells.collect::<String>());
            if number == 0 {
                let rules = widths.iter().enumerate().map(|(column, width)| {
                    let last = if column < self.words { '-' } else { ':' };
                    format!(" {}{last} |", "-".repeat(width.saturating_sub(1)))
                });
                println!("|{}", rules.collect::<String>());
            }
        }
    }
}
