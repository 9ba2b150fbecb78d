//! Tests that need a broker are ignored, and so counted as skipped, where none is installed.

use std::path::Path;

const NEEDED: [&str; 2] = ["/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/bin/epmd"];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(no_rabbitmq)");
    for place in NEEDED {
        println!("cargo::rerun-if-changed={place}");
    }
    if !NEEDED.iter().all(|place| Path::new(place).exists()) {
        println!("cargo::rustc-cfg=no_rabbitmq");
    }
}
