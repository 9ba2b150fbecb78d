//! Workers die while 100,000 phones are registered and 1,000 other calls are up, 100 of them with sound.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;
use strowger_tests::{Back, Crowd, Phone, Platform, Probe, Shape, Sipp, Verdict, Worker, eventually};

const REGISTERED: usize = 100_000;
const SILENT_CALLS: usize = 900;
const CALLS_WITH_SOUND: usize = 100;
/// The figures are printed for people to judge, on a machine that is quiet; what takes so long is broken on any.
const BROKEN: Duration = Duration::from_secs(2);

/// When in the life of the observed call a worker dies.
#[derive(Clone, Copy, Debug)]
enum When {
    Before180,
    Ringing,
    Talking,
    Held,
    Bye,
}

/// The platform with all the others on it.
struct Crowded {
    platform: Platform,
    crowd: Crowd,
    callers: Phone,
    callees: Phone,
    silent: [Sipp; 2],
}

fn crowded() -> Crowded {
    let platform = Platform::shaped(&Shape {
        sip: "",
        signalling: "journal_mb = 128",
        media: "legs = 2400",
        // The silent calls stay silent.
        lines: "[call]\ninactivity_seconds = 0",
        ..Shape::default()
    });
    let began = Instant::now();
    for user in ["alice", "bob", "eve", "frank", "gina", "henry"] {
        platform.add_user("test", user);
    }
    for (number, user) in [("1002", "bob"), ("1004", "henry")] {
        platform.add_number("test", number, &json!({"user": user}));
    }
    for number in 0..CALLS_WITH_SOUND {
        platform.add_user("test", &format!("p{number}"));
        platform.add_user("test", &format!("q{number}"));
    }
    let crowd = Crowd::of(&platform, REGISTERED);
    crowd.register();
    println!("{REGISTERED} phones are registered after {:.1?}", began.elapsed());
    crate::sipp::register(&platform, "bob", 6002, &[]);
    crate::sipp::register(&platform, "henry", 6004, &[]);
    let (count, most) = (SILENT_CALLS.to_string(), (SILENT_CALLS + 100).to_string());
    let patient = ["-m", &count, "-l", &most, "-recv_timeout", "100000", "-timeout", "150"];
    let bob = Sipp::await_calls(&platform, "answer", 6002, &patient);
    let calling = ["-s", "1002", "-key", "user", "alice", "-r", "150", "-d", "45000"];
    let alice = Sipp::play(&platform, "call", 6001, &[&patient[..], &calling[..]].concat());
    let phones = CALLS_WITH_SOUND.to_string();
    let many = ["--register", "--count", &phones, "--rate", "50"];
    let answer = ["--answer", "--answer-after", "100"];
    let callees = Phone::of(&platform, "test.example", "q{}", &[&many[..], &answer[..]].concat());
    callees.wait_for_nth("registered", CALLS_WITH_SOUND);
    let call = ["--call", "q{}", "--talk", "45"];
    let callers = Phone::of(&platform, "test.example", "p{}", &[&many[..], &call[..]].concat());
    callers.wait_for_nth("answered", CALLS_WITH_SOUND);
    let all = SILENT_CALLS + CALLS_WITH_SOUND;
    let up = || platform.calls().iter().filter(|call| call["state"] == "answered").count();
    assert!(eventually(Duration::from_secs(30), || up() == all), "{} calls are up\n{}", up(), platform.log());
    println!("{all} calls are up after {:.1?}", began.elapsed());
    Crowded { platform, crowd, callers, callees, silent: [alice, bob] }
}

/// Kills `worker` and says how it went; everybody's binding is there when it is back.
fn kill(crowded: &Crowded, worker: Worker, when: When) {
    let probe = Probe::start(&crowded.platform);
    let back = crowded.platform.kill(worker);
    sleep(Duration::from_millis(50));
    let silence = probe.longest_silence();
    let Back { after, on_cpu, waited } = back;
    println!(
        "{} died ({when:?}): ready after {after:.0?} ({on_cpu:.0?} at work, {waited:.0?} waiting for a processor); \
         SIP was silent for {silence:.0?}",
        worker.name()
    );
    assert!(after < BROKEN && silence < BROKEN, "{}", crowded.platform.log());
    if worker == Worker::Signalling {
        crowded.crowd.is_registered(1000);
    }
}

