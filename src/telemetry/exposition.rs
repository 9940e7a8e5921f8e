//! The two text formats of metrics: OpenMetrics 1.0, and the older Prometheus format, version 0.0.4. The
//! library writes the first, and the second is converted from it.

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    Text,
}

impl Format {
    /// Returns the content type. Prometheus 3 refuses an answer without it.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Chooses the format for these values of `Accept` (RFC 9110, 12.5.1). A scraper that names OpenMetrics,
    /// and does not prefer the text, gets OpenMetrics. Any other client gets the text, even if neither format
    /// fits.
    pub fn accepted<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut open, mut text, mut rank) = (0, 0, 0);
        for range in values.into_iter().flat_map(|value| value.split(',')) {
            let Range { media, version, weight } = Range::parse(range);
            let (open_fits, text_fits) =
                (version != Some("0.0.1"), !matches!(version, Some(v) if v != "0.0.4"));
            let specific = match media.as_str() {
                "application/openmetrics-text" if open_fits => {
                    open = open.max(weight);
                    continue;
                }
                "text/plain" if text_fits => 3,
                "text/*" => 2,
                "*/*" => 1,
                _ => continue,
            };
            // The most specific range counts.
            if specific > rank {
                (rank, text) = (specific, weight);
            } else if specific == rank {
                text = text.max(weight);
            }
        }
        if open > 0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }
}

/// A member of `Accept`.
struct Range<'a> {
    /// The media range in lower case.
    media: String,
    version: Option<&'a str>,
    /// The weight in thousandths.
    weight: u32,
}

impl<'a> Range<'a> {
    fn parse(range: &'a str) -> Self {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut version, mut weight) = (None, 1000);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                "version" => version = Some(value),
                "q" | "Q" => weight = thousandths(value).unwrap_or(0),
                _ => {}
            }
        }
        Self { media, version, weight }
    }
}

fn thousandths(value: &str) -> Option<u32> {
    let weight = value.parse::<f64>().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
    Some((weight * 1000.0) as u32)
}

/// Converts the newer format to the older one.
///
/// In the older format a counter's family is named with `_total`, units have no line, no line marks the end,
/// and a quotation mark in a description is not escaped. Samples are equal in both formats, except that the
/// older one has no exemplars.
#[must_use]
pub fn text_of(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help: Option<(&str, &str)> = None;
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let end = if kind == "counter" { "_total" } else { "" };
            if let Some((_, help)) = help.take().filter(|(described, _)| *described == name) {
                text.push_str(&format!("# HELP {name}{end} {}\n", help.replace("\\\"", "\"")));
            }
            text.push_str(&format!("# TYPE {name}{end} {}\n", older(kind)));
        } else if !line.starts_with('#') {
            text.push_str(without_exemplar(line));
            text.push('\n');
        }
    }
    text
}

fn older(kind: &str) -> &str {
    match kind {
        "counter" | "gauge" | "histogram" | "summary" => kind,
        _ => "untyped",
    }
}

/// Removes an exemplar. It begins with ` # ` after the value, but a label's value may contain that as well.
fn without_exemplar(sample: &str) -> &str {
    let value = match sample.find([' ', '{']) {
        Some(at) if sample[at..].starts_with('{') => labels_end(sample),
        _ => 0,
    };
    let end = sample[value..].find(" # ").map_or(sample.len(), |at| value + at);
    &sample[..end]
}

/// Returns the end of the labels of a sample, where its value follows. Quoted text is skipped.
fn labels_end(sample: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in sample.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return at,
            _ => {}
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_the_format_that_it_asks_for() {
        let open = [
            // Prometheus 2.
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            // Prometheus 3.
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
             text/plain;version=0.0.4;q=0.2,/;q=0.1",
            "Application/OpenMetrics-Text",
            "application/openmetrics-text, text/plain",
            "text/plain;q=0, application/openmetrics-text; q=0.1",
            "*/*;q=0.9, application/openmetrics-text; version=\"1.0.0\"; q=0.9",
        ];
        for accept in open {
            assert_eq!(Format::accepted([accept]), Format::OpenMetrics, "{accept}");
        }
        let text = [
            "text/plain",
            "text/plain; version=0.0.4",
            "*/*",
            "text/*;q=0.5, application/openmetrics-text;q=0.4",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;q=0.5, */*",
            "application/json",
            "application/openmetrics-text;q=2",
            "",
        ];
        for accept in text {
            assert_eq!(Format::accepted([accept]), Format::Text, "{accept}");
        }
        assert_eq!(Format::accepted([]), Format::Text);
        assert_eq!(
            Format::accepted(["text/plain;q=0.1", "application/openmetrics-text"]),
            Format::OpenMetrics
        );
    }

    #[test]
    fn the_older_format_is_made_of_the_newer_one() {
        let open = "# HELP a_seconds How \\\"long\\\".\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n\
                    a_seconds_sum{route=\"x # y\"} 1.5\na_seconds_count{route=\"x # y\"} 1\n\
                    a_seconds_bucket{le=\"+Inf\",route=\"} # \\\"\"} 1 # {id=\"1\"} 1.5\n\
                    # HELP b Counted.\n# TYPE b counter\nb_total 3 # {id=\"1\"} 1\n\
                    # HELP c Now.\n# TYPE c gauge\nc 2\n# TYPE d info\nd_info{v=\"1\"} 1\n# EOF\n";
        let text = "# HELP a_seconds How \"long\".\n# TYPE a_seconds histogram\n\
                    a_seconds_sum{route=\"x # y\"} 1.5\na_seconds_count{route=\"x # y\"} 1\n\
                    a_seconds_bucket{le=\"+Inf\",route=\"} # \\\"\"} 1\n\
                    # HELP b_total Counted.\n# TYPE b_total counter\nb_total 3\n\
                    # HELP c Now.\n# TYPE c gauge\nc 2\n# TYPE d untyped\nd_info{v=\"1\"} 1\n";
        assert_eq!(text_of(open), text);
    }
}
