//! The file of a ledger, in either format.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::Path;
use std::time::SystemTime;

use super::csv_lines::CsvLines;
use super::failure::Failure;
use super::json_lines;
use super::line::{LedgerResponse, Line};
use super::raw_lines::{Place, RawLines};
use super::source::{BYTE_ORDER_MARK, Source};

/// Number of bytes in which the format shows.
const BEGINNING: usize = 4096;

/// An open ledger.
pub(super) struct Ledger {
    lines: RawLines,
    format: Format,
    /// The file, to look whether it changes.
    file: File,
    stamp: Stamp,
}

enum Format {
    Csv(CsvLines),
    Json,
}

/// The facts by which a change of the file shows.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    written: SystemTime,
}

impl Ledger {
    /// Opens a file. A file with `{` as its first character is JSON Lines, and any other one is CSV.
    ///
    /// # Errors
    /// [`Failure`] if the file cannot be read, is empty, or has a header line that names no operation.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let mut file = File::open(path).map_err(|error| Failure::Ledger(error.to_string()))?;
        if !file.metadata()?.is_file() {
            return Err(Failure::Ledger("this is not a regular file; it is read more than once".into()));
        }
        let stamp = Stamp::of(&file)?;
        let beginning = beginning(&mut file)?;
        let mut lines = RawLines::open(Source::new(file.try_clone()?));
        let text = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&beginning).trim_ascii_start();
        let format = match text.first() {
            None => return Err(Failure::Ledger("there is no line in this file".into())),
            Some(b'{') => Format::Json,
            Some(_) => Format::Csv(CsvLines::open(&mut lines)?),
        };
        Ok(Self { lines, format, file, stamp })
    }

    /// Reads the next line; `None` at the end.
    ///
    /// # Errors
    /// [`Failure`] with the number of a line that is wrong, or if the file cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Failure> {
        match &mut self.format {
            Format::Csv(lines) => lines.next(&mut self.lines),
            Format::Json => json_lines::next(&mut self.lines),
        }
    }

    /// Reads the response in the line with this number and offset.
    pub(super) fn response_at(
        &mut self,
        number: u64,
        offset: u64,
    ) -> Result<Option<LedgerResponse>, Failure> {
        self.lines.seek(Place { number, offset })?;
        Ok(self.next()?.and_then(|line| line.response))
    }

    /// Returns the SHA-256 of the file, after its end was reached.
    pub(super) fn digest(&self) -> String {
        self.lines.source().digest()
    }

    /// Returns the number of bytes that were read.
    pub(super) fn offset(&self) -> u64 {
        self.lines.place().offset
    }

    pub(super) fn length(&self) -> u64 {
        self.stamp.length
    }

    /// Returns when the file was last written.
    pub(super) fn written(&self) -> SystemTime {
        self.stamp.written
    }

    /// Checks that the file did not change since it was opened.
    ///
    /// # Errors
    /// [`Failure`] if it did.
    pub(super) fn check_unchanged(&self) -> Result<(), Failure> {
        match Stamp::of(&self.file)? == self.stamp {
            true => Ok(()),
            false => {
                Err(Failure::Failed("the ledger was changed while it was read; nothing was applied".into()))
            }
        }
    }
}

impl Stamp {
    fn of(file: &File) -> Result<Self, Failure> {
        let metadata = file.metadata()?;
        Ok(Self { length: metadata.len(), written: metadata.modified()? })
    }
}

