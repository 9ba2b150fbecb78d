//! Which servers are there for the tests.

use std::path::Path;

const SERVERS: [(&str, &str); 3] = [
    ("postgres", "/usr/lib/postgresql/15/bin/initdb"),
    ("nats_server", "/usr/sbin/nats-server"),
    ("rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmq-server"),
];

fn main() {
    for (name, program) in SERVERS {
        println!("cargo::rustc-check-cfg=cfg({name})");
        println!("cargo::rerun-if-changed={program}");
        if Path::new(program).exists() {
            println!("cargo::rustc-cfg={name}");
        }
    }
}
