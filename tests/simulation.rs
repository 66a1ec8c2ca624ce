//! The simulator in CI: a hundred seeds, every named scenario, one seed twice, and bugs that it must find.
//!
//! Each seed is a process of its own; `sim/main.rs` says what happens in one.

use std::process::{Command, Output};

/// Seeds of general chaos: what fits into the time of a build.
const SEEDS: &str = "0..100";
/// Seeds of each scenario.
const SCENARIO_SEEDS: &str = "0..2";
/// Seeds of general chaos that have found defects: whatever changes the course of a run takes their meaning, and leaves a seed
/// like others.
const FOUND: [&str; 2] = ["690", "1326"];

fn sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sim")).args(args).output().expect("the simulator runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn simulation_of_many_seeds_finds_nothing_and_meets_everything() {
    let output = sim(&["--seeds", SEEDS]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn simulation_of_seeds_that_found_something_finds_nothing_any_more() {
    for seed in FOUND {
        let output = sim(&["--seed", seed]);
        assert!(output.status.success(), "{}", text(&output));
    }
}

#[test]
fn simulation_of_every_scenario_finds_nothing() {
    let listed = text(&sim(&["--scenarios"]));
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() >= 23, "scenarios are listed: {listed}");
    for name in names {
        let output = sim(&["--seeds", SCENARIO_SEEDS, "--scenario", name]);
        assert!(output.status.success(), "{name}: {}", text(&output));
    }
}

#[test]
fn simulation_finds_the_known_bugs() {
    let output = sim(&["--known-bugs"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn simulation_of_one_seed_is_the_same_byte_for_byte() {
    let (one, two) = (sim(&["--seed", "7", "--packets"]), sim(&["--seed", "7", "--packets"]));
    assert!(one.status.success(), "{}", text(&one));
    assert!(one.stdout.len() > 100_000, "packets are printed");
    let (one, two) = (text(&one), text(&two));
    let differs = one.lines().zip(two.lines()).position(|(one, two)| one != two);
    if let Some(at) = differs {
        let line = |text: &str| text.lines().nth(at).unwrap_or_default().to_owned();
        panic!("two runs of one seed differ in line {}:\n{}\n{}", at + 1, line(&one), line(&two));
    }
    assert_eq!(one.len(), two.len(), "one run of the seed says more than the other");
}
