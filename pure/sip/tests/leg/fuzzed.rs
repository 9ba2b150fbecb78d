//! The fuzzer's corpus, and as many scripts again that nobody chose, played to legs on the stable toolchain.

use std::path::Path;

use proptest::prelude::*;

#[test]
fn the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/leg");
    let Ok(entries) = std::fs::read_dir(&folder) else { panic!("no corpus in {}", folder.display()) };
    let mut played = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        eprintln!("{}", path.display());
        sip::fuzzing_leg::play(&std::fs::read(&path).unwrap());
        played += 1;
    }
    assert!(played > 0, "the corpus is empty");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_script(data in proptest::collection::vec(any::<u8>(), 0..1500)) {
        sip::fuzzing_leg::play(&data);
    }
}
