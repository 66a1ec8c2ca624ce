//! Log writes of a second: they cost throughput, and no range its leader.
//!
//! On all machines a log write takes up to two seconds. Heartbeats wait for none of them, so that whoever leads goes on
//! leading: what was written before is read all the while, and new writes come through now and then.

use std::collections::BTreeMap;

use quorate_placement::topology::RangeId;

use crate::coverage::Point;
use crate::network::MachineId;
use crate::world::{SECOND, World};

/// Longest pause on either side of a log write.
const SLOW: u64 = SECOND;
/// For how long.
const SLOW_FOR: u64 = 10 * SECOND;

/// Who leads what, in which term, and has the lease.
fn led(world: &World) -> BTreeMap<RangeId, (MachineId, u64)> {
    let of = |id: MachineId| {
        let led = world.statuses(id).into_iter().filter(|status| status.has_lease);
        led.map(move |status| (status.descriptor.range_id, (id, status.term))).collect::<Vec<_>>()
    };
    world.ids().into_iter().flat_map(of).collect()
}

/// Tells it. A leader may be moved for balance: that is asked for, and happens to few at a time.
pub fn tell(world: &mut World) {
    let before = led(world);
    for id in world.ids() {
        world.coverage.hit(Point::SlowDisk);
        world.machine(id).disk.slow_writes(SLOW);
    }
    world.run_until(world.time.now() + SLOW_FOR);
    let after = led(world);
    let kept = before.iter().filter(|(range_id, led)| after.get(range_id) == Some(led)).count();
    world.trace.event(0, format_args!("{kept} of {} ranges are led as before", before.len()));
    if !before.is_empty() && kept + 1 >= before.len() {
        world.coverage.hit(Point::SlowDisksKeptLeaders);
    }
    for id in world.ids() {
        world.machine(id).disk.slow_writes(0);
    }
}