/// Reads the beginning of the file, and goes back to it.
fn beginning(file: &mut File) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = BufReader::new(&mut *file).take(BEGINNING as u64).read_to_end(&mut bytes);
    match read {
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            return Err(Failure::Ledger("this is a directory".into()));
        }
        read => read?,
    };
    file.rewind()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;
    use tempfile::NamedTempFile;

    use super::super::line::Operation;
    use super::*;

    const ID: &str = "1729da5396184af3057999b2d4aa5c8b04e22bce";

    fn file(content: &[u8]) -> NamedTempFile {
        let mut file = NamedTempFile::new().expect("a temporary file");
        file.write_all(content).expect("it can be written");
        file
    }

    fn lines(content: &[u8]) -> Result<Vec<Line>, Failure> {
        let mut ledger = Ledger::open(file(content).path())?;
        let mut lines = Vec::new();
        while let Some(line) = ledger.next()? {
            lines.push(line);
        }
        assert_eq!(ledger.offset(), content.len() as u64);
        Ok(lines)
    }

    fn operations(content: &str) -> Vec<(u64, Operation)> {
        let lines = lines(content.as_bytes()).unwrap_or_else(|why| panic!("{content}: {why:?}"));
        lines.into_iter().map(|line| (line.number, line.operation)).collect()
    }

    fn execution(n: u32) -> Operation {
        Operation::Execution(ID.parse().expect("an id"), n)
    }

    #[test]
    fn csv_is_read_with_any_order_of_columns() {
        let content = format!(
            "\u{feff}Amount,STATUS, Execution ,body,content_type\r\n\
             1200,201,{ID}:1,\"{{\"\"id\"\":\r\n1}}\",application/json\r\n\
             5,,{ID}:23,,\r\n\
             7,,,,\r\n"
        );
        let lines = lines(content.as_bytes()).expect("a ledger");
        assert_eq!(
            lines.iter().map(|line| &line.operation).collect::<Vec<_>>(),
            [&execution(1), &execution(23), &Operation::Unnamed]
        );
        assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 4, 5]);
        let response = LedgerResponse {
            status: 201,
            content_type: Some("application/json".into()),
            body: "{\"id\":\r\n1}".into(),
        };
        assert_eq!((&lines[0].response, &lines[1].response), (&Some(response), &None));
    }

    #[test]
    fn json_lines_are_read_with_bodies_of_any_kind() {
        let content = format!(
            "\n{{\"execution\":\"{ID}:1\",\"status\":200,\"body\":{{\"b\":1.10,\"a\":[]}},\"amount\":{{}}}}\n\
             {{\"execution\":\"{ID}:2\",\"status\":\"201\",\"body\":\"pa\\u0069d\",\"key\":null}}"
        );
        let lines = lines(content.as_bytes()).expect("a ledger");
        assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 3]);
        let bodies: Vec<_> = lines.iter().map(|line| line.response.as_ref().expect("a response")).collect();
        assert_eq!((bodies[0].status, &*bodies[0].body), (200, "{\"b\":1.10,\"a\":[]}"));
        assert_eq!((bodies[1].status, &*bodies[1].body), (201, "paid"));
    }

    /// A header that is not one stays behind: no client can have sent it.
    #[test]
    fn a_key_comes_with_the_parts_of_its_scope() {
        let lookup = json!({
            "key": "k-1", "path": "/v1/pay",
            "headers": [["authorization", "Bearer a"], ["amount", "5"]],
        });
        let csv = "key,Authorization,path,amount,memo,\"total, net\"\nk-1,Bearer a,/v1/pay,5,\"a\nb\",6\n";
        assert_eq!(operations(csv), [(2, Operation::Key(lookup.clone()))]);
        let mut json =
            r#"{"key":"k-1","path":"/v1/pay","authorization":"Bearer a","memo":"a\nb","more":{}}"#.to_owned();
        let mut expected = lookup;
        expected["headers"] = json!([["authorization", "Bearer a"]]);
        assert_eq!(operations(&json), [(1, Operation::Key(expected))]);
        json.insert_str(1, &format!("\"execution\":\"{ID}:3\","));
        assert_eq!(operations(&json), [(1, execution(3))]);
    }

    #[test]
    fn a_response_is_found_again() {
        let numbers = |content: &str| {
            let lines = lines(content.as_bytes()).expect("a ledger");
            lines.iter().map(|line| line.number).collect::<Vec<_>>()
        };
        let csv = format!("execution,status,body\r\n{ID}:1,200,\"a\nb\"\r\n\r\n{ID}:2,201,c\r\n");
        let json = format!(
            "{{\"execution\":\"{ID}:1\",\"status\":200,\"body\":\"a\\nb\"}}\n\n\
             {{\"execution\":\"{ID}:2\",\"status\":201,\"body\":\"c\"}}\n"
        );
        assert_eq!((numbers(&csv), numbers(csv.trim_end())), (vec![2, 5], vec![2, 5]));
        assert_eq!((numbers(&json), numbers(json.trim_end())), (vec![1, 3], vec![1, 3]));
        for content in [csv, json] {
            let file = file(content.as_bytes());
            let mut ledger = Ledger::open(file.path()).expect("a ledger");
            let mut lines = Vec::new();
            while let Some(line) = ledger.next().expect("a line") {
                lines.push(line);
            }
            assert_eq!(lines.len(), 2);
            for line in lines.iter().rev().chain(&lines) {
                let again = ledger.response_at(line.number, line.offset).expect("the line is there");
                assert_eq!(again, line.response);
            }
            ledger.check_unchanged().expect("it did not change");
            file.as_file().set_len(3).expect("it can be cut");
            ledger.check_unchanged().expect_err("it changed");
        }
    }

    #[test]
    fn a_wrong_line_is_named_and_its_values_are_not() {
        let long = "x".repeat(1024 * 1024);
        for (content, number, why) in [
            ("id,amount\n1,2\n".to_owned(), 1, "no column `execution`"),
            ("execution;key\n".into(), 1, "no column `execution`"),
            ("key,status,Key\n".into(), 1, "`Key` stands twice"),
            (format!("execution\n{ID}:1\n{ID}:canary\n"), 3, "execution: expected"),
            (format!("execution\n{ID}:0\n"), 2, "execution: expected"),
            (format!("execution\n{ID}:+1\n"), 2, "execution: expected"),
            (format!("execution\n{ID}:4294967296\n"), 2, "execution: expected"),
            (format!("execution\n{}:1\n", &ID[1..]), 2, "execution: expected"),
            (format!("execution,status\n{ID}:1,canary\n"), 2, "status: expected"),
            (format!("execution,status\n{ID}:1,199\n"), 2, "status: expected"),
            (format!("execution,status,content_type\n{ID}:1,200,\"a\nb\"\n"), 2, "content_type"),
            (format!("execution,status\n{ID}:1,200\n{ID}:1\n"), 3, "2 columns, and this line has 1"),
            (format!("execution,memo\n{ID}:1,a\n{ID}:2,\"{long}\n{long}\n"), 3, "more than 1 MiB"),
            (format!("execution,memo\n{ID}:1,a\n{ID}:2,5\"\n{ID}:3,6\"\n"), 3, "a quote stands inside"),
            (format!("execution,memo\n{ID}:1,\"a\n{ID}:2,b\n{ID}:3,\"c\"\n"), 2, "behind its closing quote"),
            (format!("execution,memo\n\n{ID}:1,\"a\n{ID}:2,b\n"), 3, "ends inside a quoted value"),
            (format!("execution,memo\n{ID}:1,a\r{ID}:2,b\n"), 2, "carriage return"),
            (format!("{{\"execution\":\"{ID}:1\",\"execution\":\"{ID}:2\"}}"), 1, "a member stands twice"),
            (format!("{{\"execution\":\"{ID}:1\",\"Execution \":\"{ID}:2\"}}"), 1, "a member stands twice"),
            ("{\"key\":\"k\",\"Authorization\":\"canary\",\"authorization\":null}".into(), 1, "stands twice"),
            (format!("execution,{long}\n"), 1, "more than 1 MiB"),
            ("{\"execution\":\"canary\"}".into(), 1, "execution: expected"),
            (format!("{{\"execution\":\"{ID}:1\"}}\n\n[1]\n"), 3, "not a JSON object"),
            (format!("{{\"execution\":\"{ID}:1\"}}\n{{\"execution\":\"canary"), 2, "ends too early"),
            ("{\"execution\":canary}".into(), 1, "not JSON: see column 1"),
            ("{\"key\":[\"canary\"]}".into(), 1, "key: expected text or a number"),
            (format!("{{\"memo\":\"{long}\"}}\n"), 1, "more than 1 MiB"),
        ] {
            let Err(Failure::Ledger(told)) = lines(content.as_bytes()) else { panic!("{why}: it was read") };
            assert!(told.starts_with(&format!("line {number}: ")) && told.contains(why), "{why}: {told}");
            assert!(!told.contains("canary"), "{told}");
        }
        let latin = [b"execution,memo,key\n,\xe9,k\n,,\xe9\n".as_slice(), b"{\"key\":\"\xe9\"}"];
        for content in latin {
            let Err(Failure::Ledger(told)) = lines(content) else { panic!("it was read") };
            assert!(told.starts_with("line "), "{told}");
        }
        for content in ["", " \r\n\n", "\u{feff}"] {
            assert!(matches!(lines(content.as_bytes()), Err(Failure::Ledger(_))), "{content:?}");
        }
        assert!(matches!(Ledger::open(Path::new("/")), Err(Failure::Ledger(_))));
    }
}
