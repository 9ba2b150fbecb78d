use std::time::{Duration, Instant};

use bus::{Client, Member, Server};
use contract::NodeId;
use contract::cluster::{Changed, Drain, Followed, Gauge, HandOn, Look, View};
use machine::Shard;
use tokio::sync::mpsc;

use crate::platform::{Platform, until};

/// The processes of node 2's host: its broker answers, its exchange hears.
async fn host_of_two(platform: &Platform) -> (Client, mpsc::Receiver<View>) {
    let topology = platform.topology(2);
    let answering = platform.brokers[&2].answer(Server::new()).serve(topology.bind(Member::Broker).unwrap());
    tokio::spawn(answering);
    let (tell, told) = mpsc::channel(100);
    let hearing = Server::new().hear(move |Changed(view)| {
        let tell = tell.clone();
        // A test that has heard enough is gone.
        async move { drop(tell.send(view).await) }
    });
    tokio::spawn(hearing.serve(topology.bind(Member::Signalling(0)).unwrap()));
    (Client::local(topology), told)
}

async fn two() -> Platform {
    let mut platform = Platform::new(1);
    platform.start(1).await;
    platform.all_see("one is there", |view| view.nodes.len() == 1).await;
    platform.start(2).await;
    platform.all_see("two are there", |view| view.nodes.len() == 2).await;
    platform
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_are_told_at_once_and_again_and_again() {
    let platform = two().await;
    let (bus, mut told) = host_of_two(&platform).await;
    let begun = Instant::now();
    let mut newest = async || loop {
        let view = told.recv().await.unwrap();
        if view.nodes.len() == 2 {
            return view;
        }
    };
    let (first, again) = (newest().await, newest().await);
    assert!(first == again && first.me == NodeId(2));
    assert!(begun.elapsed() < Duration::from_secs(4));
    let agreed = bus.ask(None, &Drain { node: NodeId(1), back: false }).await.unwrap();
    let begun = Instant::now();
    let newer = loop {
        let view = told.recv().await.unwrap();
        if view.version >= agreed.version {
            break view;
        }
    };
    println!("told {:?} after the answer", begun.elapsed());
    assert!(newer.owners.iter().all(|owner| owner.wanted == Some(NodeId(2))));
    assert!(bus.ask(None, &Look {}).await.unwrap() == newer);
    use std::os::unix::fs::PermissionsExt as _;
    let file = platform.dir.join("view-2");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(contract::decode::<View>(&std::fs::read(file).unwrap()).unwrap() == newer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_say_who_follows_them_and_hand_on() {
    let platform = two().await;
    let (bus, _told) = host_of_two(&platform).await;
    let view = bus.ask(None, &Look {}).await.unwrap();
    assert!(
        view.owners.iter().all(|it| it.node == Some(NodeId(1)) && it.buddy == Some(NodeId(2)) && !it.synced)
    );
    let all: Vec<_> = Shard::all().map(|shard| (shard, view.owner(shard).epoch)).collect();
    let followed = Followed { shards: all.clone(), by: NodeId(2), whole: true };
    let agreed = bus.ask(None, &followed).await.unwrap();
    until("it is told", || platform.view(2).version >= agreed.version).await;
    assert!(platform.view(2).owners.iter().all(|it| it.synced));
    let agreed = bus.ask(None, &HandOn { shards: all, to: NodeId(2) }).await.unwrap();
    until("it is told", || platform.view(2).version >= agreed.version).await;
    let view = platform.view(2);
    assert!(
        view.owners.iter().all(|it| it.node == Some(NodeId(2)) && it.buddy == Some(NodeId(1)) && !it.synced)
    );
    let gauges = bus.ask(None, &Gauge {}).await.unwrap().values;
    let gauge = |name: &str| gauges.iter().find(|(it, _)| it == name).unwrap().1;
    assert_eq!((gauge("broker_shards_owned"), gauge("broker_nodes")), (4096.0, 2.0));
    assert_eq!((gauge("broker_shards_without_copy"), gauge("broker_seats_connected")), (4096.0, 1.0));
}
