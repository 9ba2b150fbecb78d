//! Three hosts that go on for each other, and the wire between them.
#![allow(clippy::unwrap_used)]

extern crate strowger_peering as peering;

use std::collections::VecDeque;

use contract::cluster::{Beyond, Changed, Node, Owner, View};
use contract::registration::Reach;
use contract::{CellId, Envelope, NodeId, Role};
use journal::Journal;
use machine::{Epoch, Key, KeyedHash, Moment, Record, Secret, Shard, Tag};
use peering::{Effect, Going, Hosts, Line, Neighbours, Peer, Said, Wire, Wish};

const CALL: Tag = Tag(0x11);
const SHARD: Shard = Shard::of(7);

fn followed(tag: Tag, shard: Shard, _: Key) -> Option<Shard> {
    (tag == CALL).then_some(shard)
}

struct Host {
    hosts: Hosts,
    journal: Journal<Vec<u8>>,
    /// Which line of which host is the other end of a line of ours.
    ends: Vec<(Line, usize, Line)>,
    out: Vec<Vec<u8>>,
    arrived: Vec<Vec<u8>>,
    going: Vec<Going>,
    passed: Vec<Vec<u8>>,
    heard: Vec<Envelope>,
    cells: Vec<CellId>,
    is_cut: bool,
}

struct Three {
    now: Moment,
    hosts: Vec<Host>,
    wire: VecDeque<(usize, Line, peering::Frame)>,
}

/// All shards are `owner`'s under `epoch`, and `buddy` follows. All three are there but for `lost`.
fn view(version: u64, owner: u16, epoch: u32, buddy: u16, lost: Option<u16>) -> View {
    let node = |number: u16| Node {
        node: NodeId(number),
        roles: vec![Role::Exchange],
        inside: vec![([192, 0, 2, number as u8], 5070).into()],
        since: 1,
        ..Node::default()
    };
    let one = Owner {
        node: Some(NodeId(owner)),
        epoch: Epoch(epoch),
        buddy: Some(NodeId(buddy)),
        ..Owner::default()
    };
    View {
        version,
        nodes: (1..=3).filter(|&number| Some(number) != lost).map(node).collect(),
        owners: Shard::all().map(|_| one).collect(),
        holders: vec![([198, 51, 100, 1].into(), NodeId(3))],
        ..View::default()
    }
}

const NORTH: CellId = CellId(1);
const SOUTH: CellId = CellId(2);

fn north() -> View {
    let all = view(1, 1, 1, 2, Some(3));
    let edge = |node: Node| Node { roles: vec![Role::Edge, Role::Exchange], ..node };
    View { cell: NORTH, nodes: all.nodes.into_iter().map(edge).collect(), holders: Vec::new(), ..all }
}

fn south(version: u64) -> View {
    let all = view(version, 3, 1, 3, None);
    let nodes = all.nodes.into_iter().filter(|node| node.node == NodeId(3)).collect();
    View { cell: SOUTH, nodes, ..all }
}

fn call(body: &[u8]) -> Record {
    Record { tag: CALL, shard: SHARD, key: Key(5), body: body.to_vec() }
}

fn to_alice() -> Wire {
    Wire {
        listener: 0,
        thread: 0,
        remote: ([203, 0, 113, 9], 5060).into(),
        otherwise: None,
        cell: CellId::HOME,
    }
}

impl Three {
    /// Host 1 owns all, host 2 is its buddy, host 3 holds the address that phones speak to.
    fn new() -> Self {
        Three::with(|_| view(1, 1, 1, 2, None))
    }

    /// Hosts 1 and 2 are a cell, the first, as above; host 3 is another, the second.
    fn of_two_cells() -> Self {
        let mut three = Three::with(|number| if number == 3 { south(1) } else { north() });
        for (number, cell, view) in [(1, SOUTH, south(1)), (2, SOUTH, south(1)), (3, NORTH, north())] {
            three.hears_of(number, Beyond { cell, reachable: true, view: Some(view) });
        }
        three.pass(500);
        three
    }

