//! The scripts, each of which takes one round trip.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Value, pipe};

use crate::clock::Timestamp;

use super::failure::Failure;
use super::marks::Digits;

/// A script that the gateway runs on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Claim,
    Write,
    Remove,
    Read,
    Watch,
    Due,
    Unknown,
    Mend,
    Document,
    Oldest,
    Tally,
    Relist,
}

/// The source of a script about one record: its own beginning, the common middle, and what follows there.
macro_rules! about_a_record {
    ($begin:literal $(, $then:literal)*) => {
        concat!(include_str!($begin), include_str!("lua/record.lua") $(, include_str!($then))*)
    };
}

impl Script {
    const ALL: [Self; 12] = [
        Self::Claim,
        Self::Write,
        Self::Remove,
        Self::Read,
        Self::Watch,
        Self::Due,
        Self::Unknown,
        Self::Mend,
        Self::Document,
        Self::Oldest,
        Self::Tally,
        Self::Relist,
    ];

    fn source(self) -> &'static str {
        match self {
            Self::Claim => about_a_record!("lua/claim.lua", "lua/permission.lua", "lua/create.lua"),
            Self::Write => about_a_record!("lua/write.lua", "lua/permission.lua", "lua/replace.lua"),
            Self::Remove => about_a_record!("lua/remove.lua", "lua/delete.lua"),
            Self::Read => about_a_record!("lua/read.lua"),
            Self::Watch => include_str!("lua/watch.lua"),
            Self::Due => include_str!("lua/due.lua"),
            Self::Unknown => include_str!("lua/unknown.lua"),
            Self::Mend => include_str!("lua/mend.lua"),
            Self::Document => include_str!("lua/document.lua"),
            Self::Oldest => include_str!("lua/oldest.lua"),
            Self::Tally => include_str!("lua/tally.lua"),
            Self::Relist => include_str!("lua/relist.lua"),
        }
    }
}

/// A call of a script: its keys and arguments.
#[derive(Clone)]
pub(super) struct Call {
    script: Script,
    keys: usize,
    /// The keys and then the arguments, without a gap.
    bytes: Vec<u8>,
    /// The end of each of them.
    ends: Vec<usize>,
    begins: Option<ExecutionStart>,
}

/// Room for the keys of a call about one record, in bytes.
const ROOM_FOR_KEYS: usize = 384;
/// Room for what a call gets when it is sent: the command, the script's name, the number of keys, and the
/// permission.
const ROOM_FOR_FRAME: (usize, usize) = (4, 80);

impl Call {
    pub(super) fn new(script: Script, keys: impl IntoIterator<Item = String>) -> Self {
        let call = Self { script, keys: 0, bytes: Vec::new(), ends: Vec::new(), begins: None };
        keys.into_iter().fold(call, |call, key| call.key([&key]))
    }

    /// Creates a call about one record, with room for `arguments` bytes of arguments. Each payment makes two
    /// of these calls, so no word of theirs has an allocation of its own.
    pub(super) fn about_record<const N: usize, const P: usize>(
        script: Script,
        keys: [[&str; P]; N],
        arguments: usize,
    ) -> Self {
        let bytes = Vec::with_capacity(ROOM_FOR_KEYS + arguments);
        let call = Self { script, keys: 0, bytes, ends: Vec::with_capacity(N + 6), begins: None };
        keys.into_iter().fold(call, Self::key)
    }

    /// Adds a key, which consists of `parts`. All keys come before the first argument.
    pub(super) fn key<const P: usize>(mut self, parts: [&str; P]) -> Self {
        for part in parts {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.ends.push(self.bytes.len());
        self.keys += 1;
        self
    }

    pub(super) fn arg(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.bytes.extend_from_slice(argument.as_ref());
        self.ends.push(self.bytes.len());
        self
    }

    pub(super) fn number(self, number: u128) -> Self {
        self.arg(number.to_string())
    }

    /// Marks the call as one that may begin an execution. Such a call needs a permission, which is added as
    /// its last argument when the call is sent. Only then is it known what the server has lost, and until
    /// when the gateway waits for the answer.
    pub(super) fn starting(mut self, begins: Option<ExecutionStart>) -> Self {
        self.begins = begins;
        self
    }

    /// Returns the execution that may begin with this call, if there is one.
    pub(super) fn begins(&self) -> Option<ExecutionStart> {
        self.begins
    }

    fn command(&self, how: &str, what: &str, permitted: Permitted) -> Cmd {
        let (words, bytes) = ROOM_FOR_FRAME;
        let mut command = Cmd::with_capacity(words + self.ends.len(), bytes + what.len() + self.bytes.len());
        command.arg(how).arg(what).arg(self.keys);
        let mut start = 0;
        for end in &self.ends {
            command.arg(&self.bytes[start..*end]);
            start = *end;
        }
        if self.begins.is_some() {
            let (until, mark) =
                permitted.map_or((0, None), |permission| (permission.until.0, permission.mark));
            let mut permission = [0; 8 + size_of::<Digits>()];
            permission[..8].copy_from_slice(&until.to_be_bytes());
            permission[8..].copy_from_slice(&mark.unwrap_or_default());
            command.arg(if mark.is_some() { &permission[..] } else { &permission[..8] });
        }
        command
    }
}

/// An execution that may begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExecutionStart {
    /// The bucket of its record.
    pub(super) bucket: u8,
    /// False if the execution runs here already and only its lease becomes longer.
    pub(super) is_new: bool,
}

