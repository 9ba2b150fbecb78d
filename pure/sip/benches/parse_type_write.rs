//! `sip.parse_type_write`: one INVITE of 1.2 kB parsed, seven headers typed, two rewritten, and written into
//! a buffer that is used again. Prints nanoseconds of processor time of the best and the median round, and allocations;
//! for a count of instructions, run it with one round under `valgrind --tool=callgrind`.

use std::hint::black_box;

use strowger_sip::{Edit, Message, Name};

const INVITE: &[u8] = include_bytes!("invite.dat");
const TIMES: u32 = 200_000;

fn parse() {
    black_box(Message::parse(black_box(INVITE)).expect("the INVITE is good"));
}

fn parse_and_type(message: &Message<&[u8]>) {
    black_box(message.top_via().expect("Via"));
    black_box(message.from().expect("From"));
    black_box(message.to().expect("To"));
    black_box(message.call_id().expect("Call-ID"));
    black_box(message.cseq().expect("CSeq"));
    black_box(message.contact().expect("Contact"));
    black_box(message.max_forwards().expect("Max-Forwards"));
}

fn parse_type_write(out: &mut Vec<u8>) {
    let message = Message::parse(black_box(INVITE)).expect("the INVITE is good");
    parse_and_type(&message);
    out.clear();
    Edit::new(&message)
        .prepend(Name::Via, "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK7d8e9fa0b1c2d3e4")
        .replace_first(Name::MaxForwards, "68")
        .write(out);
    black_box(&out);
}

/// Time on the processor so far: the machine is shared, so a clock on the wall means little.
fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds")
}

/// Nanoseconds of one call: best and median of many rounds.
fn time(rounds: usize, mut work: impl FnMut()) -> (f64, f64) {
    let mut each: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = cpu_nanos();
            (0..TIMES).for_each(|_| work());
            (cpu_nanos() - start) as f64 / f64::from(TIMES)
        })
        .collect();
    each.sort_by(f64::total_cmp);
    (each[0], each[each.len() / 2])
}

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--once") { 1 } else { 11 };
    let mut out = Vec::with_capacity(4096);
    let mut typed = 0.0;
    let works: [(&str, &mut dyn FnMut()); 3] = [
        ("parse", &mut parse),
        ("parse+type", &mut || parse_and_type(&Message::parse(black_box(INVITE)).expect("good"))),
        ("parse+type+write", &mut || parse_type_write(&mut out)),
    ];
    let only = std::env::args().nth(2);
    for (name, work) in works.into_iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name))
    {
        let (best, median) = time(rounds, &mut *work);
        let allocations = allocation_counter::measure(&mut *work).count_total;
        println!("{name:18} best {best:6.0} ns  median {median:6.0} ns  allocations {allocations}");
        typed = median;
    }
    println!("{{\"name\":\"sip.parse_type_write\",\"unit\":\"ns\",\"ours\":{typed:.0}}}");
}