    fn hears_of(&mut self, number: usize, beyond: Beyond) {
        let now = self.now;
        assert_eq!(self.host(number).hosts.hear(Envelope::notice(None, &beyond)), None);
        self.carry_out(number - 1);
        self.now = now;
        self.pass(1);
    }

    fn with(view: impl Fn(u16) -> View) -> Self {
        let now = Moment::from_secs(1_800_000_000);
        let host = |number| {
            let me = Peer { node: NodeId(number), thread: 0 };
            let hash = KeyedHash::new(Secret::new([1; 16]));
            let listens = vec![[198, 51, 100, 1].into()];
            let mut hosts = Hosts::new(Neighbours::new(me, hash, listens, followed), 1, false);
            hosts.begin(View { me: NodeId(number), ..view(number) });
            let (journal, _) = Journal::open_with(vec![0; 4096 + 8 * 65536], now, 65536).unwrap();
            let (ends, out, arrived, going) = (vec![], vec![], vec![], vec![]);
            let (passed, heard, cells) = (vec![], vec![], vec![]);
            Host { hosts, journal, ends, out, arrived, going, passed, heard, cells, is_cut: false }
        };
        let mut three = Three { now, hosts: (1..=3).map(host).collect(), wire: VecDeque::new() };
        three.pass(500);
        three
    }

    fn host(&mut self, number: usize) -> &mut Host {
        &mut self.hosts[number - 1]
    }

    /// So many milliseconds pass, and whatever is on the wire arrives.
    fn pass(&mut self, millis: u64) {
        for _ in 0..millis {
            self.now = self.now.after(std::time::Duration::from_millis(1));
            let now = self.now;
            for number in 0..3 {
                let Host { hosts, journal, .. } = &mut self.hosts[number];
                let going = hosts.tend(now, journal, |_| false);
                hosts.neighbours_mut().acknowledge();
                hosts.release(now, journal);
                self.hosts[number].going.extend(going);
                self.carry_out(number);
            }
            while let Some((to, line, frame)) = self.wire.pop_front() {
                if !self.hosts[to].is_cut {
                    self.hosts[to].hosts.read(now, line, frame);
                    self.carry_out(to);
                }
            }
        }
    }

