//! What an exchange thread costs by itself: a REGISTER that refreshes, a call from INVITE to BYE, a contact's
//! memory, and a hundred thousand bindings taken back.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

extern crate strowger_exchange as exchange;

#[allow(dead_code, unused)]
#[path = "../tests/exchange/phone.rs"]
mod phone;
#[allow(dead_code)]
#[path = "../tests/exchange/platform.rs"]
mod platform;

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use exchange::{In, kept};
use machine::{Machine, Outbox, Record};
use sip::Method;

use phone::{OFFER, Phone, request, response, seconds};
use platform::{Platform, RED};

const PHONES: usize = 1_000;
const REFRESHES: usize = 100;
const CALLS: usize = 2_000;
const BINDINGS: usize = 100_000;

/// Counts what is held, and how often more is asked for.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static ASKED: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code)]
// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(rounded(layout), Relaxed);
        ASKED.fetch_add(1, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(rounded(layout), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What malloc takes for it: a header, and multiples of sixteen.
fn rounded(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16)
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn nanos() -> u64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Runs what is named on the command line, or all.
fn main() {
    let parts: [(&str, fn()); 3] = [("refresh", refreshes), ("call", calls), ("memory", memory)];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for (name, run) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            run();
        }
    }
}

fn phones(platform: &mut Platform, count: usize) -> Vec<Phone> {
    (0..count)
        .map(|number| {
            let user = format!("user-{number}");
            platform.add_user(RED, "red.example", &user);
            let mut phone = Phone::at(&user, "red.example", &format!("phone-{number}.example"));
            phone.comes(platform);
            phone
        })
        .collect()
}

fn refreshes() {
    let mut platform = Platform::new();
    let mut phones = phones(&mut platform, PHONES);
    let mut requests = Vec::with_capacity(PHONES * REFRESHES);
    for _ in 0..REFRESHES {
        for phone in &mut phones {
            phone.cseq += 1;
            let headers = [("Contact", &phone.contact()[..]), ("Expires", "3600"), ("User-Agent", "bench")];
            requests.push(phone.request(Method::Register, "sip:red.example", &headers, ""));
        }
    }
    let bytes = requests.iter().map(Vec::len).sum::<usize>() / requests.len();
    let count = requests.len();
    let exchange = &mut platform.threads[0].exchange;
    let mut out = Outbox::new();
    let asked = ASKED.load(Relaxed);
    let mut best = u128::MAX;
    let mut requests = requests.into_iter();
    for _ in 0..REFRESHES {
        let start = Instant::now();
        for request in requests.by_ref().take(PHONES) {
            exchange.handle(platform.now, In::Sip(request), &mut out);
            black_box(&out);
            out.keep.clear();
            out.emit.clear();
        }
        best = best.min(start.elapsed().as_nanos() / PHONES as u128);
    }
    let each = best;
    let asked = (ASKED.load(Relaxed) - asked) as f64 / count as f64;
    let refreshed = platform.gauge("exchange_refreshes_total");
    println!(
        "register_refresh        {each:>7} ns   (best of {REFRESHES} rounds; {bytes} bytes, {asked:.1} allocations; {refreshed} refreshed)"
    );
}

fn calls() {
    let mut platform = Platform::new();
    let mut bob = Phone::at("bob", "red.example", "phone-2.example");
    bob.comes(&mut platform);
    let mut alice = Phone::of("alice", "red.example");
    alice.calls(&mut platform, "nobody");
    platform.stopwatch = nanos;
    let mut best = u64::MAX;
    for round in 0..CALLS {
        if round % 100 == 0 {
            best = best.min(if platform.spent == 0 { u64::MAX } else { platform.spent / 100 });
            platform.spent = 0;
            platform.pass(seconds(40));
        }
        call(&mut platform, &mut alice, &bob);
    }
    println!(
        "call_with_digest        {best:>7} ns   (INVITE to BYE, and what remains of it; best of 20 rounds)"
    );
    let each = |sum: usize| sum as f64 / CALLS as f64;
    println!(
        "call_journaled          {:>7.0} bytes   ({:.1} records a call; {} calls recorded)",
        each(platform.kept_bytes),
        each(platform.kept_records),
        platform.office.records.len()
    );
}

fn call(platform: &mut Platform, alice: &mut Phone, bob: &Phone) {
    let heard = alice.calls(platform, "bob");
    let invite = request(&heard, Method::Invite).clone();
    platform.hear(&bob.answers(&invite, 180, ""));
    let heard = platform.hear(&bob.answers(&invite, 200, OFFER));
    let answer = response(&heard, 200).clone();
    platform.hear(&alice.in_dialog(Method::Ack, &answer));
    let heard = platform.hear(&alice.in_dialog(Method::Bye, &answer));
    let bye = request(&heard, Method::Bye).clone();
    platform.hear(&bob.answers(&bye, 200, ""));
}

fn memory() {
    let mut platform = Platform::new();
    phones(&mut platform, 1);
    let journal = &platform.threads[0].journal;
    let of = |tag| journal.values().find(|record| record.tag == tag).cloned().unwrap();
    let (binding, account) = (of(kept::BINDINGS), of(kept::ACCOUNT));
    let copies = |record: &Record| {
        let copy = |number: usize| {
            let key =
                machine::KeyedHash::new(machine::Secret::new([9; 16])).sum128(0, &[&number.to_le_bytes()]);
            Record { key: machine::Key(key), ..record.clone() }
        };
        (0..BINDINGS).map(copy).collect::<Vec<_>>()
    };
    let bindings = copies(&binding);
    let mut exchange = platform.new_exchange(0, 1);
    let (before, start) = (HELD.load(Relaxed), Instant::now());
    for record in bindings {
        exchange.restore(record);
    }
    let took = start.elapsed().as_secs_f64() * 1000.0;
    println!("restore_100k_bindings   {took:>7.1} ms");
    // The records' own vector was dropped meanwhile, their bodies moved in.
    let vector = (BINDINGS * size_of::<Record>()).next_multiple_of(16);
    let bodies = BINDINGS * (binding.body.len() + 8).next_multiple_of(16);
    let each = (HELD.load(Relaxed) + vector + bodies).saturating_sub(before) / BINDINGS;
    println!("memory_binding          {each:>7} bytes   (body {})", binding.body.len());
    let accounts = copies(&account);
    let before = HELD.load(Relaxed);
    for record in accounts {
        exchange.restore(record);
    }
    let bodies = BINDINGS * (account.body.len() + 8).next_multiple_of(16);
    let each = (HELD.load(Relaxed) + vector + bodies).saturating_sub(before) / BINDINGS;
    println!("memory_account          {each:>7} bytes   (body {})", account.body.len());
    black_box(&exchange);
}
