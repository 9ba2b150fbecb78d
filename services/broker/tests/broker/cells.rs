//! Cells of one broker each: they hear each other, a third one knocks, and one goes out of reach and comes back.

use contract::CellId;
use contract::cluster::View;

use crate::platform::{Platform, begin, until};

fn knows(view: &View, cells: &[u8]) -> bool {
    view.cells.iter().map(|cell| cell.number.0).eq(cells.iter().copied())
}

/// The version that `platform` has of the view of `cell`, if that answers.
fn reaches(platform: &Platform, cell: u8) -> Option<u64> {
    let broker = platform.brokers.values().next().unwrap();
    let beyond = broker.beyond().borrow().clone();
    beyond.get(&CellId(cell)).filter(|state| state.reachable).map(|state| state.view.version)
}

async fn start(cell: &mut Platform) {
    let node = cell.seats[0].0.0;
    cell.start(node).await;
}

async fn two() -> (Platform, Platform) {
    let mut first = Platform::cell(1, None);
    start(&mut first).await;
    let mut second = Platform::cell(2, Some(&first));
    start(&mut second).await;
    for (cell, other) in [(&first, 2), (&second, 1)] {
        cell.all_see("both cells are known", |view| knows(view, &[1, 2])).await;
        until("the other one is heard", || reaches(cell, other).is_some()).await;
    }
    (first, second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_cell_knocks_at_one_and_is_known_to_all() {
    let (first, second) = two().await;
    let mut third = Platform::cell(3, Some(&second));
    start(&mut third).await;
    for cell in [&first, &second, &third] {
        cell.all_see("all three are known", |view| knows(view, &[1, 2, 3])).await;
    }
    until("the first hears the third", || reaches(&first, 3).is_some()).await;
    until("the third hears the first", || reaches(&third, 1).is_some()).await;
    assert_eq!(first.view(10).cell, CellId(1));
    assert_eq!(first.view(10).cell(CellId(3)).unwrap().offices, ["http://192.0.2.3:8080"]);
    // What changes in one is told in the others at once.
    second.brokers[&20]
        .propose(broker::Change::Drain { node: contract::NodeId(20), back: false }, crate::platform::LONG)
        .await;
    let version = second.view(20).version;
    until("it is told", || reaches(&first, 2).is_some_and(|known| known >= version)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cell_that_says_nothing_is_out_of_reach_and_is_reached_again_when_it_is_back() {
    let (first, mut second) = two().await;
    second.stop(20).await;
    until("it is out of reach", || reaches(&first, 2).is_none()).await;
    assert!(first.dir.join("view-10-2").exists(), "its last view stays");
    assert!(knows(&first.view(10), &[1, 2]));
    start(&mut second).await;
    until("it is reached", || reaches(&first, 2).is_some()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_share_the_secret_is_no_cell() {
    let mut first = Platform::cell(1, None);
    start(&mut first).await;
    let second = Platform::cell(2, Some(&first));
    let mut config = second.config(crate::platform::node(20));
    config.secret = machine::Secret::new([8; 16]);
    let stranger = begin(config, second.topology(20)).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(knows(&first.view(10), &[1]) && reaches(&first, 2).is_none());
    assert!(stranger.beyond().borrow().is_empty());
}
