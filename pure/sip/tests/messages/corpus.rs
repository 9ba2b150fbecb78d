//! What fuzzing has found to be worth keeping is read again, on the stable toolchain.

use std::fs;
use std::path::Path;

use strowger_sip::fuzzing;

fn replay(corpus: &str, target: impl Fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(corpus);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let read = files.map(|file| target(&fs::read(file.unwrap().path()).unwrap()));
    read.count()
}

#[test]
fn the_corpus_of_messages_is_read() {
    assert!(replay("message", fuzzing::message) >= 49);
}

#[test]
fn the_corpus_of_streams_is_read() {
    assert!(replay("framing", fuzzing::framing) > 0);
}
