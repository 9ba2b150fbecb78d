//! How long a request takes, over the local bus and over NATS: `cargo run --release -p strowger-nats --example
//! latency [nats://host:port]`. With a loop in epoll that answers, asked by another loop and by a task.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use bus::{Carrier, Client, Endpoint, Mailbox, Member, Topology};
use contract::media::Gauge;
use contract::query::Gauges;
use contract::{Envelope, Kind, NodeId, Role};
use strowger_io::{Events, Interest, Poller};
use strowger_nats::{Nats, Options, Who};

const ROUNDS: usize = 20_000;

fn answer_for_ever(mut mailbox: impl Mailbox + Send + 'static) {
    std::thread::spawn(move || {
        let (poller, mut events) = (Poller::new().unwrap(), Events::new(8));
        poller.add(&mailbox, 0, Interest::READ).unwrap();
        loop {
            poller.wait(&mut events, None).unwrap();
            mailbox.ready();
            while let Some(received) = mailbox.receive() {
                if received.envelope.kind == Kind::Request {
                    let answer = Envelope::answer::<Gauge>(received.envelope.id, &Gauges::default());
                    mailbox.answer(received.from, &answer).unwrap();
                }
            }
            mailbox.flush();
        }
    });
}

fn loop_asks(name: &str, mut mailbox: impl Mailbox) {
    let (poller, mut events) = (Poller::new().unwrap(), Events::new(8));
    poller.add(&mailbox, 0, Interest::READ).unwrap();
    let mut times = Vec::new();
    for id in 0..ROUNDS as u64 {
        let began = Instant::now();
        mailbox.send(&Envelope::request(id, None, &Gauge::default())).unwrap();
        mailbox.flush();
        while mailbox.receive().is_none_or(|it| it.envelope.id != id || it.envelope.kind != Kind::Answer) {
            poller.wait(&mut events, Some(Duration::from_secs(1))).unwrap();
            mailbox.ready();
        }
        times.push(began.elapsed());
    }
    tell(&format!("{name}, loop to loop"), times);
}

async fn task_asks<K: Carrier>(name: &str, client: Client<K>) {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        client.ask(None, &Gauge::default()).await.unwrap();
        times.push(began.elapsed());
    }
    tell(&format!("{name}, task to loop"), times);
}

fn tell(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 1000];
    println!("{name}: p50 {:?}, p99 {:?}, p999 {:?}", at(500), at(990), at(999));
}

/// What this process has in memory, in kB.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = std::env::temp_dir().join(format!("bus-latency-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let topology = Topology::new(&dir, 1);
    let here = |member| Endpoint::new(topology.clone(), topology.bind(member).unwrap()).unwrap();
    answer_for_ever(here(Member::Media));
    loop_asks("local", here(Member::Signalling(0)));
    runtime.block_on(async { task_asks("local", Client::local(topology.clone())).await });
    std::fs::remove_dir_all(&dir).unwrap();

    let Some(server) = std::env::args().nth(1) else { return };
    let connect = || Nats::start(Options { servers: vec![server.clone()], ..Options::default() }).unwrap();
    let who = |name: &str, node, role| Who { name: name.into(), node: NodeId(node), roles: vec![role] };
    answer_for_ever(connect().mailbox(who("media", 1, Role::Media)).unwrap());
    let exchange = connect().mailbox(who("exchange", 2, Role::Exchange)).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    loop_asks("nats", exchange);
    runtime.block_on(task_asks("nats", connect().client()));

    let (owner, before) = (connect().mailbox(who("owner", 3, Role::Exchange)).unwrap(), resident());
    owner.own((0..4096).map(machine::Shard::of));
    std::thread::sleep(Duration::from_secs(2));
    println!("4,096 shards: {} kB", resident() - before);
}
