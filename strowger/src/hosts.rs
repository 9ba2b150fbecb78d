//! The hosts of a platform from the command line, over the API.

use std::thread::sleep;
use std::time::{Duration, Instant};

use api_service::client::{Client, ClientError};
use api_service::view::{NodeView, PathView};

/// A host that is not empty by then is left as it is; the brokers go on with it.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(250);

/// Prints who is there.
pub(crate) fn list(client: &Client) -> Result<(), ClientError> {
    let nodes = client.nodes()?;
    if nodes.is_empty() {
        println!("this host is alone");
    }
    for node in nodes {
        let draining = if node.draining { "  draining" } else { "" };
        let NodeView { node, host, roles, shards, protected, addresses, used_percent, paths, .. } = node;
        let (roles, addresses) = (roles.join(","), addresses.join(" "));
        let used = used_percent.map(|used| format!("  media {used:.0} % used")).unwrap_or_default();
        println!(
            "{node:<5} {host:<12} {roles:<48} {shards:>4} shards, {protected:>4} protected  {addresses}{used}{draining}"
        );
        for path in paths {
            let PathView { to, lost_there_percent, lost_back_percent, delay_ms, jitter_ms, mos } = path;
            println!(
                "      path to {to:<5} {lost_there_percent:.1} % lost there, {lost_back_percent:.1} % back, \
                 delay {delay_ms:.1} ms, varying by {jitter_ms:.1} ms: MOS {mos:.2}"
            );
        }
    }
    Ok(())
}

/// Has `node` hand on all that it owns, and waits for it.
pub(crate) fn drain(client: &Client, node: u16, back: bool) -> Result<bool, ClientError> {
    client.drain(node, back)?;
    if back {
        println!("node {node} is given its share again");
        return Ok(true);
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let nodes = client.nodes()?;
        let shards = nodes.iter().find(|it| it.node == node).map_or(0, |it| it.shards);
        let audio = move_audio(client, node, &nodes)?;
        if shards == 0 && audio == 0 {
            println!("node {node} is empty: it can be stopped");
            return Ok(true);
        }
        if Instant::now() > until {
            println!("node {node} still owns {shards} shards and has the audio of {audio} calls");
            return Ok(false);
        }
        sleep(LOOK);
    }
}

/// Asks for the audio of all calls at `node` to be moved, to the others in turn; how many calls there were.
fn move_audio(client: &Client, node: u16, nodes: &[NodeView]) -> Result<usize, ClientError> {
    let is_place =
        |it: &&NodeView| it.node != node && !it.draining && it.roles.iter().any(|role| role == "media");
    let places: Vec<u16> = nodes.iter().filter(is_place).map(|it| it.node).collect();
    let calls = client.calls()?;
    let there: Vec<_> = calls.iter().filter(|call| call.media == Some(node)).collect();
    for (call, &to) in there.iter().zip(places.iter().cycle()) {
        match client.move_call(&call.id, to) {
            // It may have ended, or its phones are busy with each other: it is looked at again.
            Ok(()) | Err(ClientError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(there.len())
}
