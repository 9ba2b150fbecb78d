//! Which servers are there for the tests, and whether containers are permitted here.

use std::path::Path;
use std::process::{Command, Stdio};

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
    println!("cargo::rustc-check-cfg=cfg(containers)");
    let mut unshare = Command::new("unshare");
    let tried = unshare.args(["--pid", "--fork", "--mount-proc", "true"]).stderr(Stdio::null()).status();
    if tried.is_ok_and(|status| status.success()) {
        println!("cargo::rustc-cfg=containers");
    }
}
