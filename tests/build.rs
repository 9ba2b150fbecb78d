//! Whether PostgreSQL is there for the tests.

fn main() {
    let programs = "/usr/lib/postgresql/15/bin";
    println!("cargo::rustc-check-cfg=cfg(postgres)");
    println!("cargo::rerun-if-changed={programs}/initdb");
    if std::path::Path::new(programs).join("initdb").exists() {
        println!("cargo::rustc-cfg=postgres");
    }
}
