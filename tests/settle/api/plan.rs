//! The treatment of one request by the API.

use std::time::Duration;

/// The treatment of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Pause after the request was read.
    pub received: Pause,
    /// Pause in the open transaction, after everything was written.
    pub written: Pause,
    /// Pause after the commit.
    pub committed: Pause,
    pub act: Act,
    pub reply: Reply,
}

/// A pause between two points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    None,
    For(Duration),
    /// A pause until the test opens the gate.
    Gate,
}

/// The effect of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Charge,
    /// No charge: the transaction is rolled back, or never began.
    Nothing,
}

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The answer of the charge; without a charge, status 500.
    Own,
    /// The connection is closed without an answer.
    Lost,
    /// Another status, with or without a charge.
    Status(u16),
}

impl Plan {
    /// Charges and answers at once.
    pub const CHARGE: Self = Self {
        received: Pause::None,
        written: Pause::None,
        committed: Pause::None,
        act: Act::Charge,
        reply: Reply::Own,
    };

    /// Charges, and the answer is lost.
    pub const ANSWER_LOST: Self = Self { reply: Reply::Lost, ..Self::CHARGE };

    /// Does nothing and closes the connection, as if the request had never arrived.
    pub const NEVER_ARRIVED: Self = Self { act: Act::Nothing, reply: Reply::Lost, ..Self::CHARGE };

    /// Does nothing and answers with a status.
    pub const fn refuse(status: u16) -> Self {
        Self { act: Act::Nothing, reply: Reply::Status(status), ..Self::CHARGE }
    }

    /// Charges, and answers with another status.
    pub const fn charge_but_say(status: u16) -> Self {
        Self { reply: Reply::Status(status), ..Self::CHARGE }
    }

    pub const fn received(self, received: Pause) -> Self {
        Self { received, ..self }
    }

    pub const fn written(self, written: Pause) -> Self {
        Self { written, ..self }
    }

    pub const fn committed(self, committed: Pause) -> Self {
        Self { committed, ..self }
    }
}
