//! `quorate sql`: the shell, at a URL or on the node that listens at an address.

use quorate_raft_groups::cluster::bootstrap_message::{BootstrapAnswer, BootstrapRequest};

use super::{STATUS_TIMEOUT, ask, refused, unreachable_node};
use crate::cli::{ExitStatus, SqlArguments};
use crate::shell::{self, Format, ShellOptions};

/// Runs the shell.
pub async fn run(arguments: SqlArguments) -> ExitStatus {
    let SqlArguments { url, to, execute, file, format } = arguments;
    let url = match url {
        Some(url) => url,
        None => match url_of(&to.host.to_string()).await {
            Ok(url) => url,
            Err(ended) => return ended,
        },
    };
    shell::run(ShellOptions { url, execute, file, format: format.map(Format::from) }).await
}

/// The SQL address of the node that is asked.
async fn url_of(host: &str) -> Result<String, ExitStatus> {
    let status = match ask(host, &BootstrapRequest::Status, STATUS_TIMEOUT).await {
        Ok(BootstrapAnswer::Status(status)) => status,
        Ok(other) => return Err(refused(other)),
        Err(reason) => return Err(unreachable_node(&reason)),
    };
    // Range 1's leaseholder may be who tells: the node that was asked is known by its address, or by what it says.
    let asked = status.nodes.iter().find(|node| node.record.address == host);
    let node = asked.or_else(|| status.nodes.iter().find(|node| node.record.node_id == status.told_by));
    match node.filter(|node| !node.record.sql_address.is_empty()) {
        Some(node) => Ok(format!("postgres://root@{}/quorate", node.record.sql_address)),
        None => Err(unreachable_node(&format!("{host} does not say where its SQL is"))),
    }
}
