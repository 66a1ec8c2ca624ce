//! `quorate demo`: several nodes in one process, for a look around.

use super::fault::{Advise, Checked, Faults};
use super::locality::ZonedLocality;

/// Most nodes of a demo: they share one process and one disk.
pub const DEMO_NODES_MAX: u16 = 9;

/// What a demo starts with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DemoData {
    /// No tables.
    None,
    /// The sample of nycflights13: five tables, flights of January 2013.
    #[default]
    Flights,
}

/// `quorate demo` as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoOptions {
    /// Nodes.
    pub nodes: u16,
    /// Names of the zones, over which the nodes are dealt.
    pub zones: Vec<String>,
    /// What to load.
    pub data: DemoData,
    /// SQL port of the first node; the next nodes take the next ports.
    pub sql_port: Option<u16>,
    /// Statements to run instead of opening the shell.
    pub execute: Vec<String>,
}

/// `quorate demo`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoConfig {
    /// Where each node stands, one entry a node.
    pub localities: Vec<ZonedLocality>,
    /// What to load.
    pub data: DemoData,
    /// SQL port of the first node, of the others the next ones; `None` for any free ports.
    pub sql_port: Option<u16>,
    /// Statements to run instead of opening the shell.
    pub execute: Vec<String>,
}

impl DemoOptions {
    /// The checked configuration, or all faults.
    ///
    /// # Errors
    /// Every fault found.
    pub fn check(&self) -> Result<Checked<DemoConfig>, Faults> {
        let mut faults = Faults::default();
        if self.nodes == 0 || self.nodes > DEMO_NODES_MAX {
            let advice = "three nodes show everything: --nodes 3";
            faults.add("--nodes", format!("{} is not from 1 to {DEMO_NODES_MAX}", self.nodes), advice);
        }
        let zones: Vec<ZonedLocality> =
            self.zones.iter().filter_map(|zone| faults.take("--zones", zone_locality(zone))).collect();
        if self.zones.is_empty() {
            faults.add("--zones", "is empty", "name at least one zone: --zones a,b,c");
        }
        self.check_ports(&mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let localities: Vec<ZonedLocality> =
            zones.iter().cycle().take(usize::from(self.nodes)).cloned().collect();
        let warnings = self.warnings();
        let (data, sql_port, execute) = (self.data, self.sql_port, self.execute.clone());
        Ok(Checked { value: DemoConfig { localities, data, sql_port, execute }, warnings })
    }

    fn check_ports(&self, faults: &mut Faults) {
        let Some(port) = self.sql_port else { return };
        if port == 0 || port.checked_add(self.nodes).is_none() {
            let what = format!("{port} leaves no ports for {} nodes", self.nodes);
            faults.add("--sql-port", what, "name a port such as 5401, or leave the flag out");
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.zones.len() > usize::from(self.nodes) {
            let (zones, nodes) = (self.zones.len(), self.nodes);
            warnings.push(format!("{zones} zones for {nodes} nodes: the last zones stay empty"));
        }
        warnings
    }
}

/// A zone's name, made a locality.
fn zone_locality(zone: &str) -> Result<ZonedLocality, ZoneError> {
    ZonedLocality::parse(&format!("zone={zone}")).map_err(|_| ZoneError(zone.to_owned()))
}

/// A name that no zone can have.
#[derive(Debug)]
struct ZoneError(String);

impl std::fmt::Display for ZoneError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "'{}' is no name of a zone", self.0)
    }
}

impl Advise for ZoneError {
    fn advice(&self) -> String {
        "use letters, digits, '-', '_' and '.': --zones a,b,c".to_owned()
    }
}
