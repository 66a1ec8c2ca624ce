//! Scripts of the guard of a node's clock.

use quorate_engine::clock::{CLOCK_OFFSET_MAX_DEFAULT_MS, ManualClock};

use super::*;
use crate::client::script_args::parse;

const START_MICROS: u64 = 1_000_000_000;

/// Commands: `answer n2 offset=300 [took=2]` (milliseconds: what the peer's clock is ahead when it answers in the middle of
/// the time that it took), `pass 1000`, `set -300` (the wall clock), `expect`, `check`, `offset n2`, `allowed`; `begin` and `end`: a
/// transaction.
struct Runner {
    physical: ManualClock,
    guard: ClockGuard,
    begun: Option<ClockEpoch>,
}

impl Runner {
    fn new() -> Self {
        let physical = ManualClock::new(START_MICROS);
        let guard = ClockGuard::new(Duration::from_millis(CLOCK_OFFSET_MAX_DEFAULT_MS));
        Self { physical, guard, begun: None }
    }

    fn shift(&self, millis: i64) -> u64 {
        self.physical.now_micros().saturating_add_signed(millis * 1_000)
    }

    fn now(&self) -> Reading {
        Reading::of(&self.physical)
    }
}

impl goldenscript::Runner for Runner {
    type Command = goldenscript::Command;

    fn run(
        &mut self,
        command: &goldenscript::Command,
        _context: &goldenscript::Context,
    ) -> Result<String, Box<dyn std::error::Error>> {
        let mut args = command.consume_args();
        let first = args.next_pos().unwrap_or_default().to_owned();
        let node = || -> Result<NodeId, std::num::ParseIntError> {
            first.trim_start_matches('n').parse().map(NodeId)
        };
        let mut told = None;
        let out = match command.name.as_str() {
            "answer" => {
                let offset: i64 = parse(&mut args, "offset")?.ok_or("offset")?;
                let took: u64 = parse(&mut args, "took")?.unwrap_or(0);
                let elapsed = Duration::from_millis(took);
                self.physical.advance(elapsed / 2);
                let wall_micros = self.shift(offset);
                self.physical.advance(elapsed / 2);
                told = self.guard.measured(node()?, Stamp { wall_micros, elapsed }, self.now());
                String::new()
            }
            "pass" => {
                self.physical.advance(Duration::from_millis(first.parse()?));
                String::new()
            }
            "set" => {
                self.physical.set_micros(self.shift(first.parse()?));
                String::new()
            }
            "expect" => {
                self.guard.expect_peers(self.now());
                String::new()
            }
            "check" => {
                let (result, change) = self.guard.check(None, self.now());
                told = change;
                result.map_or_else(|doubt| doubt.to_string(), |_| "trusted".to_owned())
            }
            "begin" => {
                let (result, change) = self.guard.check(None, self.now());
                (self.begun, told) = (result.ok(), change);
                format!("{:?}", self.begun.is_some())
            }
            "end" => {
                let begun = self.begun.ok_or("begin")?;
                let (result, change) = self.guard.check(Some(begun), self.now());
                told = change;
                result.map_or_else(|doubt| doubt.to_string(), |_| "trusted all the time".to_owned())
            }
            "allowed" => format!("{:?}", self.guard.allowed()),
            "offset" => format!("{:?}", self.guard.offset_ms(node()?, self.now().boot)),
            other => return Err(format!("unknown command {other}").into()),
        };
        args.reject_next()?;
        let log = match told {
            None => String::new(),
            Some(ClockChange::Trusted) => "log: trusted\n".to_owned(),
            Some(ClockChange::Doubted(_)) => "log: doubted\n".to_owned(),
        };
        Ok(if out.is_empty() { log } else { format!("{log}{out}\n") })
    }
}

#[test]
fn clock_guard_scripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/clock_guard");
    quorate_engine::testing::script::run_folder(folder, Runner::new);
}
