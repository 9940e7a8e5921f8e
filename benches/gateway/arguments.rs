//! The words after the command.

use std::time::Duration;

/// Names of the measurements.
const NAMES: [&str; 7] =
    ["fixed-rate", "saturated", "loaded", "duplicates", "round-trips", "idle", "instructions"];

/// Number of connections at which no connection, and no thread of a server, is always the warm one.
const CONNECTIONS: usize = 16;

/// The extent of a measurement.
#[derive(Clone, Copy)]
pub struct Extent {
    /// Number of connections to each server at the fixed rate. The cost at other numbers is measured beside.
    pub connections: usize,
    pub rounds: usize,
    /// Duration of a group of the fixed rate. `slice` is that of a saturated slice.
    pub group: Duration,
    pub slice: Duration,
    pub duplicate_rounds: usize,
    pub starts: usize,
    /// Number of requests whose instructions are counted, for each server and case.
    pub counted: usize,
}

const FULL: Extent = Extent {
    connections: CONNECTIONS,
    rounds: 7,
    group: Duration::from_secs(2),
    slice: Duration::from_secs(1),
    duplicate_rounds: 20,
    starts: 5,
    counted: 400,
};
const QUICK: Extent = Extent {
    connections: CONNECTIONS,
    rounds: 2,
    group: Duration::from_millis(500),
    slice: Duration::from_millis(250),
    duplicate_rounds: 3,
    starts: 1,
    counted: 80,
};

/// The selected measurements, and their extent.
pub struct Arguments {
    names: Vec<String>,
    pub extent: Extent,
}

impl Arguments {
    /// Reads the words.
    ///
    /// # Errors
    ///
    /// A text for the user if a word is not known.
    pub fn parse(words: Vec<String>) -> Result<Self, String> {
        let (mut names, mut extent, mut connections) = (Vec::new(), FULL, CONNECTIONS);
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => extent = QUICK,
                "--connections" => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    connections =
                        number.filter(|number| *number > 0).ok_or("--connections takes a number")?;
                }
                name if NAMES.contains(&name) => names.push(word),
                _ => {
                    return Err(format!(
                        "{word:?} is none of --quick, --connections N, {}",
                        NAMES.join(", ")
                    ));
                }
            }
        }
        Ok(Self { names, extent: Extent { connections, ..extent } })
    }

    /// Tells whether a measurement is selected. Without a name, all are.
    pub fn is_selected(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|selected| selected == name)
    }
}
