//! rsip on the way that `pure/sip/benches/parse_type_write.rs` takes: the same INVITE parsed, the same seven
//! headers typed, the same two rewritten, and written. Prints the same lines.

use std::hint::black_box;

use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::prelude::HeadersExt;
use rsip::{Header, Headers, Request, SipMessage};

const INVITE: &[u8] = include_bytes!("../../../../pure/sip/benches/invite.dat");
const TIMES: u32 = 20_000;

fn parse() -> Request {
    match SipMessage::try_from(black_box(INVITE)).expect("the INVITE is good") {
        SipMessage::Request(request) => request,
        SipMessage::Response(_) => unreachable!("it is a request"),
    }
}

fn read_types(request: &Request) {
    black_box(request.via_header().expect("Via").typed().expect("Via"));
    black_box(request.from_header().expect("From").typed().expect("From"));
    black_box(request.to_header().expect("To").typed().expect("To"));
    black_box(request.call_id_header().expect("Call-ID").value());
    black_box(request.cseq_header().expect("CSeq").typed().expect("CSeq"));
    black_box(request.contact_header().expect("Contact").typed().expect("Contact"));
    black_box(request.max_forwards_header().expect("Max-Forwards").num().expect("Max-Forwards"));
}

fn parse_type_write() {
    let mut request = parse();
    read_types(&request);
    let via = rsip::headers::Via::new("SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK7d8e9fa0b1c2d3e4");
    let rewritten = request.headers.iter().map(|header| match header {
        Header::MaxForwards(_) => Header::MaxForwards(rsip::headers::MaxForwards::new("68")),
        other => other.clone(),
    });
    request.headers = Headers::from(std::iter::once(via.into()).chain(rewritten).collect::<Vec<Header>>());
    black_box(Vec::<u8>::from(request));
}

/// Time on the processor so far: the machine is shared, so a clock on the wall means little.
fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds")
}

/// Nanoseconds of one call: best and median of many rounds.
fn time(mut work: impl FnMut()) -> (f64, f64) {
    let mut each: Vec<f64> = (0..11)
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
    let works: [(&str, fn()); 3] = [
        ("parse", || drop(black_box(parse()))),
        ("parse+type", || read_types(&parse())),
        ("parse+type+write", parse_type_write),
    ];
    let mut last = 0.0;
    for (name, work) in works {
        let (best, median) = time(work);
        println!("{name:18} best {best:6.0} ns  median {median:6.0} ns");
        last = median;
    }
    println!("{{\"name\":\"sip.parse_type_write\",\"unit\":\"ns\",\"peer\":{last:.0}}}");
}
