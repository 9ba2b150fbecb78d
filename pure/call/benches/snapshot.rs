//! How long a call takes to write its snapshot, and how large that is, at each stage of a call. Prints
//! nanoseconds of the best and the median round; for a count of instructions, run it with one round under
//! `valgrind --tool=callgrind`.

use std::hint::black_box;
use std::time::Instant;

use strowger_call::Call;

const STAGES: [(&str, &[u8]); 5] = [
    ("anchoring", include_bytes!("../tests/golden/2-anchoring.call")),
    ("ringing", include_bytes!("../tests/golden/2-ringing.call")),
    ("talking", include_bytes!("../tests/golden/2-talking.call")),
    ("forked", include_bytes!("../tests/golden/2-forked.call")),
    ("ending", include_bytes!("../tests/golden/2-ending.call")),
];
const TIMES: u32 = 2_000;

#[allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn time(rounds: usize, mut work: impl FnMut()) -> (f64, f64) {
    let mut nanos: Vec<f64> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            (0..TIMES).for_each(|_| work());
            begun.elapsed().as_nanos() as f64 / f64::from(TIMES)
        })
        .collect();
    nanos.sort_by(f64::total_cmp);
    (nanos[0], nanos[nanos.len() / 2])
}

fn main() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(200);
    println!("{:<22} {:>6} {:>9} {:>9}", "", "bytes", "best ns", "median ns");
    for (stage, bytes) in STAGES {
        let call = Call::restore(bytes).expect("a golden snapshot is read");
        let mut out = Vec::with_capacity(16_384);
        let (best, median) = time(rounds, || {
            out.clear();
            call.snapshot_into(&mut out);
            black_box(&out);
        });
        println!("{:<22} {:>6} {best:>9.0} {median:>9.0}", format!("call.snapshot.{stage}"), bytes.len());
        let (best, median) = time(rounds, || drop(black_box(Call::restore(black_box(bytes)))));
        println!("{:<22} {:>6} {best:>9.0} {median:>9.0}", format!("call.restore.{stage}"), bytes.len());
    }
}
