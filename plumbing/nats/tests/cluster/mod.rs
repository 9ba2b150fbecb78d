//! Three servers; the one that leads is killed, or stops, while everybody talks.

use std::process::Command;
use std::time::{Duration, Instant};

use bus::Server as Answers;
use bus::durable::{Consumer, Entry, Streams};
use contract::account::{Found, LookUp};
use contract::event::CallEvent;
use contract::{CallId, Event, Role, Stream};
use strowger_nats::{Nats, Options};

use crate::across::who;
use crate::seam::Gone;
use crate::server::{Server, folder, free_port};

/// Servers `n0` to `n2`.
struct Cluster(Vec<Server>);

impl Cluster {
    async fn start() -> Self {
        let routes: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let all: Vec<_> = routes.iter().map(|port| format!("nats-route://127.0.0.1:{port}")).collect();
        let start = |number: usize| {
            let more = format!(
                "server_name: n{number}\ncluster {{ name: c, listen: 127.0.0.1:{}, routes: [{}] }}",
                routes[number],
                all.join(", ")
            );
            Server::on(free_port(), folder(), &more)
        };
        let cluster = Cluster((0..3).map(start).collect());
        let streams = cluster.connect(0).streams();
        let until = Instant::now() + Duration::from_secs(30);
        while streams.append(Stream::Events, entry(0)).await.is_err() {
            assert!(Instant::now() < until, "{}", cluster.0[0].log());
        }
        cluster
    }

    /// A connection that begins at server `number`, and learns of the others.
    fn connect(&self, number: usize) -> Nats {
        let servers = vec![self.0[number].url()];
        Nats::start(Options { servers, replicas: 3, ..Options::default() }).unwrap()
    }

    /// Who leads the stream of events.
    async fn leader(&self) -> usize {
        let client = async_nats::connect(self.0.iter().map(Server::url).collect::<Vec<_>>()).await.unwrap();
        let stream = async_nats::jetstream::new(client).get_stream("strowger_main_events").await.unwrap();
        let leader = stream.cached_info().cluster.as_ref().unwrap().leader.clone().unwrap();
        leader.trim_start_matches('n').parse().unwrap()
    }
}

fn entry(call: u64) -> Entry {
    Entry::of(&CallEvent { call: CallId(call), ..CallEvent::default() })
}

fn office(nats: Nats) -> Gone {
    let answers = Answers::new().on(|_: LookUp| async { Ok::<_, String>(Found::Nobody) });
    Gone::spawn(async move { nats.serve(who("office", 200, &[Role::Api]), answers).await })
}

