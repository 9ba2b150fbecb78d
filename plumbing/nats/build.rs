//! Tests that need a server are ignored, and so counted as skipped, where none is installed.

use std::path::Path;

const PLACES: [&str; 3] = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(no_nats_server)");
    // What is missing would count as changed each time: all that is built on this would be built again.
    match PLACES.iter().find(|place| Path::new(place).exists()) {
        Some(place) => println!("cargo::rerun-if-changed={place}"),
        None => println!("cargo::rustc-cfg=no_nats_server"),
    }
}
