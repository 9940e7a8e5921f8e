//! The address of a primary: a fixed one, or the one that sentinels name.

use std::fmt;
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, cmd};

use super::failure::{Failure, of_connecting};
use super::settings::{Address, Sentinels};
use super::setup::Setup;

/// An endpoint: the way to find one primary.
#[derive(Clone, Debug)]
pub(super) enum Endpoint {
    /// A fixed address.
    Fixed(Address),
    /// Sentinels know where it is.
    Sentinels(Sentinels),
}

impl Endpoint {
    /// Returns the address of the primary and a client for it.
    pub(super) async fn client(&self, setup: &Setup) -> Result<(String, Client), Failure> {
        let address = self.address(setup).await?;
        Ok((address.to_string(), setup.client(&address)?))
    }

    /// Checks that the primary is still at `address`.
    ///
    /// # Errors
    /// [`Failure::Down`] with the present address if the primary is elsewhere. If no sentinel answers, the
    /// primary counts as unmoved.
    pub(super) async fn leads_to(&self, address: &str, setup: &Setup) -> Result<(), Failure> {
        match self.address(setup).await {
            Ok(now) if now.to_string() != address => Err(Failure::down(format!("the primary is {now} now"))),
            _ => Ok(()),
        }
    }

    async fn address(&self, setup: &Setup) -> Result<Address, Failure> {
        let Sentinels { addresses, primary: name } = match self {
            Self::Fixed(address) => return Ok(address.clone()),
            Self::Sentinels(sentinels) => sentinels,
        };
        let mut causes = Vec::new();
        // A sentinel that is gone must not use up the time of the sentinels after it.
        let each = setup.terms.timeout / (addresses.len() as u32 + 1);
        for sentinel in addresses {
            match ask(setup, sentinel, name, each).await {
                Ok(Some((host, port))) => return Ok(Address::Tcp(host, port)),
                Ok(None) => causes.push(Failure::down(format!("{sentinel} knows no primary {name:?}"))),
                Err(failure) => causes.push(failure.about(sentinel)),
            }
        }
        Err(Failure::of_all("no sentinel says where the primary is: ", &causes))
    }
}

async fn ask(
    setup: &Setup,
    sentinel: &Address,
    name: &str,
    within: Duration,
) -> Result<Option<(String, u16)>, Failure> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(within / 2))
        .set_response_timeout(Some(within / 2));
    let connecting = setup.sentinel(sentinel)?;
    let connecting = connecting.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = connecting.map_err(|error| of_connecting(&sentinel.to_string(), error))?;
    Ok(cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).query_async(&mut connection).await?)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(address) => address.fmt(f),
            Self::Sentinels(sentinels) => write!(f, "the primary {:?}", sentinels.primary),
        }
    }
}
