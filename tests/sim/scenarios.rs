//! Named scenarios: the stories of design.md section 14 that must not happen, each provoked again and again.
//!
//! A scenario lets only those faults loose that its story is made of, densely; the invariants are those of every run.

use crate::chaos::{Chaos, Fault};
use crate::world::{SECOND, World};

const MILLI: u64 = 1_000;
/// How long a scenario goes on.
const SCENARIO: u64 = 15 * SECOND;

/// A story.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its number in the design, and what must not happen.
    pub story: &'static str,
    /// What brings it about.
    kinds: &'static [Fault],
    /// Longest pause between two faults.
    pause_max: u64,
}

/// All scenarios.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "answer-lost",
        story: "1: a commit whose answer was lost is sent again over another's write",
        kinds: &[Fault::AnswerLost, Fault::Reset],
        pause_max: 400 * MILLI,
    },
    Scenario {
        name: "proposal-again",
        story: "3: a rejected proposal is proposed again as it was",
        kinds: &[Fault::HandOver, Fault::IsolateLeader, Fault::SlowDisk],
        pause_max: 800 * MILLI,
    },
    Scenario {
        name: "paused-leader",
        story: "4: a leader that was paused serves what a new one has written over",
        kinds: &[Fault::PauseLeader, Fault::SlowWork],
        pause_max: 1_500 * MILLI,
    },
    Scenario {
        name: "impatient-client",
        story: "9: a client's timeout frees a latch while its entry is in the log",
        kinds: &[Fault::IsolateLeader, Fault::OneWay, Fault::SlowDisk],
        pause_max: 2 * SECOND,
    },
    Scenario {
        name: "voter-restarts",
        story: "11: a replica votes at once after a restart, against its promise",
        kinds: &[Fault::PromiseTrap],
        pause_max: 1_500 * MILLI,
    },
    Scenario {
        name: "successor-dies",
        story: "12: a read above the successor's clock is forgotten when the successor dies",
        kinds: &[Fault::HandOverThenCrash, Fault::HandOver],
        pause_max: 600 * MILLI,
    },
    Scenario {
        name: "clock-back",
        story: "13: a clock goes back over a restart, and acknowledged rows become invisible",
        kinds: &[Fault::ClockBackAtRestart, Fault::ClockJump],
        pause_max: 1_500 * MILLI,
    },
    Scenario {
        name: "slow-clock",
        story: "14: a gateway with a slow clock does not see what was acknowledged",
        kinds: &[Fault::ClockJump],
        pause_max: 300 * MILLI,
    },
    Scenario {
        name: "lost-power",
        story: "15: what a replica reported as durable is gone after a power cut",
        kinds: &[Fault::CrashAll, Fault::SlowDisk],
        pause_max: 2 * SECOND,
    },
    Scenario {
        name: "void-promise",
        story: "17: two replicas hold the promise void by the same EndLease",
        kinds: &[Fault::HandOver, Fault::IsolateLeader, Fault::AnswerLost],
        pause_max: 400 * MILLI,
    },
    Scenario {
        name: "early-leader",
        story: "18: a new leader reads before it has applied the old term's entries",
        kinds: &[Fault::CrashLeader, Fault::SlowDisk, Fault::SlowLink],
        pause_max: 1_500 * MILLI,
    },
    Scenario {
        name: "lost-update",
        story: "21: a one-range commit is pushed above another's write that it had read below",
        kinds: &[Fault::ClockJump, Fault::HandOver, Fault::SlowWork],
        pause_max: 300 * MILLI,
    },
];

impl Scenario {
    /// The scenario of this name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|scenario| scenario.name == name).copied()
    }

    /// Lets it happen.
    pub fn play(&self, world: &mut World) {
        world.trace.event(0, format_args!("story {}", self.story));
        Chaos::of(world, self.kinds, self.pause_max).run(world, SCENARIO);
    }
}
