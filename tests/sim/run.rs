//! One simulation from beginning to end, and what is said about it.

use std::process::ExitCode;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_raft_groups::safeguard;
use rand::RngExt;

use crate::args::Args;
use crate::chaos::Chaos;
use crate::coverage::Point;
use crate::entropy;
use crate::time::{Shown, SimTime};
use crate::trace::Verbosity;
use crate::world::{SECOND, Setting, World};

/// Exit code of a simulation that found something wrong.
pub const VIOLATION: u8 = 1;
/// Shortest and longest chaos.
const CHAOS: std::ops::Range<u64> = 8 * SECOND..20 * SECOND;

/// What the panic of a Raft task says that a fault ended.
const KILLED: &str = "a test kills this Raft task";

/// Runs a seed; the exit code says whether all was well.
///
/// The simulation has a thread of its own, which begins with fresh randomness: what the logger asked for before, which
/// depends on what is printed, leaves no trace.
pub fn run(args: &Args, seed: u64) -> ExitCode {
    let time = SimTime::default();
    log_to_stdout(args.verbosity, time.clone());
    let panicked = watch_panics();
    std::thread::scope(|scope| {
        let simulation = scope.spawn(|| {
            entropy::seed(seed);
            // Replicas can move only where there are more machines than replicas.
            let usual = if seed % 2 == 1 { 4 } else { 3 };
            let machines = args.scenario.and_then(|scenario| scenario.machines).unwrap_or(usual);
            simulate(args, Setting { seed, machines, verbosity: args.verbosity, time }, panicked)
        });
        simulation.join().unwrap_or_else(|_| ExitCode::from(VIOLATION))
    })
}

fn simulate(args: &Args, setting: Setting, panicked: Arc<Mutex<Option<String>>>) -> ExitCode {
    args.without.iter().for_each(|safeguard| safeguard::switch_off(*safeguard));
    let seed = setting.seed;
    let mut world = World::new(setting, panicked);
    world.set_up();
    match args.scenario {
        Some(scenario) => scenario.play(&mut world),
        None => {
            let mut chaos = Chaos::new(&mut world);
            let time = world.rng.random_range(CHAOS);
            chaos.run(&mut world, time);
        }
    }
    if world.violation().is_none() {
        world.come_to_rest();
    }
    if let Some(scenario) = args.scenario {
        scenario.check_told(&mut world);
    }
    report(args, seed, &world)
}

fn report(args: &Args, seed: u64, world: &World) -> ExitCode {
    if args.counts {
        for point in Point::ALL {
            println!("count {} {}", world.coverage.count(*point), point.name());
        }
    }
    let ops = world.workload.history.with(<[_]>::len);
    println!(
        "seed {seed}: {} s simulated, {ops} operations, {} committed, trace {:016x}",
        Shown(world.time.now()),
        world.coverage.count(Point::Committed),
        world.trace.hash()
    );
    match world.violation() {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("VIOLATION at {}: {}: {}", Shown(violation.at), violation.invariant, violation.detail);
            let options = args.options().join(" ");
            println!(
                "replay: cargo run --release -p quorate-tests --bin sim -- --seed {seed} --trace {options}"
            );
            ExitCode::from(VIOLATION)
        }
    }
}

/// A task that panics would end in silence.
fn watch_panics() -> Arc<Mutex<Option<String>>> {
    let panicked = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&panicked);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.to_string();
        if text.contains(KILLED) {
            return;
        }
        slot.lock().get_or_insert(text);
        usual(info);
    }));
    panicked
}

fn log_to_stdout(verbosity: Verbosity, time: SimTime) {
    if verbosity == Verbosity::Quiet {
        return;
    }
    let filter = tracing_subscriber::EnvFilter::new(
        std::env::var("SIM_LOG").unwrap_or_else(|_| "info,openraft=warn".to_owned()),
    );
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(time)
        .with_ansi(false)
        .with_writer(std::io::stdout)
        .init();
}