    fn carry_out(&mut self, number: usize) {
        for effect in self.hosts[number].hosts.take_effects() {
            match effect {
                Effect::Line(Wish::Call { line, to }) => {
                    let other = usize::from(match to.ip() {
                        std::net::IpAddr::V4(ip) => ip.octets()[3],
                        std::net::IpAddr::V6(_) => unreachable!(),
                    }) - 1;
                    let there = self.hosts[other].hosts.neighbours_mut().called(number as u64);
                    self.hosts[number].ends.push((line, other, there));
                    self.hosts[other].ends.push((there, number, line));
                }
                Effect::Line(Wish::Say { line, frame }) => {
                    let end = self.hosts[number].ends.iter().find(|(ours, ..)| *ours == line);
                    if let (Some(&(_, other, there)), false) = (end, self.hosts[number].is_cut) {
                        self.wire.push_back((other, there, frame));
                    }
                }
                Effect::Arrived(bytes) => self.hosts[number].arrived.push(bytes),
                Effect::Send(_, bytes) => self.hosts[number].out.push(bytes),
                Effect::Pass(bytes) => self.hosts[number].passed.push(bytes),
                Effect::Heard(_, envelope) => self.hosts[number].heard.push(envelope),
                Effect::Cells(cells) => self.hosts[number].cells = cells,
                Effect::Line(Wish::HangUp { .. }) | Effect::Ask(_) | Effect::Own(..) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// A turn of a host: changes a call, and says something to alice.
    fn turn(&mut self, number: usize, body: &[u8], said: &[u8]) {
        let now = self.now;
        let Host { hosts, journal, .. } = self.host(number);
        journal.begin([(&b"hop"[..], &b"INVITE"[..])]);
        let _ = journal.append(&call(body));
        let _ = journal.outgoing(said);
        journal.commit();
        hosts.say(to_alice(), Some(SHARD), said.to_vec());
        hosts.say_when_safe(now, &[call(body)], journal);
        self.carry_out(number - 1);
    }

    fn told(&mut self, number: usize, view: View) {
        let now = self.now;
        let host = self.host(number);
        let view = View { me: NodeId(number as u16), ..view };
        assert_eq!(host.hosts.hear(Envelope::notice(None, &Changed(view))), None);
        let going = host.hosts.believe(now, &mut host.journal);
        host.going.extend(going);
        self.carry_out(number - 1);
    }
}

#[test]
fn the_world_hears_nothing_before_the_buddy_knows_it() {
    let mut three = Three::new();
    three.host(2).is_cut = true;
    three.turn(1, b"ringing", b"180");
    three.pass(15);
    assert!(three.host(3).out.is_empty(), "held back");
    let unsent = Journal::open(three.host(1).journal.region().clone(), three.now).unwrap().1.unsent;
    assert_eq!(unsent, [b"180"], "a successor would say it");
    three.pass(10);
    assert_eq!(three.host(3).out, [b"180"], "after 20 ms it goes unprotected");
    three.host(2).is_cut = false;
    three.turn(1, b"answered", b"200");
    three.pass(5);
    assert_eq!(three.host(3).out, [b"180", b"200"]);
    let answers = three.host(1).hosts.answers();
    assert_eq!((answers.protected, answers.unprotected), (1, 1));
    let unsent = Journal::open(three.host(1).journal.region().clone(), three.now).unwrap().1.unsent;
    assert_eq!(unsent, Vec::<Vec<u8>>::new());
}

#[test]
fn the_buddy_adopts_what_the_lost_owner_told_it() {
    let mut three = Three::new();
    three.turn(1, b"answered", b"200");
    three.pass(5);
    three.host(1).is_cut = true;
    three.told(2, view(2, 2, 2, 3, Some(1)));
    let going = three.host(2).going.pop().unwrap();
    assert_eq!((going.adopted, going.gained), (vec![call(b"answered")], (4096, 0)));
    assert_eq!(going.owned.epoch(SHARD), Epoch(2));
}

#[test]
fn a_ghost_is_not_heard_by_whoever_knows_that_it_was_lost() {
    let mut three = Three::new();
    three.told(3, view(2, 2, 2, 3, Some(1)));
    three.turn(1, b"answered", b"200");
    three.pass(30);
    assert!(three.host(3).out.is_empty());
    assert!(three.host(3).hosts.neighbours().counts().ghosts > 0);
}

#[test]
fn a_message_for_a_shard_whose_owner_is_lost_goes_to_the_next_one() {
    let mut three = Three::new();
    three.host(1).is_cut = true;
    let now = three.now;
    three.host(3).hosts.send_inward(now, SHARD, b"BYE".to_vec());
    three.pass(5);
    three.told(3, view(2, 2, 2, 3, Some(1)));
    // Host 2 does not know yet that it is the owner, and keeps the message until it does.
    three.pass(5);
    assert!(three.host(2).arrived.is_empty());
    three.told(2, view(2, 2, 2, 3, Some(1)));
    assert_eq!(three.host(2).arrived, [b"BYE"]);
    three.pass(10);
    assert!(!three.host(3).hosts.is_busy(), "it was acknowledged");
}

#[test]
fn what_was_ours_at_an_earlier_time_and_is_no_more_is_forgotten_when_it_is_ours_again() {
    let mut three = Three::new();
    three.turn(1, b"answered", b"200");
    three.pass(5);
    three.told(1, view(2, 2, 2, 1, None));
    assert_eq!(three.host(1).going.pop().unwrap().owned.count(), 0);
    // Host 2 has ended the call meanwhile, and has told nobody else. Now it is lost.
    three.told(1, view(3, 1, 3, 3, Some(2)));
    assert_eq!(three.host(1).going.pop().unwrap().adopted, [call(b"")]);
}

#[test]
fn a_shard_goes_to_whom_it_should_once_all_is_known_there() {
    let mut three = Three::new();
    three.turn(1, b"answered", b"200");
    let mut moving = view(2, 1, 1, 2, None);
    moving.owners[7].wanted = Some(NodeId(3));
    (1..=3).for_each(|number| three.told(number, moving.clone()));
    three.host(1).going.clear();
    three.pass(10);
    let going = three.host(1).going.pop().unwrap();
    assert!(!going.owned.owns(SHARD) && going.owned.count() == 4095);
    // What comes meanwhile waits, and goes to the new owner.
    let now = three.now;
    three.host(1).hosts.do_as_said(now, Said::Inward(SHARD, b"BYE".to_vec()));
    let mut moved = view(3, 1, 1, 2, None);
    moved.owners[7] = Owner { node: Some(NodeId(3)), epoch: Epoch(2), ..moved.owners[7] };
    (1..=3).for_each(|number| three.told(number, moved.clone()));
    three.pass(5);
    assert_eq!(three.host(3).arrived, [b"BYE"]);
    let going = three.host(3).going.pop().unwrap();
    assert_eq!(going.adopted, [call(b"answered")]);
}

#[test]
fn what_is_another_cell_s_is_brought_to_its_owner_there() {
    let mut three = Three::of_two_cells();
    assert_eq!(three.host(1).cells, [SOUTH]);
    let now = three.now;
    let theirs = SHARD.of_cell(SOUTH);
    three.host(2).hosts.send_inward(now, theirs, b"INVITE".to_vec());
    let reach = Reach { name: "bob".into(), ..Reach::default() };
    let asked = Envelope::request(7, Some(theirs), &reach);
    assert_eq!(three.host(1).hosts.ask(asked), None);
    three.pass(5);
    assert_eq!(three.host(3).arrived, [b"INVITE"]);
    let [heard] = &three.host(3).heard[..] else { panic!("one question") };
    assert_eq!((heard.id, heard.shard), (7, Some(SHARD)), "there it is one of its own");
    assert!(!three.host(2).hosts.is_busy(), "it was acknowledged");
}

#[test]
fn what_is_for_a_phone_of_another_cell_s_edge_is_passed_there() {
    let mut three = Three::of_two_cells();
    let now = three.now;
    let Host { hosts, journal, .. } = three.host(3);
    hosts.say(Wire { cell: NORTH, ..to_alice() }, None, b"INVITE".to_vec());
    hosts.say_when_safe(now, &[], journal);
    three.carry_out(2);
    three.pass(5);
    let passed = [1, 2].map(|number| std::mem::take(&mut three.host(number).passed)).concat();
    assert_eq!(passed, [b"INVITE"]);
    assert!(three.host(1).out.is_empty(), "an edge there has still to look at it");
}

#[test]
fn another_cell_is_asked_where_calls_lead_and_can_say_nothing_else() {
    let mut three = Three::of_two_cells();
    let north = Peer { node: NodeId(1), thread: 0 };
    let ghosts = three.host(1).hosts.neighbours().counts().ghosts;
    let notice = Envelope::notice(Some(SHARD), &Changed(view(99, 3, 9, 3, None)));
    three.host(3).hosts.neighbours_mut().ask(north, notice);
    three.pass(5);
    assert!(three.host(1).heard.is_empty());
    assert_eq!(three.host(1).hosts.neighbours().counts().ghosts, ghosts + 1);
}

#[test]
fn what_is_for_a_cell_out_of_reach_waits_a_moment_and_goes_there_when_it_is_back() {
    let mut three = Three::of_two_cells();
    three.hears_of(1, Beyond { cell: SOUTH, reachable: false, view: None });
    assert!(three.host(1).cells.is_empty());
    let now = three.now;
    three.host(1).hosts.send_inward(now, SHARD.of_cell(SOUTH), b"BYE".to_vec());
    three.pass(20);
    assert!(three.host(3).arrived.is_empty());
    three.hears_of(1, Beyond { cell: SOUTH, reachable: true, view: Some(south(2)) });
    three.pass(20);
    assert_eq!(three.host(3).arrived, [b"BYE"]);
}
