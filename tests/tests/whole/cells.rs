//! Two cells of one host each: any edge of either is a door for all.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;
use strowger_tests::{Phone, Platform, Shape, Worker, eventually};

use crate::deaths::longest_gap;
use crate::nats_server::Server;

/// North has Alice and Carol, South has Bob and Dave; Bob's number is 1002.
struct Two {
    north: Platform,
    south: Platform,
    secret: PathBuf,
    _server: Server,
}

impl Drop for Two {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.secret);
    }
}

fn cell(number: u8, server: &Server, secret: &PathBuf, known: Option<&Platform>) -> Platform {
    let known = known.map(|known| format!("\"1@{}:7000\"", known.address())).unwrap_or_default();
    let lines = format!(
        "[cluster]\nnode = {number}\ninside = \"ADDRESS:7100\"\nbrokers = [\"{number}@ADDRESS:7000\"]\n\
         secret = {secret:?}\n[cell]\nnumber = {number}\nname = \"cell {number}\"\n\
         offices = [\"http://ADDRESS:8080\"]\nknown = [{known}]\n\
         [nats]\nservers = [\"{}\"]\nprefix = \"strowger.cell{number}\"\n",
        server.url()
    );
    Platform::shaped(&Shape { lines: &lines, furnished: number == 1, ..Shape::default() })
}

impl Two {
    fn start() -> Two {
        let server = Server::start();
        let secret =
            std::env::temp_dir().join(format!("strowger-secret-{}-{}", std::process::id(), server.port));
        let north = cell(1, &server, &secret, None);
        let south = cell(2, &server, &secret, Some(&north));
        // Whoever starts again reads it again.
        let two = Two { north, south, secret, _server: server };
        assert!(two.eventually_reach(&two.north) && two.eventually_reach(&two.south), "{}", two.logs());
        let has_tenant =
            || two.south.get("/v1/tenants")["items"].as_array().is_some_and(|items| !items.is_empty());
        assert!(eventually(Duration::from_secs(20), has_tenant), "{}", two.logs());
        for (cell, users) in [(&two.north, ["alice", "carol"]), (&two.south, ["bob", "dave"])] {
            users.iter().for_each(|user| cell.add_user("test", user));
        }
        two.south.add_number("test", "1002", &json!({"user": "bob"}));
        for (cell, user, home) in [(&two.north, "bob", 2), (&two.south, "alice", 1), (&two.south, "carol", 1)]
        {
            assert!(two.is_at_home(cell, user, home), "{user}:\n{}", two.logs());
        }
        two
    }

    /// Whether `cell` hears sooner or later that `user` is at home in `home`.
    fn is_at_home(&self, cell: &Platform, user: &str, home: u8) -> bool {
        let path = format!("/v1/tenants/test/users/{user}/home");
        let home = json!(home);
        eventually(Duration::from_secs(20), || {
            let reply = cell.ask("GET", &path, None);
            reply.status == 200 && reply.json()["cell"] == home
        })
    }

    fn eventually_reach(&self, cell: &Platform) -> bool {
        eventually(Duration::from_secs(20), || reachable(cell) == 1)
    }

    fn logs(&self) -> String {
        format!("{}\n=== south:\n{}", self.north.log(), self.south.log())
    }
}

/// How many other cells the signalling threads of `cell` reach.
fn reachable(cell: &Platform) -> u32 {
    let metrics = cell.ask("GET", "/metrics", None).text;
    let lines = metrics.lines().filter(|line| line.starts_with("strowger_cells_reachable"));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .map(|value| value as u32)
        .max()
        .unwrap_or(0)
}

/// A phone of `user` at the edge of `cell` that is registered and answers.
fn answering(cell: &Platform, user: &str) -> Phone {
    Phone::answering(cell, user, 100)
}

