//! What a node is started with: raw text from the command line in, checked types out.
//!
//! One idea: [`StartOptions::check`] is pure and reports **every** fault at once, each with what to do, so that nobody
//! has to start a node five times to learn of five mistakes. Inner code takes [`StartConfig`] and checks nothing again.

mod address;
mod demo;
mod fault;
mod locality;

use std::path::PathBuf;

pub use address::{Address, AddressError, Exposed, ListenAddress, check_exposure};
pub use demo::{DEMO_NODES_MAX, DemoConfig, DemoData, DemoOptions};
pub use fault::{Advise, Checked, Fault, Faults};
pub use locality::{ZonedLocality, ZonedLocalityError};

/// Most addresses in `--join`: enough for any cluster's seeds, few enough to ask all of them at `init`.
pub const JOIN_MAX: usize = 100;

/// What a node does whose store must not be used: it was copied, or has lost what it had synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// It says so, and takes no part.
    #[default]
    Refuse,
    /// It empties its data directory, and begins anew from the others.
    Rejoin,
    /// It goes on with what is left, where nobody else has its ranges.
    Accept,
}

/// `quorate start` as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartOptions {
    /// Folder of this node's store.
    pub data_dir: PathBuf,
    /// Address of the node-to-node listener, which is also what peers are told unless `advertise` is.
    pub listen: String,
    /// Address under which peers and other commands reach the node.
    pub advertise: Option<String>,
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
    /// What to do where the store must not be used.
    pub on_loss: OnLoss,
}

/// `quorate start`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartConfig {
    /// Folder of this node's store.
    pub data_dir: PathBuf,
    /// Address of the node-to-node listener.
    pub listen: ListenAddress,
    /// Address that peers and other commands are told: the listener's as it was typed, where no other was.
    pub advertise: Address,
    /// Address of the SQL listener.
    pub sql: ListenAddress,
    /// Address of the HTTP listener.
    pub http: ListenAddress,
    /// Whether listeners may be reached from other machines.
    pub insecure: bool,
    /// Where the node stands.
    pub locality: ZonedLocality,
    /// The first nodes' addresses, without repeats, in the order given.
    pub join: Vec<Address>,
    /// What to do where the store must not be used.
    pub on_loss: OnLoss,
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
        let listen = self.listener("--listen", &self.listen, &mut faults);
        let sql = self.listener("--sql", &self.sql, &mut faults);
        let http = self.listener("--http", &self.http, &mut faults);
        let advertise = self.told(listen.as_ref(), &mut faults);
        check_distinct(
            &[("--listen", listen.as_ref()), ("--sql", sql.as_ref()), ("--http", http.as_ref())],
            &mut faults,
        );
        let locality = faults.take("--locality", ZonedLocality::parse(&self.locality));
        let join = check_join(&self.join, &mut faults);
        match (advertise, listen, sql, http, locality) {
            (Some(advertise), Some(listen), Some(sql), Some(http), Some(locality)) if faults.is_empty() => {
                let warnings = warnings(&advertise, &join);
                let (data_dir, insecure, on_loss) = (self.data_dir.clone(), self.insecure, self.on_loss);
                let value =
                    StartConfig { data_dir, listen, advertise, sql, http, insecure, locality, join, on_loss };
                Ok(Checked { value, warnings })
            }
            _ => Err(faults),
        }
    }

    /// A listener's address; beyond loopback only with `--insecure`.
    fn listener(&self, flag: &'static str, text: &str, faults: &mut Faults) -> Option<ListenAddress> {
        let address = ListenAddress::parse(text);
        if let Ok(ListenAddress::At(address)) = &address
            && let Err(exposed) = check_exposure(*address, self.insecure)
        {
            faults.add(flag, exposed.to_string(), exposed.advice());
        }
        faults.take(flag, address)
    }

    /// What peers are told: `--advertise`, else `--listen`, which then cannot be "every interface" or "any port".
    fn told(&self, listen: Option<&ListenAddress>, faults: &mut Faults) -> Option<Address> {
        // A listener that cannot be read was told already.
        let flag = if self.advertise.is_some() { "--advertise" } else { listen.map(|_| "--listen")? };
        let told = faults.take(flag, Address::parse(self.advertise.as_ref().unwrap_or(&self.listen)))?;
        if told.is_every_interface() {
            let what = format!("{told} means every interface, and cannot be told to the other nodes");
            let advice =
                format!("name the address under which they reach this one: --advertise HOST:{}", told.port());
            faults.add(flag, what, advice);
        }
        if told.port() == 0 {
            faults.add(flag, "port 0 means any port, and cannot be told to the other nodes", "name a port");
        }
        Some(told)
    }
}

/// No two listeners on one address.
fn check_distinct(listeners: &[(&'static str, Option<&ListenAddress>)], faults: &mut Faults) {
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
            "--join does not name this node's own address {advertise}: right for a node added later, wrong for one of the first"
        ));
    }
    warnings
}