/// A call between eve and frank in which `worker` dies; both must hear each other, and end by eve's BYE.
fn talk(crowded: &Crowded, frank: &Phone, worker: Worker, when: When) {
    let platform = &crowded.platform;
    let calls_before = frank.told("over").len();
    if let When::Before180 = when {
        frank.freezes();
    }
    let mut eve = Phone::calling(platform, "eve", "frank", 1.5);
    match when {
        When::Before180 => {
            let came =
                || platform.calls_under_way().iter().any(|call| call["caller"].as_str() == Some("eve"));
            assert!(eventually(Duration::from_secs(10), came), "{}", eve.said());
            assert_eq!(eve.told("ringing").len(), 0, "{}", eve.said());
        }
        When::Ringing => drop(eve.wait_for("ringing")),
        When::Talking | When::Held => {
            eve.wait_for("answered");
            sleep(Duration::from_millis(500));
        }
        When::Bye => {
            eve.wait_for("answered");
            sleep(Duration::from_millis(1200));
            frank.freezes();
            sleep(Duration::from_millis(400));
        }
    }
    kill(crowded, worker, when);
    frank.goes_on();
    assert!(eve.went_well(), "{when:?}: {}\n{}", eve.said(), platform.log());
    let over = [eve.wait_for("over"), frank.wait_for_nth("over", calls_before + 1)];
    assert_eq!((&over[0]["by_us"], &over[1]["by_us"]), (&json!(true), &json!(false)));
    for (who, over) in ["eve", "frank"].iter().zip(&over) {
        let quality = &over["quality"];
        println!(
            "  {who} heard {} packets, longest gap {} ms",
            quality["received"], quality["longest_gap_ms"]
        );
        assert!(quality["received"].as_u64() > Some(40), "{who} heard too little ({when:?}): {quality}");
    }
}

/// A call between SIPps in which `worker` dies while one is on hold.
fn hold(crowded: &Crowded, worker: Worker) {
    let platform = &crowded.platform;
    let mut henry = Sipp::await_calls(platform, "answer_hold", 6004, &[]);
    let mut gina =
        Sipp::play(platform, "call_hold", 6003, &["-s", "1004", "-key", "user", "gina", "-d", "1000"]);
    let is_held = || platform.calls().iter().any(|call| call["state"] == "held");
    assert!(eventually(Duration::from_secs(15), is_held), "never held:\n{}", platform.log());
    kill(crowded, worker, When::Held);
    assert_eq!(gina.verdict(), Verdict::AsPlanned, "{}", platform.log());
    assert_eq!(henry.verdict(), Verdict::AsPlanned, "{}", platform.log());
}

#[test]
fn workers_die_under_full_load_at_each_moment_of_a_call() {
    let mut crowded = crowded();
    let frank = Phone::answering(&crowded.platform, "frank", 400);
    let moments = [When::Before180, When::Ringing, When::Talking, When::Held, When::Bye];
    for when in moments {
        for worker in [Worker::Signalling, Worker::Media] {
            match when {
                When::Held => hold(&crowded, worker),
                When::Before180 | When::Ringing | When::Talking | When::Bye => {
                    talk(&crowded, &frank, worker, when);
                }
            }
        }
    }
    let up = crowded.platform.calls().iter().filter(|call| call["state"] == "answered").count();
    assert_eq!(up, SILENT_CALLS + CALLS_WITH_SOUND, "some of the others did not live to see it");
    crowded.crowd.is_registered(100);
    all_end_properly(&mut crowded, 2 * moments.len());
}

/// Everybody hangs up, and there is one record of each call.
fn all_end_properly(crowded: &mut Crowded, observed: usize) {
    let platform = &crowded.platform;
    assert!(crowded.callers.went_well(), "{}\n{}", crowded.callers.said(), platform.log());
    let summary = crowded.callers.wait_for("summary");
    println!("{summary}");
    for sipp in &mut crowded.silent {
        assert_eq!(sipp.verdict(), Verdict::AsPlanned, "{}", platform.log());
    }
    crowded.callees.wait_for_nth("over", CALLS_WITH_SOUND);
    let records = platform.records_of(SILENT_CALLS + CALLS_WITH_SOUND + observed);
    let strange: Vec<_> = records.iter().filter(|record| record["outcome"] != "answered").collect();
    assert!(strange.is_empty(), "{strange:#?}");
    assert!(platform.calls_under_way().is_empty());
}
