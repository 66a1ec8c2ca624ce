//! Runs the scripts of `testscripts/jobs`.
//!
//! `job create|drop|key [origin=statement|transaction] [step=…]` begins with a job; every other command is an event, and prints
//! what it leads to and where the job stands.

use std::error::Error;

use goldenscript::{Command, Context};
use quorate_engine::testing::script::run_folder;

use crate::ddl::job::{JobKind, JobOrigin, JobStep};
use crate::ddl::job_steps::{JobEvent, JobMachine};

#[derive(Default)]
struct Runner(Option<JobMachine>);

fn step(word: &str) -> Result<JobStep, String> {
    let all = [
        JobStep::MakeRange,
        JobStep::CopyRows,
        JobStep::Settle,
        JobStep::DropRanges,
        JobStep::DropReplaced,
        JobStep::Done,
        JobStep::Undone,
    ];
    all.into_iter().find(|step| step.name() == word).ok_or_else(|| format!("no step {word}"))
}

impl Runner {
    fn begin(&mut self, command: &Command) -> Result<String, Box<dyn Error>> {
        let mut arguments = command.consume_args();
        let (kind, first) = match arguments.next_pos() {
            Some("create") => (JobKind::CreateTable, JobStep::MakeRange),
            Some("drop") => (JobKind::DropTable, JobStep::Settle),
            Some("key") => (JobKind::AddPrimaryKey, JobStep::MakeRange),
            other => return Err(format!("no job {other:?}").into()),
        };
        let origin = match arguments.take_key("origin") {
            None | Some("statement") => JobOrigin::Statement,
            Some("transaction") => JobOrigin::Transaction,
            Some(other) => return Err(format!("no origin {other}").into()),
        };
        let step = arguments.take_key("step").map_or(Ok(first), step)?;
        self.0 = Some(JobMachine::new(kind, origin, step, None));
        Ok(String::new())
    }
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, _context: &Context) -> Result<String, Box<dyn Error>> {
        if command.name == "job" {
            return self.begin(command);
        }
        let event = match command.name.as_str() {
            "begin" => JobEvent::Begin,
            "taken-over" => JobEvent::TakenOver,
            "range-made" => JobEvent::RangeMade,
            "refused" => JobEvent::Refused("the name is taken".to_owned()),
            "held" => JobEvent::Held,
            "copied" => JobEvent::Copied,
            "published" => JobEvent::Published,
            "settled" => JobEvent::Settled,
            "ranges-dropped" => JobEvent::RangesDropped,
            "turned" => JobEvent::Turned,
            "replaced" => JobEvent::Replaced,
            other => return Err(format!("no event {other}").into()),
        };
        let machine = self.0.as_mut().ok_or("no job")?;
        let effect = machine.on(event);
        Ok(format!("{effect:?} at \"{}\"\n", machine.step().name()))
    }
}

#[test]
fn job_scripts() {
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/jobs"), Runner::default);
}
