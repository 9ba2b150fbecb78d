//! Tests that need a server are ignored, and so counted as skipped, where none is installed.

use std::path::Path;

const PLACES: [&str; 3] = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(no_nats_server)");
    for place in PLACES {
        println!("cargo::rerun-if-changed={place}");
    }
    if !PLACES.iter().any(|place| Path::new(place).exists()) {
        println!("cargo::rustc-cfg=no_nats_server");
    }
}
