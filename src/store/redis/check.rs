//! A check whether a gateway could keep records here. The check examines the servers as a start does, but
//! writes nothing: a start also leaves a mark in each primary.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use redis::{AsyncConnectionConfig, RedisError, cmd};
use tokio::time::timeout;

use crate::store::{Document, DocumentName, Terms};

use super::endpoint::Endpoint;
use super::failure::Failure;
use super::keys::{DOCUMENTS_BUCKET, Keys};
use super::nodes::owners;
use super::persistence::forgets;
use super::server::Server;
use super::settings::{Address, Servers, Settings};
use super::setup::Setup;
use super::{OpenError, RedisStore};

impl RedisStore {
    /// Examines each primary. Returns the document about how operations are named, and sentences about the
    /// data that a restart would forget.
    ///
    /// # Errors
    /// [`OpenError`] if a primary does not answer, or if no record may be trusted to it.
    pub async fn check(settings: Settings, terms: Terms) -> Result<(Document, Vec<String>), OpenError> {
        let setup = Setup { settings, terms };
        let (mut names, mut risks) = (None, BTreeSet::new());
        // The first endpoint is the primary that holds the document of names.
        for endpoint in endpoints(&setup).await? {
            let checking = check(&endpoint, &setup, names.is_none());
            let (document, risk) = match timeout(setup.terms.timeout * 2, checking).await {
                Ok(checked) => checked?,
                Err(_) => return Err(Failure::down(format!("{endpoint} does not answer")).into()),
            };
            names.get_or_insert(document);
            risks.extend(risk);
        }
        let names = names.ok_or_else(|| Failure::Down("there is no primary".into()))?;
        Ok((names, risks.into_iter().collect()))
    }
}

async fn endpoints(setup: &Setup) -> Result<Vec<Endpoint>, Failure> {
    match &setup.settings.servers {
        Servers::Sentinels(sentinels) => Ok(vec![Endpoint::Sentinels(sentinels.clone())]),
        Servers::One(address) => Ok(vec![Endpoint::Fixed(address.clone())]),
        Servers::Cluster(nodes) => {
            let mut causes = Vec::new();
            for address in nodes {
                match timeout(setup.terms.timeout, owners(setup, address)).await {
                    Ok(Ok(owners)) => {
                        let named = owners.get(usize::from(DOCUMENTS_BUCKET)).cloned().into_iter();
                        let once = each_once(named.chain(owners).collect());
                        return Ok(once.into_iter().map(Endpoint::Fixed).collect());
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

async fn check(
    endpoint: &Endpoint,
    setup: &Setup,
    named: bool,
) -> Result<(Document, Option<String>), Failure> {
    let (address, client) = endpoint.client(setup).await?;
    let failed = |failure: Failure| Failure::down(format!("{address}: {failure}"));
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(setup.terms.timeout))
        .set_response_timeout(Some(setup.terms.timeout));
    let connection = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = connection.map_err(|error| failed(error.into()))?;
    let server = Server::ask(&mut connection).await.map_err(failed)?;
    if let Some(why) = server.unfit(setup.settings.servers.is_cluster()) {
        return Err(Failure::down(format!("{address}: {why}")));
    }
    let mut names = Document { bytes: None, now: server.now };
    if named {
        let asked = cmd("GET")
            .arg(Keys::new(&setup.settings.prefix).document(DocumentName::Names))
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
