//! Addresses: `host:port` of a peer, and the socket address of a listener.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use super::fault::Advise;

/// Longest host name in bytes (RFC 1035).
const HOST_MAX_BYTES: usize = 253;

/// A host, by name or number, and a port.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    host: String,
    port: u16,
}

/// Why text is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// Nothing there.
    Empty,
    /// No `:port` at the end.
    NoPort(String),
    /// A port that is no number from 1 to 65535.
    BadPort(String),
    /// A host that cannot be one.
    BadHost(String),
}

impl Address {
    /// Reads `host:port`; an IPv6 address stands in brackets. `localhost` stays a name.
    ///
    /// # Errors
    /// Text of another shape.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| AddressError::NoPort(text.to_owned()))?;
        let port = port.parse::<u16>().map_err(|_| AddressError::BadPort(text.to_owned()))?;
        if !is_host(host) {
            return Err(AddressError::BadHost(text.to_owned()));
        }
        Ok(Self { host: host.to_owned(), port })
    }

    /// The host, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the host is `0.0.0.0` or `[::]`, which nobody can connect to from elsewhere.
    pub fn is_every_interface(&self) -> bool {
        let inner = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host);
        IpAddr::from_str(inner).is_ok_and(|ip| ip.is_unspecified())
    }

    /// The same host with another port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }
}

/// Whether this can be a host: an IPv4 address, an IPv6 address in brackets or a name.
fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return std::net::Ipv6Addr::from_str(inner).is_ok();
    }
    let of_numbers = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    let of_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    let shaped = if of_numbers { Ipv4Addr::from_str(host).is_ok() } else { of_name };
    !host.is_empty() && host.len() <= HOST_MAX_BYTES && shaped
}

/// Where a listener is to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// At this address; port 0 is any free one.
    At(SocketAddr),
    /// At the address that the machine knows by this name.
    Named(Address),
}

impl ListenAddress {
    /// Reads `host:port`; `localhost` is 127.0.0.1.
    ///
    /// # Errors
    /// Text of another shape.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let address = Address::parse(text)?;
        if address.host == "localhost" {
            return Ok(Self::At(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port)));
        }
        Ok(SocketAddr::from_str(text.trim()).map_or(Self::Named(address), Self::At))
    }

    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Self::At(address) => address.port(),
            Self::Named(address) => address.port,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => write!(f, "{address}"),
            Self::Named(address) => write!(f, "{address}"),
        }
    }
}

/// An address that other machines reach, without `--insecure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposed(SocketAddr);

/// Whether a listener may be at an address: beyond loopback only where somebody has said so.
///
/// # Errors
/// [`Exposed`].
pub fn check_exposure(address: SocketAddr, insecure: bool) -> Result<(), Exposed> {
    if address.ip().is_loopback() || insecure { Ok(()) } else { Err(Exposed(address)) }
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} can be reached from other machines, and Quorate has no passwords and no encryption yet",
            self.0
        )
    }
}

impl Advise for Exposed {
    fn advice(&self) -> String {
        format!("use 127.0.0.1:{}, or add --insecure if the network is yours alone", self.0.port())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { host, port: address.port() }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "is empty"),
            Self::NoPort(text) => write!(f, "'{text}' has no port"),
            Self::BadPort(text) => write!(f, "'{text}' has no port from 0 to 65535"),
            Self::BadHost(text) => write!(f, "'{text}' has no valid host"),
        }
    }
}

impl std::error::Error for AddressError {}

impl Advise for AddressError {
    fn advice(&self) -> String {
        match self {
            Self::Empty | Self::NoPort(_) | Self::BadPort(_) | Self::BadHost(_) => {
                "write host:port, such as 127.0.0.1:7001".to_owned()
            }
        }
    }
}
