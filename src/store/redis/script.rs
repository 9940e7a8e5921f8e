//! The scripts, each of which takes one round trip.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Value, cmd, pipe};

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
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
    begins: Option<ExecutionStart>,
}

impl Call {
    pub(super) fn new(script: Script, keys: Vec<String>) -> Self {
        Self { script, keys, arguments: Vec::new(), begins: None }
    }

    pub(super) fn arg(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
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
        let mut command = cmd(how);
        command.arg(what).arg(self.keys.len()).arg(&self.keys);
        for argument in &self.arguments {
            command.arg(argument.as_slice());
        }
        if self.begins.is_some() {
            let (until, mark) =
                permitted.map_or((0, None), |permission| (permission.until.0, permission.mark));
            let mark = mark.as_ref().map_or(&[][..], |mark| mark);
            command.arg([&until.to_be_bytes()[..], mark].concat());
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
        let value = connection.req_packed_command(command).await?;
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
    fn names_are_kept_in_the_order_of_the_scripts() {
        for (index, script) in Script::ALL.into_iter().enumerate() {
            assert_eq!(script as usize, index);
        }
    }
}
