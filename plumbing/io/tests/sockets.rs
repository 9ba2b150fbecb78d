//! Sockets on the loopback, IPv4 and IPv6 alike.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use strowger_io::{
    Events, Inbox, Interest, Listener, Outbound, Poller, Received, SeqListener, SeqSocket, Stream,
    UdpOptions, UdpSocket, Waker,
};

fn loopbacks() -> [SocketAddr; 2] {
    ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()]
}

fn wait_for(poller: &Poller, events: &mut Events) {
    poller.wait(events, Some(Duration::from_secs(5))).unwrap();
    assert!(!events.is_empty(), "nothing happened for 5 s");
}

fn readable(descriptor: impl AsFd) {
    let poller = Poller::new().unwrap();
    poller.add(descriptor, 1, Interest::READ).unwrap();
    wait_for(&poller, &mut Events::new(1));
}

#[test]
fn many_datagrams_go_and_come_at_once() {
    for address in loopbacks() {
        let receiver = UdpSocket::bind(address, &UdpOptions::default()).unwrap();
        let sender = UdpSocket::bind(address, &UdpOptions::default()).unwrap();
        let mut inbox = Inbox::new(64, 1500);
        assert_eq!(inbox.receive(&receiver).unwrap(), 0);
        let mut outbound = Outbound::new();
        for number in 0..100u8 {
            outbound.push(&vec![number; usize::from(number)], receiver.local().unwrap(), None);
        }
        let flushed = outbound.flush(&sender);
        assert_eq!((flushed.sent, flushed.refused, flushed.left), (100, 0, 0));
        assert!(outbound.is_empty());
        let mut seen = 0u8;
        while seen < 100 {
            readable(&receiver);
            inbox.receive(&receiver).unwrap();
            for datagram in inbox.iter() {
                assert_eq!(datagram.bytes, vec![seen; usize::from(seen)]);
                assert_eq!(datagram.source, sender.local().unwrap());
                assert_eq!((datagram.destination, datagram.truncated), (None, false));
                seen += 1;
            }
        }
    }
}

#[test]
fn a_datagram_to_a_wildcard_is_answered_from_the_address_it_was_sent_to() {
    for (wildcard, ours) in [("0.0.0.0:0", "127.0.0.77"), ("[::]:0", "::1")] {
        let options = UdpOptions { destination: true, ..UdpOptions::default() };
        let server = UdpSocket::bind(wildcard.parse().unwrap(), &options).unwrap();
        let ours: IpAddr = ours.parse().unwrap();
        let server_address = SocketAddr::new(ours, server.local().unwrap().port());
        let any = if ours.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let client = UdpSocket::bind(any.parse().unwrap(), &UdpOptions::default()).unwrap();
        assert!(client.send(b"ping", server_address).unwrap());
        readable(&server);
        let mut inbox = Inbox::new(4, 100);
        assert_eq!(inbox.receive(&server).unwrap(), 1);
        let datagram = inbox.get(0).unwrap();
        assert_eq!(datagram.destination, Some(ours));
        let mut outbound = Outbound::new();
        outbound.push(b"pong", datagram.source, datagram.destination);
        assert_eq!(outbound.flush(&server).sent, 1);
        readable(&client);
        let mut buffer = [0; 100];
        assert_eq!(client.receive(&mut buffer).unwrap(), Some((4, server_address)));
    }
}

#[test]
fn a_long_datagram_is_said_to_be_cut_and_a_refused_one_does_not_stop_the_rest() {
    let receiver = UdpSocket::bind(loopbacks()[0], &UdpOptions::default()).unwrap();
    let to = receiver.local().unwrap();
    let mut outbound = Outbound::new();
    outbound.push(b"first", to, None);
    outbound.push(&vec![0; 70_000], to, None);
    outbound.push(&[7; 200], to, None);
    let flushed = outbound.flush(&receiver);
    assert_eq!((flushed.sent, flushed.refused, flushed.left), (2, 1, 0));
    assert!(flushed.error.unwrap().to_string().starts_with("send UDP to 127.0.0.1:"));
    let mut inbox = Inbox::new(4, 100);
    assert_eq!(inbox.receive(&receiver).unwrap(), 2);
    let cut: Vec<_> = inbox.iter().map(|datagram| (datagram.bytes.len(), datagram.truncated)).collect();
    assert_eq!(cut, [(5, false), (100, true)]);
}

#[test]
fn it_is_known_how_long_a_datagram_waited() {
    for address in loopbacks() {
        let options = UdpOptions { destination: true, arrival: true, ..UdpOptions::default() };
        let server = UdpSocket::bind(address, &options).unwrap();
        let client = UdpSocket::bind(address, &UdpOptions::default()).unwrap();
        let mut inbox = Inbox::new(4, 100);
        assert_eq!(inbox.waited(), None);
        // The kernel begins to note when datagrams come a moment after the first socket of all wants that.
        let is_noted = |inbox: &mut Inbox| {
            assert!(client.send(b"noted?", server.local().unwrap()).unwrap());
            std::thread::sleep(Duration::from_millis(5));
            readable(&server);
            assert_eq!(inbox.receive(&server).unwrap(), 1);
            inbox.waited().unwrap() >= Duration::from_millis(5)
        };
        assert!((0..200).any(|_| is_noted(&mut inbox)));
        assert!(client.send(b"early", server.local().unwrap()).unwrap());
        std::thread::sleep(Duration::from_millis(30));
        assert!(client.send(b"late", server.local().unwrap()).unwrap());
        readable(&server);
        assert_eq!(inbox.receive(&server).unwrap(), 2);
        assert!(inbox.waited().unwrap() >= Duration::from_millis(30));
        assert_eq!(inbox.get(1).unwrap().destination, Some(address.ip()));
        // Without being told to, it is not known.
        assert!(server.send(b"back", client.local().unwrap()).unwrap());
        readable(&client);
        assert_eq!((inbox.receive(&client).unwrap(), inbox.waited()), (1, None));
    }
}

