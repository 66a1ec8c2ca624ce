//! What a node is started with: raw text from the command line in, checked types out.
//!
//! One idea: [`StartOptions::check`] is pure and reports **every** fault at once, each with what to do, so that nobody
//! has to start a node five times to learn of five mistakes. Inner code takes [`StartConfig`] and checks nothing again.

mod address;
mod demo;
mod fault;
mod locality;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use address::{Address, AddressError, parse_listener};
pub use demo::{DEMO_NODES_MAX, DemoConfig, DemoData, DemoOptions};
pub use fault::{Checked, Fault, Faults};
pub use locality::{ZonedLocality, ZonedLocalityError};

/// Most addresses in `--join`: enough for any cluster's seeds, few enough to ask all of them at `init`.
pub const JOIN_MAX: usize = 100;

/// `quorate start` as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartOptions {
    /// Folder of this node's store.
    pub data_dir: PathBuf,
    /// Address of the node-to-node listener, which is also what peers are told.
    pub listen: String,
    /// Address of the SQL listener.
    pub sql: String,
    /// Address of the HTTP listener.
    pub http: String,
    /// `region=eu,zone=a`.
    pub locality: String,
    /// Addresses of the first nodes, this one included, separated by commas.
    pub join: Vec<String>,
    /// Whether listeners may be reached from other machines, although nothing is encrypted and nobody is asked for a password.
    pub insecure: bool,
    /// Whether to begin anew where the store must not be used.
    pub rejoin: bool,
}

/// `quorate start`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartConfig {
    /// Folder of this node's store.
    pub data_dir: PathBuf,
    /// Address of the node-to-node listener.
    pub listen: SocketAddr,
    /// Address that peers and other commands are told: the listener's as it was typed.
    pub advertise: Address,
    /// Address of the SQL listener.
    pub sql: SocketAddr,
    /// Address of the HTTP listener.
    pub http: SocketAddr,
    /// Where the node stands.
    pub locality: ZonedLocality,
    /// The first nodes' addresses, without repeats, in the order given.
    pub join: Vec<Address>,
    /// Whether to begin anew where the store must not be used.
    pub rejoin: bool,
}

impl StartOptions {
    /// The checked configuration with warnings, or all faults.
    ///
    /// # Errors
    /// Every fault found, in the order of the flags.
    pub fn check(&self) -> Result<Checked<StartConfig>, Faults> {
        let mut faults = Faults::default();
        if self.data_dir.as_os_str().is_empty() {
            faults.add("--data-dir", "is empty", "name a folder for this node alone, such as --data-dir d1");
        }
        let advertise = Address::parse(&self.listen);
        let listen = self.listener("--listen", &self.listen, &mut faults);
        let sql = self.listener("--sql", &self.sql, &mut faults);
        let http = self.listener("--http", &self.http, &mut faults);
        check_listen_can_be_told(listen, &mut faults);
        check_distinct(&[("--listen", listen), ("--sql", sql), ("--http", http)], &mut faults);
        let locality = faults.take("--locality", ZonedLocality::parse(&self.locality));
        let join = check_join(&self.join, &mut faults);
        match (advertise, listen, sql, http, locality) {
            (Ok(advertise), Some(listen), Some(sql), Some(http), Some(locality)) if faults.is_empty() => {
                let warnings = warnings(&advertise, &join);
                let (data_dir, rejoin) = (self.data_dir.clone(), self.rejoin);
                let value = StartConfig { data_dir, listen, advertise, sql, http, locality, join, rejoin };
                Ok(Checked { value, warnings })
            }
            _ => Err(faults),
        }
    }

    /// A listener's address; beyond loopback only with `--insecure`.
    fn listener(&self, flag: &'static str, text: &str, faults: &mut Faults) -> Option<SocketAddr> {
        let address = parse_listener(text);
        if let Ok(address) = &address
            && !address.ip().is_loopback()
            && !self.insecure
        {
            faults.add(
                flag,
                format!("{address} can be reached from other machines, and Quorate has no passwords and no encryption yet"),
                format!("use 127.0.0.1:{}, or add --insecure if the network is yours alone", address.port()),
            );
        }
        faults.take(flag, address)
    }
}

/// Peers are told the `--listen` address, so it cannot be "every interface".
fn check_listen_can_be_told(listen: Option<SocketAddr>, faults: &mut Faults) {
    if let Some(listen) = listen
        && listen.ip().is_unspecified()
    {
        let what = format!("{listen} means every interface, and cannot be told to the other nodes");
        faults.add("--listen", what, "name the address under which the other nodes reach this one");
    }
    if let Some(listen) = listen
        && listen.port() == 0
    {
        faults.add("--listen", "port 0 means any port, and cannot be told to the other nodes", "name a port");
    }
}

/// No two listeners on one address.
fn check_distinct(listeners: &[(&'static str, Option<SocketAddr>)], faults: &mut Faults) {
    for (position, (flag, address)) in listeners.iter().enumerate() {
        let Some(address) = address.filter(|address| address.port() != 0) else { continue };
        let earlier = listeners.iter().take(position).find(|(_, other)| *other == Some(address));
        if let Some((other, _)) = earlier {
            faults.add(
                flag,
                format!("{address} is also the address of {other}"),
                "give each listener its own port",
            );
        }
    }
}

fn check_join(texts: &[String], faults: &mut Faults) -> Vec<Address> {
    let mut join: Vec<Address> = Vec::new();
    for text in texts {
        if let Some(address) = faults.take("--join", Address::parse(text))
            && !join.contains(&address)
        {
            join.push(address);
        }
    }
    if texts.is_empty() {
        let advice =
            "list the first nodes, this one included: --join 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003";
        faults.add("--join", "is empty", advice);
    }
    if join.len() > JOIN_MAX {
        let what = format!("{} addresses are beyond the limit of {JOIN_MAX}", join.len());
        faults.add("--join", what, "list the first few nodes; the others are learnt from them");
    }
    join
}

fn warnings(advertise: &Address, join: &[Address]) -> Vec<String> {
    let mut warnings = Vec::new();
    if !join.contains(advertise) {
        warnings.push(format!(
            "--join does not name this node's own --listen {advertise}: right for a node added later, wrong for one of the first"
        ));
    }
    warnings
}
