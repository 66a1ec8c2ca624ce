//! Many seeds, each in a process of its own: a panic or a hang of one is a finding, not the end.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::args::Args;
use crate::coverage::Point;
use crate::known_bugs::{self, KnownBug};
use crate::scenarios::Scenario;
use crate::trace::Verbosity;

/// Processes at a time.
const AT_A_TIME: usize = 2;
/// Longest real time of one seed: many times what it takes on a slow machine.
const SEED_MAX: Duration = Duration::from_secs(90);
/// How often a process is looked at.
const POLL: Duration = Duration::from_millis(20);
/// Lines that are told of a seed that was found wrong.
const LINES_MAX: usize = 12;
/// Seeds that were found wrong, and are told in full.
const TOLD_MAX: usize = 10;

#[derive(Default)]
struct Summary {
    counts: BTreeMap<String, u64>,
    wrong: Vec<(u64, String)>,
    seconds: f64,
}

/// Runs all seeds and says what they met; fails where one was wrong, or nothing met some point.
#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
pub fn run(args: &Args, seeds: Range<u64>) -> ExitCode {
    let next = AtomicU64::new(seeds.start);
    let summary = Mutex::new(Summary::default());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    run_one(args, seed, &summary);
                }
            });
        }
    });
    let mut summary = summary.into_inner();
    summary.wrong.sort();
    tell(args, &seeds, &summary, begun.elapsed())
}

#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
fn run_one(args: &Args, seed: u64, summary: &Mutex<Summary>) {
    let begun = Instant::now();
    let result = output_of(args, seed);
    let mut summary = summary.lock();
    summary.seconds += begun.elapsed().as_secs_f64();
    match result {
        Ok(text) => text.lines().for_each(|line| count(line, &mut summary.counts)),
        Err(text) => {
            let lines = text.lines().filter(|line| !line.starts_with("count "));
            let short: Vec<&str> = lines.take(LINES_MAX).collect();
            println!("seed {seed} is WRONG: {}", short.join("\n  "));
            summary.wrong.push((seed, short.join("\n  ")));
        }
    }
}

/// Switches off each safeguard of [`known_bugs::ALL`]; fails where no seed notices.
pub fn find_known_bugs() -> ExitCode {
    let bugs = Mutex::new(known_bugs::ALL.iter());
    let found = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(bug) = bugs.lock().next() else { return };
                    found.fetch_add(u64::from(find(bug)), Ordering::Relaxed);
                }
            });
        }
    });
    let is_complete = found.into_inner() == known_bugs::ALL.len() as u64;
    if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn find(bug: &KnownBug) -> bool {
    let name = bug.safeguard.name();
    let mut args = Args {
        command: crate::args::Command::KnownBugs,
        scenario: bug.scenario.and_then(Scenario::named),
        verbosity: Verbosity::Quiet,
        without: vec![bug.safeguard],
        counts: false,
    };
    for seed in bug.seed..bug.seed + known_bugs::SEEDS_MAX {
        args.command = crate::args::Command::Seed(seed);
        if let Err(text) = output_of(&args, seed) {
            let violation = text.lines().find(|line| line.starts_with("VIOLATION")).unwrap_or("a hang");
            println!("without {name}: seed {seed} finds {violation}");
            return true;
        }
    }
    println!("without {name}: {} seeds from {} find nothing", known_bugs::SEEDS_MAX, bug.seed);
    false
}

fn count(line: &str, counts: &mut BTreeMap<String, u64>) {
    let Some((number, name)) = line.strip_prefix("count ").and_then(|rest| rest.split_once(' ')) else {
        return;
    };
    *counts.entry(name.to_owned()).or_default() += number.parse::<u64>().unwrap_or(0);
}

/// What a process for this seed prints; an error where it finds something wrong, panics or hangs.
fn output_of(args: &Args, seed: u64) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg("--seed").arg(seed.to_string()).arg("--counts").args(args.options());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let (mut text, mut errors) = (String::new(), String::new());
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| stdout.as_mut().map(|pipe| pipe.read_to_string(&mut text)));
        scope.spawn(|| stderr.as_mut().map(|pipe| pipe.read_to_string(&mut errors)));
        wait(&mut child)
    });
    match ended {
        Some(true) => Ok(text),
        Some(false) => Err(format!("{text}{errors}")),
        None => Err(format!("HANGS: no end within {SEED_MAX:?}\n{text}{errors}")),
    }
}

/// Whether the child ended well; `None` where it did not end in time.
#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
fn wait(child: &mut Child) -> Option<bool> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if begun.elapsed() < SEED_MAX => std::thread::sleep(POLL),
            Ok(None) | Err(_) => {
                // It may have ended just now.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
}

fn tell(args: &Args, seeds: &Range<u64>, summary: &Summary, took: Duration) -> ExitCode {
    let count = seeds.end.saturating_sub(seeds.start);
    let mut missed = Vec::new();
    for point in Point::ALL {
        let met = summary.counts.get(point.name()).copied().unwrap_or(0);
        println!("{met:>9} {}", point.name());
        if met == 0 && Point::GENERAL.contains(point) {
            missed.push(point.name());
        }
    }
    println!(
        "{count} seeds in {:.1} s, {:.2} s of one core each; {} wrong",
        took.as_secs_f64(),
        summary.seconds / f64::from(u32::try_from(count.max(1)).unwrap_or(u32::MAX)),
        summary.wrong.len()
    );
    for (seed, text) in summary.wrong.iter().take(TOLD_MAX) {
        println!("seed {seed}: {}", text.lines().find(|line| line.contains("VIOLATION")).unwrap_or(text));
    }
    if !missed.is_empty() {
        println!("never met: {}", missed.join("; "));
    }
    // A scenario, and a run without a safeguard, need not meet everything.
    let all_well = summary.wrong.is_empty() && (missed.is_empty() || !args.options().is_empty());
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
