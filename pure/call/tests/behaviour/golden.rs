//! Snapshots as earlier releases wrote them are read by today's code, and the calls in them go on to their
//! end. `BLESS=1` writes those of today; a file of an earlier release is never written again.

use std::path::{Path, PathBuf};

use call::{Call, Question, Route};
use contract::app::{Instruction, Instructions};
use contract::record::Outcome;

use crate::phone::{ALICES_SDP, BOBS_SDP, held};
use crate::scene::{Down, Scene, calling, ring, scene, talking};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn at_an_app() -> Scene {
    let mut scene = scene();
    scene.ways.insert("500".into(), Route::App { name: "echo".into() });
    let instructions = vec![Instruction::Answer];
    scene.instructions.push_back(Instructions { position: b"begun".to_vec(), instructions });
    scene.alice().invites("500", Some(ALICES_SDP));
    scene.alice().acks();
    scene
}

fn being_put_on_hold() -> Scene {
    let mut scene = talking();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    scene
}

fn on_hold() -> Scene {
    let mut scene = being_put_on_hold();
    scene.bob().answers_with(&held(BOBS_SDP, "recvonly"));
    scene.alice().acks();
    scene
}

fn ringing() -> Scene {
    let mut scene = calling();
    scene.bob().rings();
    scene
}

fn forked() -> Scene {
    let mut scene = scene();
    let phones = [("sip:a@192.0.2.2", 1000), ("sip:b@192.0.2.3", 1000), ("sip:c@192.0.2.4", 500)];
    scene.ways.insert("bob".into(), ring("bob", &phones));
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.phone(1).progresses(183, Some(BOBS_SDP));
    scene
}

fn waiting_for_media() -> Scene {
    let mut scene = scene();
    scene.is_down.push(Down::Media);
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene
}

fn unsettled() -> Scene {
    let mut scene = talking();
    scene.is_down.push(Down::Billing);
    scene.alice().hangs_up();
    scene
}

/// The second of three media nodes has the audio now, and the phones have still to answer where it is.
fn moving_while_talking() -> Scene {
    let mut scene = scene();
    scene.media_is(&[1, 2, 3]);
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.bob().answers();
    scene.alice().acks();
    scene.media_is(&[2, 3]);
    scene
}

/// The same while early media is heard, and of both phones only the caller's has answered the UPDATE.
fn moving_early() -> Scene {
    let mut scene = scene();
    scene.media_is(&[1, 2, 3]);
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.bob().speaks_early(BOBS_SDP);
    scene.media_is(&[2, 3]);
    scene.alice().answers_with(ALICES_SDP);
    scene
}

/// Bob's media node is gone before he has agreed to be held, and alice was answered for him.
fn moving_while_being_held() -> Scene {
    let mut scene = scene();
    scene.media_is(&[1, 2, 3]);
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.bob().answers();
    scene.alice().acks();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    scene.media_is(&[2, 3]);
    scene
}

fn scenes() -> Vec<(&'static str, Scene)> {
    vec![
        ("anchoring", waiting_for_media()),
        ("calling", calling()),
        ("forked", forked()),
        ("ringing", ringing()),
        ("talking", talking()),
        ("being-held", being_put_on_hold()),
        ("held", on_hold()),
        ("app", at_an_app()),
        ("ending", unsettled()),
        ("talking-moving", moving_while_talking()),
        ("early-moving", moving_early()),
        ("being-held-moving", moving_while_being_held()),
    ]
}

/// The release of the newest files. Those of earlier ones stay, and scenes that are written as before have no newer one.
const NEWEST: u32 = 4;

/// What was blessed last of a scene.
fn blessed(name: &str) -> PathBuf {
    let of = |release: u32| folder().join(format!("{release}-{name}.call"));
    (1..=NEWEST).rev().map(of).find(|path| path.exists()).unwrap_or_else(|| of(NEWEST))
}

