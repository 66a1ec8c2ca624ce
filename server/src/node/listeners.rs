//! The three addresses of a node, bound before anything else is opened.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::error::StartError;

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

    /// Where clients connect.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn sql_address(&self) -> Result<String, StartError> {
        address_of("--sql", &self.sql)
    }

    /// Where health and metrics are.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn http_address(&self) -> Result<String, StartError> {
        address_of("--http", &self.http)
    }
}

async fn bind(flag: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| failure(flag, address.to_string(), source))
}

fn address_of(flag: &'static str, listener: &TcpListener) -> Result<String, StartError> {
    let address = listener.local_addr().map_err(|source| failure(flag, "its listener".to_owned(), source))?;
    Ok(address.to_string())
}

fn failure(flag: &'static str, address: String, source: io::Error) -> StartError {
    StartError::Listener { flag, address, source }
}
