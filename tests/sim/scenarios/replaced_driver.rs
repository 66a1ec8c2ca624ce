//! A gateway stands still before it asks for a table's range. Its job is taken over and undone; then it goes on, and asks.

use crate::coverage::Point;
use crate::network::MachineId;
use crate::sql_client::run_text;
use crate::world::{SECOND, World};
use quorate_sql::session::SessionOptions;

/// Attempts, each by another gateway.
const ATTEMPTS: u64 = 2;
/// Longest wait for the moment.
const MOMENT_MAX: u64 = 5 * SECOND;
/// How long it stands still: a claim without a sign of life ends after 10 s, others look every 3 s.
const STILL: u64 = 18 * SECOND;

/// Has gateways stand still.
pub fn tell(world: &mut World) {
    for attempt in 0..ATTEMPTS {
        let gateway = 1 + attempt % 3;
        if !stand_still(world, gateway, attempt) {
            continue;
        }
        world.run_until(world.time.now() + STILL + 2 * SECOND);
        if world.coverage.count(Point::JobTakenOver) > 0 {
            world.coverage.hit(Point::DriverReplaced);
        }
    }
}

/// Whether it came to the moment.
fn stand_still(world: &mut World, gateway: MachineId, attempt: u64) -> bool {
    let Some(node) = world.machine(gateway).node().and_then(|node| node.sql()).cloned() else { return false };
    world.job_points.want(gateway, "ddl-begun");
    let trace = world.trace.clone();
    world.machine(gateway).spawn(async move {
        let mut session = node.session(SessionOptions::default());
        let text = format!("CREATE TABLE late{attempt} (k INT PRIMARY KEY)");
        let told = run_text(&mut session, &text).await;
        trace.event(gateway, format_args!("{text}: {told:?}"));
    });
    let reached =
        super::eyes::look_for(world, MOMENT_MAX, |world| world.job_points.is_met().then_some(())).is_some();
    if reached {
        let until = world.time.now() + STILL;
        world.machine(gateway).pause(until);
    }
    reached
}
