//! Looking whether records could be kept here, as a start does, but writing nothing: a start also leaves a
//! mark in each primary.

use std::collections::{BTreeMap, BTreeSet};

use redis::{AsyncConnectionConfig, cmd};
use tokio::time::timeout;

use super::door::Door;
use super::failure::Failure;
use super::fleet::owners;
use super::server::Server;
use super::settings::{Address, RedisSettings, Topology};
use super::{OpenError, RedisStore};

impl RedisStore {
    /// Looks at each primary. Returns what a crash of it would lose, as sentences.
    ///
    /// # Errors
    /// One does not answer, or no record may be trusted to it.
    pub async fn look(settings: &RedisSettings) -> Result<Vec<String>, OpenError> {
        let mut risks = BTreeSet::new();
        for door in doors(settings).await? {
            let server = match timeout(settings.timeout * 2, look(&door, settings)).await {
                Ok(looked) => looked?,
                Err(_) => return Err(Failure::Down(format!("{door} does not answer")).into()),
            };
            risks.extend(server);
        }
        Ok(risks.into_iter().collect())
    }
}

async fn doors(settings: &RedisSettings) -> Result<Vec<Door>, Failure> {
    match &settings.topology {
        Topology::Sentinel(name) => Ok(vec![Door::Sentinels(name.clone())]),
        Topology::Single => Ok(settings.addresses.iter().take(1).cloned().map(Door::At).collect()),
        Topology::Cluster => {
            let mut causes = Vec::new();
            for address in &settings.addresses {
                match timeout(settings.timeout, owners(settings, address)).await {
                    Ok(Ok(owners)) => return Ok(each_once(owners).into_iter().map(Door::At).collect()),
                    Ok(Err(failure)) => causes.push(format!("{address}: {failure}")),
                    Err(_) => causes.push(format!("{address} does not answer")),
                }
            }
            Err(Failure::Down(causes.join("; ")))
        }
    }
}

fn each_once(owners: Vec<Address>) -> Vec<Address> {
    let mut once: Vec<Address> = Vec::new();
    for owner in owners {
        if !once.contains(&owner) {
            once.push(owner);
        }
    }
    once
}

async fn look(door: &Door, settings: &RedisSettings) -> Result<Option<String>, Failure> {
    let (address, client) = door.client(settings).await?;
    let failed = |failure: Failure| Failure::Down(format!("{address}: {failure}"));
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.timeout))
        .set_response_timeout(Some(settings.timeout));
    let connection = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = connection.map_err(|error| failed(error.into()))?;
    let server = Server::ask(&mut connection).await.map_err(failed)?;
    if let Some(why) = server.unfit(settings.topology == Topology::Cluster) {
        return Err(Failure::Down(format!("{address}: {why}")));
    }
    if server.appends {
        return Ok(None);
    }
    // Servers that others run do not always tell.
    let asked = cmd("CONFIG").arg("GET").arg("save").query_async(&mut connection).await;
    let settings: BTreeMap<String, String> = asked.unwrap_or_default();
    let lost = match settings.get("save") {
        Some(points) if points.is_empty() => "everything (no snapshots either)",
        _ => "what came after the last snapshot",
    };
    Ok(Some(format!(
        "{address} writes no append-only file: when it ends, it loses {lost}, and what is retried runs again; set \
         `appendonly yes`"
    )))
}
