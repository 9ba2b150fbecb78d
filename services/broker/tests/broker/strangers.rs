use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use contract::NodeId;
use machine::Secret;

use crate::platform::{PATIENCE, Platform, begin, node, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_secret_nobody_joins_and_nobody_is_told_anything() {
    let mut platform = Platform::new(1);
    platform.start(1).await;
    until("it is there", || platform.view(1).version > 0).await;
    let mut config = platform.config(node(9));
    config.secret = Secret::new([8; 16]);
    let stranger = begin(config, platform.topology(9)).await;
    tokio::time::sleep(PATIENCE).await;
    let drain = broker::Change::Drain { node: NodeId(1), back: false };
    assert_eq!(stranger.propose(drain, Duration::from_millis(600)).await, 0);
    assert_eq!(stranger.view().borrow().version, 0, "it was told nothing");
    let view = platform.view(1);
    assert!(view.node(NodeId(9)).is_none() && !view.nodes[0].draining);
}

/// Another platform's seat with our address is believed as little.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_without_the_secret_is_not_believed() {
    let mut foreign = Platform::new(1);
    let mut config = foreign.config(node(1));
    config.secret = Secret::new([8; 16]);
    let seat = begin(config, foreign.topology(1)).await;
    until("it believes itself", || seat.view().borrow().version > 0).await;
    foreign.start(2).await;
    tokio::time::sleep(PATIENCE).await;
    assert_eq!(foreign.view(2).version, 0);
    assert_eq!(seat.view().borrow().nodes.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_is_hung_up_on_and_harms_nobody() {
    let mut platform = Platform::new(1);
    platform.start(1).await;
    until("it is there", || platform.view(1).version > 0).await;
    let seat = platform.seats[0].1;
    let said = |bytes: Vec<u8>| {
        tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(seat).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            // It may hang up before it has heard all.
            let _ = stream.write_all(&bytes);
            let mut heard = Vec::new();
            let ended = stream.read_to_end(&mut heard);
            assert!(
                ended.is_ok()
                    || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
            );
            heard.len()
        })
    };
    assert_eq!(said(vec![0xff; 100_000]).await.unwrap(), 0);
    assert_eq!(said(vec![0; 4]).await.unwrap(), 0, "no greeting");
    assert_eq!(said(b"GET / HTTP/1.1\r\n\r\n".to_vec()).await.unwrap(), 0);
    let hello = [&[0x81, 0xa7][..], b"version", &[1]].concat();
    let hello = [&(hello.len() as u16).to_le_bytes()[..], &hello].concat();
    let longest = [&hello[..], &u32::MAX.to_le_bytes(), &[0; 100]].concat();
    let unsealed = [&hello[..], &8u32.to_le_bytes(), &[1; 8], &[2; 8]].concat();
    for more in [longest, unsealed, hello] {
        assert!(said(more).await.unwrap() < 100, "a welcome, and nothing else");
    }
    platform.start(2).await;
    platform.all_see("another node joins all the same", |view| view.nodes.len() == 2).await;
}
