//! Scripts of a request's way through the replicas of a range.

use quorate_engine::kv::{Key, Span};
use quorate_placement::topology::RangeId;

use super::*;
use crate::client::script_args::parse;

/// Commands: `route nodes=1,2,3 local=2 [hint=3]`, `next`, `fail NODE not_leaseholder [HINT]`, `fail NODE mismatch`,
/// `fail NODE unavailable TEXT`, `fail NODE unreachable TEXT`, `describe`.
#[derive(Default)]
struct Runner {
    route: Option<Route>,
}

fn node(text: &str) -> NodeId {
    NodeId(text.trim_start_matches('n').parse().expect("node"))
}

impl goldenscript::Runner for Runner {
    type Command = goldenscript::Command;

    fn run(
        &mut self,
        command: &goldenscript::Command,
        _context: &goldenscript::Context,
    ) -> Result<String, Box<dyn std::error::Error>> {
        let mut args = command.consume_args();
        let mut out = String::new();
        match command.name.as_str() {
            "route" => {
                let nodes = parse::<String>(&mut args, "nodes")?.unwrap_or_default();
                let nodes: Vec<_> = nodes.split(',').filter(|text| !text.is_empty()).map(node).collect();
                let local = parse(&mut args, "local")?.map(NodeId).ok_or("local")?;
                let hint = parse(&mut args, "hint")?.map(NodeId);
                let span = Span::prefix(Key::default());
                let descriptor = RangeDescriptor::new(RangeId(2), span, &nodes);
                self.route = Some(Route::new(&descriptor, hint, local));
            }
            "next" => out = format!("{:?}\n", self.route.as_mut().ok_or("no route")?.next_step()),
            "fail" => {
                let at = node(args.next_pos().ok_or("node")?);
                let kind = args.next_pos().ok_or("failure")?.to_owned();
                let rest = args.next_pos().map(str::to_owned);
                let failure = match kind.as_str() {
                    "not_leaseholder" => Failure::NotLeaseholder(rest.as_deref().map(node)),
                    "mismatch" => Failure::Mismatch,
                    "unavailable" => Failure::Unavailable(rest.unwrap_or_default()),
                    "unreachable" => Failure::Unreachable(rest.unwrap_or_default()),
                    other => return Err(format!("unknown failure {other}").into()),
                };
                self.route.as_mut().ok_or("no route")?.failed(at, failure);
            }
            "describe" => {
                let route = self.route.as_ref().ok_or("no route")?;
                out = format!("{}\nmissing: {:?}\n", route.describe(), route.missing());
            }
            other => return Err(format!("unknown command {other}").into()),
        }
        args.reject_next()?;
        Ok(out)
    }
}

#[test]
fn route_scripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/router/route");
    quorate_engine::testing::script::run_folder(folder, Runner::default);
}
