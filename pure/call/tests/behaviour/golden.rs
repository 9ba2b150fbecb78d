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
    ]
}

#[test]
fn snapshots_of_every_release_are_read_and_go_on() {
    if std::env::var_os("BLESS").is_some() {
        for (name, scene) in scenes() {
            std::fs::write(folder().join(format!("2-{name}.call")), scene.call().snapshot()).unwrap();
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

/// What is written today is what was blessed: a change of the format is seen in review.
#[test]
fn todays_snapshots_are_those_that_were_blessed() {
    for (name, scene) in scenes() {
        let blessed = std::fs::read(folder().join(format!("2-{name}.call"))).unwrap();
        assert_eq!(scene.call().snapshot(), blessed, "{name}: if this is meant, a new golden file is due");
    }
}