/// Asks for `span`; how often nobody answered, and the longest time without an answer.
async fn ask_on(nats: Nats, span: Duration) -> (u32, Duration) {
    let (client, began) = (nats.client(), Instant::now());
    let (mut last, mut longest, mut failed) = (Instant::now(), Duration::ZERO, 0);
    while began.elapsed() < span {
        match client.ask(None, &LookUp::default()).await {
            Ok(_) => {
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            Err(_) => failed += 1,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (failed, longest.max(last.elapsed()))
}

/// Appends for `span`, each until it is kept; how many, and the longest wait.
async fn append_on(nats: Nats, span: Duration) -> (u64, Duration) {
    let (streams, began) = (nats.streams(), Instant::now());
    let (mut count, mut longest) = (0, Duration::ZERO);
    while began.elapsed() < span {
        let begun = Instant::now();
        while streams.append(Stream::Events, entry(count + 1)).await.is_err() {}
        longest = longest.max(begun.elapsed());
        count += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (count, longest)
}

/// Hears until nothing comes for `quiet`; the calls in order, and the longest wait between two.
async fn hear_on(nats: Nats, quiet: Duration) -> (Vec<u64>, Duration) {
    let mut consumer = nats.streams().consumer(Stream::Events, "bridge").await.unwrap();
    let (mut heard, mut longest, mut last) = (Vec::new(), Duration::ZERO, Instant::now());
    while let Ok(delivery) = tokio::time::timeout(quiet, consumer.next()).await {
        assert_eq!(delivery.entry.topic, CallEvent::TOPIC);
        heard.push(delivery.entry.read::<CallEvent>().unwrap().unwrap().call.0);
        let _comes_again_if_not = consumer.ack(&delivery).await;
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    (heard, longest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn the_leader_is_killed() {
    let mut cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let (other, third) = ((leader + 1) % 3, (leader + 2) % 3);
    let _office = office(cluster.connect(other));
    let span = Duration::from_secs(12);
    // One who was connected to the server that dies, and those who were not.
    let at_the_dead = tokio::spawn(ask_on(cluster.connect(leader), span));
    let at_others = tokio::spawn(ask_on(cluster.connect(third), span));
    let appending = tokio::spawn(append_on(cluster.connect(leader), span));
    let hearing = tokio::spawn(hear_on(cluster.connect(other), Duration::from_secs(12)));
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.0[leader].kill();

    let (failed, longest) = at_others.await.unwrap();
    println!("asking elsewhere: {failed} failed, longest {longest:?}");
    assert!(failed < 3 && longest < Duration::from_millis(1500), "elsewhere: {failed} {longest:?}");
    let (failed, longest) = at_the_dead.await.unwrap();
    println!("asking through the dead one: {failed} failed, longest {longest:?}");
    assert!(longest < Duration::from_secs(3), "through the dead one: {failed} {longest:?}");
    let (count, longest) = appending.await.unwrap();
    println!("{count} appended, longest {longest:?}");
    assert!(longest < Duration::from_secs(10), "appended: {count} {longest:?}");
    let (mut heard, longest) = hearing.await.unwrap();
    println!("{} heard, longest {longest:?}", heard.len());
    heard.sort_unstable();
    heard.dedup();
    assert_eq!(heard, (0..=count).collect::<Vec<_>>(), "all that was confirmed is heard");
    assert!(longest < Duration::from_secs(12), "heard: {longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn a_server_stands_still() {
    let cluster = Cluster::start().await;
    let _office = office(cluster.connect(1));
    let asking = tokio::spawn(ask_on(cluster.connect(0), Duration::from_secs(6)));
    tokio::time::sleep(Duration::from_secs(1)).await;
    signal(&cluster.0[0], "STOP");
    let (failed, longest) = asking.await.unwrap();
    signal(&cluster.0[0], "CONT");
    println!("{failed} failed, longest {longest:?}");
    assert!(longest < Duration::from_secs(4), "{failed} {longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn a_stream_that_one_server_keeps_is_kept_by_three_once_three_are_named() {
    let cluster = Cluster::start().await;
    let urls: Vec<_> = cluster.0.iter().map(Server::url).collect();
    let client = async_nats::connect(urls.clone()).await.unwrap();
    for (named, kept_by) in [(1, 1), (3, 3)] {
        let servers = urls[..named].to_vec();
        let nats =
            Nats::start(Options { servers, root: "strowger.grown".into(), ..Options::default() }).unwrap();
        while nats.streams().append(Stream::Events, entry(named as u64)).await.is_err() {}
        let context = async_nats::jetstream::new(client.clone());
        let stream = context.get_stream("strowger_grown_events").await.unwrap();
        assert_eq!(stream.cached_info().config.num_replicas, kept_by);
    }
    let heard = hear_on_root(&urls, "strowger.grown").await;
    assert_eq!(heard, [1, 3], "what was there is there");
}

async fn hear_on_root(urls: &[String], root: &str) -> Vec<u64> {
    let nats = Nats::start(Options { servers: urls.to_vec(), root: root.into(), ..Options::default() });
    hear_on(nats.unwrap(), Duration::from_secs(3)).await.0
}

fn signal(server: &Server, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(server.pid().to_string()).status();
    assert!(sent.unwrap().success());
}