#[test]
fn snapshots_of_every_release_are_read_and_go_on() {
    if std::env::var_os("BLESS").is_some() {
        for (name, scene) in scenes() {
            let snapshot = scene.call().snapshot();
            if std::fs::read(blessed(name)).ok().as_ref() != Some(&snapshot) {
                std::fs::write(folder().join(format!("{NEWEST}-{name}.call")), snapshot).unwrap();
            }
        }
    }
    let mut read = 0;
    for file in std::fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let call =
            Call::restore(&std::fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let mut scene = scene();
        scene.now = call.view().started.after(std::time::Duration::from_secs(30));
        scene.call = Some(call);
        scene.is_killed();
        scene.hang_up("enough");
        scene.passes(60);
        let kept = scene.asked.iter().filter(|question| matches!(question, Question::Keep(_))).count();
        let record = scene.record();
        assert_eq!(kept, 1, "{path:?}");
        assert_eq!((&*record.caller, &*record.sip_call_id), ("alice", "alices-call"), "{path:?}");
        let was_up =
            ["talking", "held", "app", "ending"].iter().any(|up| path.to_string_lossy().contains(up));
        assert_eq!(record.outcome == Outcome::Answered, was_up, "{path:?}");
        read += 1;
    }
    assert!(read >= scenes().len(), "only {read} golden snapshots");
}

/// What a later release adds to a call, such as keys or credentials of its audio, is passed over wherever it stands:
/// the call goes on. It is not kept: as long as members of this release may own calls, nobody writes what they must
/// not lose.
#[test]
fn fields_of_a_later_release_are_passed_over() {
    for (name, scene) in scenes() {
        let call = Call::restore(&with_more_fields(&scene.call().snapshot()));
        let call = call.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(call.snapshot(), scene.call().snapshot(), "{name}: all that is known is there");
    }
}

/// The same MessagePack with one more field in each map of ours. (A map of one may be a variant of an enum, and gets
/// none; nor does a `Duration`, which is the standard library's.)
fn with_more_fields(bytes: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    let rest = copy(bytes, &mut written);
    assert!(rest.is_empty());
    written
}

/// Copies one value; what is behind it comes back.
fn copy<'a>(bytes: &'a [u8], to: &mut Vec<u8>) -> &'a [u8] {
    let number = |count: usize| bytes[1..=count].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let (marker, behind) = (bytes[0], |count: usize| &bytes[count..]);
    let plain = match marker {
        0x80..=0x8f => return copy_map(usize::from(marker & 0x0f), behind(1), to),
        0xde => return copy_map(number(2), behind(3), to),
        0x90..=0x9f => return copy_array(usize::from(marker & 0x0f), behind(1), to),
        0xdc => return copy_array(number(2), behind(3), to),
        0xa0..=0xbf => 1 + usize::from(marker & 0x1f),
        0xc4 | 0xd9 => 2 + number(1),
        0xc5 | 0xda => 3 + number(2),
        0xcc | 0xd0 => 2,
        0xcd | 0xd1 => 3,
        0xca | 0xce | 0xd2 => 5,
        0xcb | 0xcf | 0xd3 => 9,
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 1,
        other => panic!("not in a snapshot: {other:#x}"),
    };
    to.extend_from_slice(&bytes[..plain]);
    behind(plain)
}

fn copy_map<'a>(count: usize, mut rest: &'a [u8], to: &mut Vec<u8>) -> &'a [u8] {
    let is_duration = rest.starts_with(b"\xa4secs");
    let more = u16::from(count != 1 && !is_duration);
    to.push(0xde);
    to.extend_from_slice(&(count as u16 + more).to_be_bytes());
    if more == 1 {
        // "of_later": {"rollover": 7}
        to.extend_from_slice(b"\xa8of_later\x81\xa8rollover\x07");
    }
    for _ in 0..2 * count {
        rest = copy(rest, to);
    }
    rest
}

fn copy_array<'a>(count: usize, mut rest: &'a [u8], to: &mut Vec<u8>) -> &'a [u8] {
    to.push(0xdc);
    to.extend_from_slice(&(count as u16).to_be_bytes());
    for _ in 0..count {
        rest = copy(rest, to);
    }
    rest
}

/// What is written today is what was blessed: a change of the format is seen in review.
#[test]
fn todays_snapshots_are_those_that_were_blessed() {
    for (name, scene) in scenes() {
        let blessed = std::fs::read(blessed(name)).unwrap();
        assert_eq!(scene.call().snapshot(), blessed, "{name}: if this is meant, a new golden file is due");
    }
}