#[test]
fn several_sockets_share_a_port_if_all_agree() {
    let options = UdpOptions { reuse_port: true, ..UdpOptions::default() };
    let first = UdpSocket::bind(loopbacks()[1], &options).unwrap();
    let address = first.local().unwrap();
    UdpSocket::bind(address, &options).unwrap();
    let error = UdpSocket::bind(address, &UdpOptions::default()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("bind UDP {address}: ")), "{error}");
}

#[test]
fn tcp_connects_talks_and_ends_without_waiting() {
    for address in loopbacks() {
        let listener = Listener::bind(address, true).unwrap();
        assert!(listener.accept().unwrap().is_none());
        let client = Stream::connect(listener.local().unwrap(), None).unwrap();
        readable(&listener);
        let (server, peer) = listener.accept().unwrap().unwrap();
        assert_eq!(peer, client.local().unwrap());
        let poller = Poller::new().unwrap();
        poller.add(&client, 9, Interest::BOTH).unwrap();
        let mut events = Events::new(8);
        wait_for(&poller, &mut events);
        let event = events.iter().next().unwrap();
        assert!(event.token == 9 && event.writable && !event.closed);
        assert!(client.failure().is_none());
        assert_eq!(client.write(b"hello").unwrap(), Some(5));
        readable(&server);
        let mut buffer = [0; 16];
        assert_eq!(server.read(&mut buffer).unwrap(), Some(5));
        assert_eq!(server.read(&mut buffer).unwrap(), None);
        client.finish().unwrap();
        readable(&server);
        assert_eq!(server.read(&mut buffer).unwrap(), Some(0));
    }
}

#[test]
fn a_refused_connection_says_so() {
    let listener = Listener::bind(loopbacks()[0], false).unwrap();
    let address = listener.local().unwrap();
    drop(listener);
    match Stream::connect(address, None) {
        Ok(stream) => {
            let poller = Poller::new().unwrap();
            poller.add(&stream, 0, Interest::WRITE).unwrap();
            wait_for(&poller, &mut Events::new(1));
            assert_eq!(stream.failure().unwrap().kind(), std::io::ErrorKind::ConnectionRefused);
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused),
    }
}

#[test]
fn a_wait_ends_in_time_and_a_waker_ends_it_early() {
    let poller = Poller::new().unwrap();
    let mut events = Events::new(4);
    let start = Instant::now();
    poller.wait(&mut events, Some(Duration::from_micros(300))).unwrap();
    assert!(events.is_empty() && start.elapsed() >= Duration::from_micros(300));
    let waker = Waker::new().unwrap();
    poller.add(&waker, 3, Interest::READ).unwrap();
    let other = waker.duplicate().unwrap();
    let thread = strowger_io::start_thread("waker", move || other.wake()).unwrap();
    wait_for(&poller, &mut events);
    thread.join().unwrap();
    assert_eq!(events.iter().next().unwrap().token, 3);
    assert!(waker.drain() && !waker.drain());
}

#[test]
fn descriptors_travel_between_sockets() {
    let (one, other) = SeqSocket::pair().unwrap();
    let sockets: Vec<UdpSocket> =
        (0..253).map(|_| UdpSocket::bind(loopbacks()[0], &UdpOptions::default()).unwrap()).collect();
    let all: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    assert!(one.send(b"your sockets", &all).unwrap());
    let (mut buffer, mut descriptors) = ([0; 64], Vec::new());
    assert_eq!(other.receive(&mut buffer, &mut descriptors).unwrap(), Received::Message(12));
    let mut received: Vec<UdpSocket> = descriptors.drain(..).map(UdpSocket::from).collect();
    assert_eq!(received.len(), 253);
    for (sent, received) in sockets.iter().zip(&received) {
        assert_eq!(sent.local().unwrap(), received.local().unwrap());
    }
    let last: OwnedFd = received.pop().unwrap().into();
    let too_many = vec![last.as_fd(); 254];
    assert!(one.send(b"too many", &too_many).is_err());
    assert_eq!(other.receive(&mut buffer, &mut descriptors).unwrap(), Received::Nothing);
    drop(one);
    assert_eq!(other.receive(&mut buffer, &mut descriptors).unwrap(), Received::Closed);
}

#[test]
fn a_listener_in_the_file_system_takes_connections_before_anybody_accepts() {
    let directory = std::env::temp_dir().join(format!("strowger-io-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("bus");
    let listener = SeqListener::bind(&path).unwrap();
    let client = SeqSocket::connect(&path).unwrap();
    assert!(client.send(b"early", &[]).unwrap());
    let server = listener.accept().unwrap().unwrap();
    assert!(listener.accept().unwrap().is_none());
    let mut buffer = [0; 3];
    assert!(server.receive(&mut buffer, &mut Vec::new()).is_err(), "a message that does not fit is an error");
    std::fs::remove_dir_all(&directory).unwrap();
    let error = SeqSocket::connect(&path).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}
