//! A check whether a gateway could keep records here. The check examines the servers as a start does, but
//! writes nothing: a start also leaves a mark in each primary.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use redis::{AsyncConnectionConfig, RedisError, cmd};
use tokio::time::timeout;

use crate::store::{Document, Sheet};

use super::door::Door;
use super::failure::Failure;
use super::fleet::owners;
use super::keys::{DOCUMENTS_BUCKET, Keys};
use super::persistence::forgets;
use super::server::Server;
use super::settings::{Address, RedisSettings, Topology};
use super::{OpenError, RedisStore};

impl RedisStore {
    /// Examines each primary. Returns the document about how operations are named, and sentences about the
    /// data that a restart would forget.
    ///
    /// # Errors
    /// [`OpenError`] if a primary does not answer, or if no record may be trusted to it.
    pub async fn look(settings: &RedisSettings) -> Result<(Document, Vec<String>), OpenError> {
        let (mut names, mut risks) = (None, BTreeSet::new());
        // The first endpoint is the primary that holds the document of names.
        for door in doors(settings).await? {
            let looking = look(&door, settings, names.is_none());
            let (document, risk) = match timeout(settings.timeout * 2, looking).await {
                Ok(looked) => looked?,
                Err(_) => return Err(Failure::down(format!("{door} does not answer")).into()),
            };
            names.get_or_insert(document);
            risks.extend(risk);
        }
        let names = names.ok_or_else(|| Failure::Down("there is no primary".into()))?;
        Ok((names, risks.into_iter().collect()))
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
                    Ok(Ok(owners)) => {
                        let named = owners.get(usize::from(DOCUMENTS_BUCKET)).cloned().into_iter();
                        let once = each_once(named.chain(owners).collect());
                        return Ok(once.into_iter().map(Door::At).collect());
                    }
                    Ok(Err(failure)) => causes.push(format!("{address}: {failure}")),
                    Err(_) => causes.push(format!("{address} does not answer")),
                }
            }
            Err(Failure::down(causes.join("; ")))
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

async fn look(
    door: &Door,
    settings: &RedisSettings,
    named: bool,
) -> Result<(Document, Option<String>), Failure> {
    let (address, client) = door.client(settings).await?;
    let failed = |failure: Failure| Failure::down(format!("{address}: {failure}"));
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.timeout))
        .set_response_timeout(Some(settings.timeout));
    let connection = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = connection.map_err(|error| failed(error.into()))?;
    let server = Server::ask(&mut connection).await.map_err(failed)?;
    if let Some(why) = server.unfit(settings.topology == Topology::Cluster) {
        return Err(Failure::down(format!("{address}: {why}")));
    }
    let mut names = Document { bytes: None, now: server.now };
    if named {
        let asked = cmd("GET")
            .arg(Keys::new(&settings.prefix).document(Sheet::Names))
            .query_async(&mut connection)
            .await;
        let bytes: Option<Vec<u8>> = asked.map_err(|error: RedisError| failed(error.into()))?;
        names.bytes = bytes.map(Bytes::from);
    }
    if server.appends {
        return Ok((names, None));
    }
    // Managed servers do not always allow this command.
    let asked = cmd("CONFIG").arg("GET").arg("save").query_async(&mut connection).await;
    let settings: BTreeMap<String, String> = asked.unwrap_or_default();
    Ok((names, Some(forgets(settings.get("save").map(String::as_str)))))
}
