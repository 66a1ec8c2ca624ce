//! The command line.

use std::ops::Range;

use quorate_raft_groups::safeguard::Safeguard;

use crate::scenarios::{self, Scenario};
use crate::trace::Verbosity;

const USAGE: &str =
    "usage: sim (--seed S | --seeds A..B | --known-bugs) [--scenario NAME] [--trace | --packets] [--without SAFEGUARD] [--counts]

  --seed S            replays one seed
  --seeds A..B        runs many, each in a process of its own
  --scenario NAME     plays a story instead of chaos; --scenarios lists them
  --trace             prints what happens; --packets prints every packet too
                      (SIM_LOG says which log lines, as in SIM_LOG=info,quorate_raft_groups=debug)
  --known-bugs        switches each safeguard off whose lack is known to be noticed, and looks for a seed that does
  --without NAME      switches a safeguard off: vote-promise, lease-checked-last, …
  --counts            prints the counts of one seed as --seeds reads them";

/// What to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// One simulation.
    Seed(u64),
    /// Many.
    Seeds(Range<u64>),
    /// The bugs that must be found.
    KnownBugs,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Args {
    /// What to do.
    pub command: Command,
    /// A story to play instead of chaos.
    pub scenario: Option<Scenario>,
    /// What to print.
    pub verbosity: Verbosity,
    /// What to switch off.
    pub without: Vec<Safeguard>,
    /// Whether counts are printed.
    pub counts: bool,
}

impl Args {
    /// Reads arguments.
    ///
    /// # Errors
    /// What is wrong with them, for a person.
    pub fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut command, mut verbosity, mut scenario) = (None, Verbosity::Quiet, None);
        let (mut without, mut counts) = (Vec::new(), false);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value\n{USAGE}"));
            match arg.as_str() {
                "--seed" => command = Some(Command::Seed(number(&value()?)?)),
                "--seeds" => command = Some(Command::Seeds(range(&value()?)?)),
                "--scenario" => scenario = Some(story(&value()?)?),
                "--known-bugs" => command = Some(Command::KnownBugs),
                "--scenarios" => return Err(stories()),
                "--trace" => verbosity = Verbosity::Events,
                "--packets" => verbosity = Verbosity::Packets,
                "--without" => without.push(safeguard(&value()?)?),
                "--counts" => counts = true,
                other => return Err(format!("unknown argument {other}\n{USAGE}")),
            }
        }
        let command = command.ok_or_else(|| USAGE.to_owned())?;
        Ok(Self { command, scenario, verbosity, without, counts })
    }
}

impl Args {
    /// The arguments that make a run what it is, besides the seed.
    pub fn options(&self) -> Vec<&'static str> {
        let without = self.without.iter().flat_map(|safeguard| ["--without", safeguard.name()]);
        let scenario = self.scenario.iter().flat_map(|scenario| ["--scenario", scenario.name]);
        scenario.chain(without).collect()
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or_else(|| format!("no range of seeds: {text}"))?;
    Ok(number(first)?..number(end)?)
}

fn story(name: &str) -> Result<Scenario, String> {
    Scenario::named(name).ok_or_else(|| format!("unknown scenario {name}; there are\n{}", stories()))
}

fn stories() -> String {
    scenarios::ALL.iter().map(|scenario| format!("{}  {}\n", scenario.name, scenario.story)).collect()
}

fn safeguard(name: &str) -> Result<Safeguard, String> {
    let found = Safeguard::ALL.into_iter().find(|safeguard| safeguard.name() == name);
    found.ok_or_else(|| {
        let names: Vec<_> = Safeguard::ALL.iter().map(|safeguard| safeguard.name()).collect();
        format!("unknown safeguard {name}; there are {}", names.join(", "))
    })
}