#[test]
fn a_phone_far_from_home_calls_and_is_called_and_the_calls_outlive_either_cell_s_signalling() {
    let two = Two::start();
    let bob = answering(&two.south, "bob");
    // Alice lives in the north, her phone is in the south: so her calls are the north's.
    let mut alice = Phone::calling(&two.south, "alice", "1002", 6.0);
    alice.wait_for("answered");
    assert_eq!((two.north.calls_under_way().len(), two.south.calls_under_way().len()), (1, 0));
    sleep(Duration::from_millis(800));
    two.north.kill(Worker::Signalling);
    sleep(Duration::from_millis(800));
    two.south.kill(Worker::Signalling);
    let registered = || (two.north.registrations().len(), two.south.registrations().len());
    assert!(eventually(Duration::from_secs(3), || registered() == (1, 1)), "{}", two.logs());
    assert!(alice.went_well(), "{}\n{}", alice.said(), two.logs());
    assert_eq!(bob.wait_for("over")["by_us"], false);
    for phone in [&alice, &bob] {
        let gap = longest_gap(phone);
        assert!(gap < 500.0, "a silence of {gap} ms");
    }
    let records = two.north.records_of(1);
    assert_eq!((&records[0]["outcome"], &records[0]["callee"]), (&json!("answered"), &json!("bob")));
    assert!(two.south.records().is_empty());

    // She is called where she is, by somebody of the south.
    let alice = answering(&two.south, "alice");
    let mut dave = Phone::calling(&two.south, "dave", "alice", 1.0);
    assert!(dave.went_well(), "{}\n{}", dave.said(), two.logs());
    assert_eq!(alice.wait_for("over")["by_us"], false);
    assert_eq!(two.south.records_of(1)[0]["callee"], "alice");
    drop((alice, bob));
}

#[test]
fn a_cell_that_is_cut_off_is_refused_at_once_and_the_other_goes_on() {
    let mut two = Two::start();
    let bob = answering(&two.south, "bob");
    let carol = answering(&two.north, "carol");
    let mut alice = Phone::calling(&two.north, "alice", "bob", 0.5);
    assert!(alice.went_well(), "{}\n{}", alice.said(), two.logs());
    drop(bob);
    two.south.stop();
    assert!(eventually(Duration::from_secs(10), || reachable(&two.north) == 0), "{}", two.logs());
    let mut alice = Phone::calling(&two.north, "alice", "bob", 0.5);
    assert!(!alice.went_well());
    let mut alice = Phone::calling(&two.north, "alice", "carol", 0.5);
    assert!(alice.went_well(), "{}\n{}", alice.said(), two.logs());
    let records = two.north.records_of(3);
    let refused = records.iter().find(|record| record["status"] == 480).expect("a refusal");
    assert_eq!(refused["cause"], "cell out of reach");
    drop(carol);

    two.south.run();
    assert!(two.eventually_reach(&two.north) && two.eventually_reach(&two.south), "{}", two.logs());
    let bob = answering(&two.south, "bob");
    let mut alice = Phone::calling(&two.north, "alice", "1002", 0.5);
    assert!(alice.went_well(), "{}\n{}", alice.said(), two.logs());
    drop(bob);
}

#[test]
fn an_account_moves_while_its_phone_stays_and_it_is_called_all_the_while() {
    let two = Two::start();
    let bob = answering(&two.south, "bob");
    let mut alice = Phone::calling(&two.north, "alice", "1002", 0.5);
    assert!(alice.went_well(), "{}\n{}", alice.said(), two.logs());
    let moved = two.south.ask("POST", "/v1/tenants/test/users/bob/move", Some(&json!({"to": 1})));
    assert!((200..300).contains(&moved.status), "{}", moved.text);
    for caller in ["alice", "dave"] {
        let cell = if caller == "alice" { &two.north } else { &two.south };
        let mut phone = Phone::calling(cell, caller, "1002", 0.5);
        assert!(phone.went_well(), "{caller}: {}\n{}", phone.said(), two.logs());
    }
    for cell in [&two.north, &two.south] {
        assert!(two.is_at_home(cell, "bob", 1), "{}", two.logs());
    }
    for caller in ["alice", "dave"] {
        let cell = if caller == "alice" { &two.north } else { &two.south };
        let mut phone = Phone::calling(cell, caller, "bob", 0.5);
        assert!(phone.went_well(), "{caller}: {}\n{}", phone.said(), two.logs());
    }
    assert_eq!(bob.told("over").len(), 5, "{}", bob.said());
}
