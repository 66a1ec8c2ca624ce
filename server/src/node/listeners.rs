//! The three addresses of a node, bound before anything else is opened.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::error::StartError;
use crate::config::{Address, Advise, ListenAddress, StartConfig, check_exposure};

/// The listeners of a node, bound and not yet served.
#[derive(Debug)]
pub struct Listeners {
    /// For other nodes.
    pub peers: TcpListener,
    /// For PostgreSQL clients.
    pub sql: TcpListener,
    /// For health and metrics.
    pub http: TcpListener,
}

impl Listeners {
    /// Finds what names mean, and binds all three.
    ///
    /// # Errors
    /// The first whose name is not known, that others could reach without leave, or that cannot be bound, with its flag.
    pub async fn open(config: &StartConfig) -> Result<Self, StartError> {
        let StartConfig { listen, sql, http, insecure, .. } = config;
        Self::bind(
            resolve("--listen", listen, *insecure).await?,
            resolve("--sql", sql, *insecure).await?,
            resolve("--http", http, *insecure).await?,
        )
        .await
    }

    /// Binds all three.
    ///
    /// # Errors
    /// The first that cannot be bound, with its flag.
    pub async fn bind(peers: SocketAddr, sql: SocketAddr, http: SocketAddr) -> Result<Self, StartError> {
        Ok(Self {
            peers: bind("--listen", peers).await?,
            sql: bind("--sql", sql).await?,
            http: bind("--http", http).await?,
        })
    }

    /// Where other nodes connect.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn peer_address(&self) -> Result<String, StartError> {
        address_of("--listen", &self.peers)
    }

    /// Where clients connect; a listener on every interface is told under the host that the node advertises.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn sql_address(&self, advertised: &str) -> Result<String, StartError> {
        address_of("--sql", &self.sql).map(|address| told(address, advertised))
    }

    /// Where health and metrics are, as [`Listeners::sql_address`].
    ///
    /// # Errors
    /// The system does not tell.
    pub fn http_address(&self, advertised: &str) -> Result<String, StartError> {
        address_of("--http", &self.http).map(|address| told(address, advertised))
    }
}

async fn resolve(
    flag: &'static str,
    address: &ListenAddress,
    insecure: bool,
) -> Result<SocketAddr, StartError> {
    let named = match address {
        ListenAddress::At(address) => return Ok(*address),
        ListenAddress::Named(named) => named,
    };
    let found = tokio::net::lookup_host(named.to_string()).await;
    let found = found.and_then(|mut addresses| {
        addresses.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it has no address"))
    });
    let found = found.map_err(|source| StartError::Name { flag, name: named.host().to_owned(), source })?;
    match check_exposure(found, insecure) {
        Ok(()) => Ok(found),
        Err(exposed) => Err(StartError::Exposed {
            flag,
            address: named.to_string(),
            what: exposed,
            advice: exposed.advice(),
        }),
    }
}

async fn bind(flag: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| failure(flag, address.to_string(), source))
}

fn address_of(flag: &'static str, listener: &TcpListener) -> Result<String, StartError> {
    let address = listener.local_addr().map_err(|source| failure(flag, "its listener".to_owned(), source))?;
    Ok(address.to_string())
}

fn told(address: String, advertised: &str) -> String {
    match (Address::parse(&address), Address::parse(advertised)) {
        (Ok(listens), Ok(advertised)) if listens.is_every_interface() => {
            advertised.with_port(listens.port()).to_string()
        }
        _ => address,
    }
}

fn failure(flag: &'static str, address: String, source: io::Error) -> StartError {
    StartError::Listener { flag, address, source }
}