/// The permission to begin an execution; `None` if none may begin.
pub(super) type Permitted = Option<Permission>;

/// The conditions for an execution to begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permission {
    /// The latest moment, by the server's clock.
    pub(super) until: Timestamp,
    /// The mark that the bucket must have. An unknown mark fits no bucket.
    pub(super) mark: Option<Digits>,
}

/// A request to a server.
#[derive(Clone, Copy)]
pub(super) enum Request<'a> {
    /// A script to run.
    Script(&'a Call),
    /// Any other command to run.
    Command(&'a Cmd),
    /// A subscription to the messages that are published on this channel.
    Subscribe(&'a str),
}

/// The number of replicas that must have a write, and how long the server waits for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledged {
    pub(super) by: u32,
    pub(super) within: Duration,
}

/// The names under which one server knows the scripts.
pub(super) struct Loaded(Vec<String>);

impl Loaded {
    /// Loads all scripts into the server.
    pub(super) async fn on(connection: &mut MultiplexedConnection) -> Result<Self, Failure> {
        let mut load = pipe();
        for script in Script::ALL {
            load.cmd("SCRIPT").arg("LOAD").arg(script.source());
        }
        Ok(Self(load.query_async(connection).await?))
    }

    /// Runs `call`, with or without the permission to begin an execution. The second value of the result is
    /// the number of replicas that had the write in time, if `acknowledged` asks for it.
    ///
    /// A server that does not know the script (it was restarted, or its scripts were flushed) has run
    /// nothing. The call is then sent again with the script's source.
    pub(super) async fn run(
        &self,
        connection: &mut MultiplexedConnection,
        call: &Call,
        permitted: Permitted,
        acknowledged: Option<Acknowledged>,
    ) -> Result<(Value, u32), Failure> {
        let name = &self.0[call.script as usize];
        match send(connection, &call.command("EVALSHA", name, permitted), acknowledged).await {
            Err(failure) if failure.has_code(&["NOSCRIPT"]) => {
                send(connection, &call.command("EVAL", call.script.source(), permitted), acknowledged).await
            }
            answered => answered,
        }
    }
}

/// Sends a command. With `acknowledged`, a `WAIT` follows in the same packet, by which the server waits for
/// its replicas.
pub(super) async fn send(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
    acknowledged: Option<Acknowledged>,
) -> Result<(Value, u32), Failure> {
    let Some(Acknowledged { by, within }) = acknowledged else {
        let value = connection.send_packed_command(command).await?;
        return Ok((value.extract_error()?, 0));
    };
    let mut both = pipe();
    both.add_command(command.clone()).cmd("WAIT").arg(by).arg(within.as_millis() as u64);
    let mut answers = connection.req_packed_commands(&both, 0, 2).await?.into_iter();
    let (first, second) = (answers.next().unwrap_or_default(), answers.next().unwrap_or_default());
    let value = first.extract_error()?;
    // If `WAIT` answers anything but a number, the write may be on no replica.
    let replicas = match second {
        Value::Int(replicas) => u32::try_from(replicas).unwrap_or(0),
        _ => 0,
    };
    Ok((value, replicas))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_first_and_the_permission_last() {
        let starts = ExecutionStart { bucket: 7, is_new: true };
        let call = Call::about_record(Script::Claim, [["p:", "{07}"], ["p:", ""]], 3);
        let call = call.arg("abc").arg([]).starting(Some(starts));
        let words = |permitted| {
            let command = call.command("EVALSHA", "name", permitted);
            String::from_utf8_lossy(&command.get_packed_command()).replace("\r\n", " ")
        };
        let permission =
            Permission { until: Timestamp(0x3132_3334_3536_3738), mark: Some(*b"0123456789abcdef") };
        assert_eq!(
            words(Some(permission)),
            "*8 $7 EVALSHA $4 name $1 2 $6 p:{07} $2 p: $3 abc $0  $24 123456780123456789abcdef "
        );
        assert!(words(None).ends_with("$8 \0\0\0\0\0\0\0\0 "));
    }

    #[test]
    fn names_are_kept_in_the_order_of_the_scripts() {
        for (index, script) in Script::ALL.into_iter().enumerate() {
            assert_eq!(script as usize, index);
        }
    }
}
