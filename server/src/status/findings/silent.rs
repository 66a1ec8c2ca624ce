//! Nodes that do not report: who has not been heard yet, who is missing, who runs and is not reached. What is advised
//! differs: a node that runs is not to be started once more.

use quorate_placement::view::Liveness;
use quorate_raft_groups::cluster::status::{ClusterStatus, NodeStatus, Presence};

use super::super::{heard, repair};
use super::{Finding, Severity};

/// The state of a node, in the table.
pub(in crate::status) fn word(node: &NodeStatus) -> &'static str {
    match (node.liveness, node.presence) {
        (Liveness::Draining, _) => "draining",
        (_, Presence::Unheard { is_awaited: true }) => "not yet heard of",
        (Liveness::Live, _) => "live",
        (_, Presence::Unreachable { .. }) => "unreachable",
        (Liveness::Dead, _) => "dead",
        (Liveness::Suspect, Presence::Unheard { is_awaited: false }) => "not yet heard of",
        (Liveness::Suspect, Presence::Missing | Presence::Reports) => "missing",
    }
}

/// Nodes that had no time to report: the teller has just begun to listen.
pub(super) fn unheard_yet(status: &ClusterStatus) -> Option<Finding> {
    let awaited = |node: &&NodeStatus| node.presence == Presence::Unheard { is_awaited: true };
    let lines: Vec<String> = status
        .nodes
        .iter()
        .filter(awaited)
        .map(|node| format!("{}  at {}", node.record.node_id, node.record.address))
        .collect();
    (!lines.is_empty()).then(|| Finding {
        kind: "nodes_not_yet_heard",
        severity: Severity::Unsure,
        title: format!("nodes that {} has not heard yet, as it began to listen a moment ago", status.told_by),
        lines,
        steps: Vec::new(),
    })
}

/// Nodes that do not report and are missed.
pub(super) fn silent(status: &ClusterStatus) -> Option<Finding> {
    let silent: Vec<&NodeStatus> =
        status.nodes.iter().filter(|node| repair::is_missed(status, node)).collect();
    if silent.is_empty() {
        return None;
    }
    Some(Finding {
        kind: "nodes_silent",
        severity: Severity::Degraded,
        title: format!("nodes that do not report to {}", status.told_by),
        lines: silent.iter().map(|node| line(status, node)).collect(),
        steps: silent.iter().flat_map(|node| steps(status, node)).collect(),
    })
}

fn line(status: &ClusterStatus, node: &NodeStatus) -> String {
    let (id, address) = (node.record.node_id, &node.record.address);
    let why = match (&node.absence, node.presence) {
        (Some(absence), _) => format!("it takes no part: {absence}"),
        (None, Presence::Unreachable { heard_by: Some(other) }) => format!("it runs: {other} hears it"),
        (None, Presence::Unreachable { heard_by: None }) => format!("it runs: it answers at {address}"),
        (None, Presence::Unheard { .. }) => {
            format!("nobody has heard of it since {} began to listen", status.told_by)
        }
        (None, Presence::Missing | Presence::Reports) => match node.heard_ms {
            Some(_) => format!("heard {}, and by nobody since", heard(node.heard_ms)),
            None => "others have heard it before, and nobody does now".to_owned(),
        },
    };
    format!("{id}  {}: {why}", word(node))
}

/// What to do about one of them.
fn steps(status: &ClusterStatus, node: &NodeStatus) -> Vec<String> {
    let (id, address, teller) = (node.record.node_id, &node.record.address, status.told_by);
    if let Some(absence) = &node.absence {
        return vec![format!("{id} at {address} takes no part: {absence}")];
    }
    let start = format!(
        "start it again on its data directory: quorate start --listen {address} --locality {} …",
        node.record.locality
    );
    let step = match node.presence {
        Presence::Unreachable { heard_by: Some(other) } => format!(
            "mend the network between {teller} and {id} at {address}: {id} runs, {other} hears it; it need not be started"
        ),
        Presence::Unreachable { heard_by: None } => format!(
            "look at the network between {teller} and {id}, and at the log of {id}: it runs and answers at {address}, and \
             its reports do not arrive; it need not be started"
        ),
        Presence::Unheard { .. } => {
            format!("look whether {id} runs, and at its log; if nothing runs at {address}, {start}")
        }
        Presence::Missing | Presence::Reports => {
            format!(
                "look whether {id} runs: it does not answer at {address}; if it runs, look at its log and its disk; if its \
                 process has ended, {start}"
            )
        }
    };
    repair::instead_of(status, node).into_iter().chain([step]).collect()
}
