use call::Question;
use contract::app::{Instruction, Instructions};
use contract::record::Outcome;

use crate::scene::{calling, ring};

#[test]
fn a_redirection_is_followed_to_another_user_of_the_tenant() {
    let mut scene = calling();
    scene.ways.insert("carol".into(), ring("carol", &[("sip:carol@192.0.2.3", 1000)]));
    scene.bob().redirects_to("<sip:carol@red.example>");
    assert_eq!(scene.phone(2).heard(), ["INVITE"]);
    assert_eq!(scene.alice().heard(), ["100"], "alice does not hear of it");
    scene.phone(2).answers();
    scene.alice().acks();
    scene.alice().hangs_up();
    let record = scene.record();
    assert_eq!((&*record.dialed, &*record.callee), ("bob", "carol"));
}

#[test]
fn a_redirection_out_of_the_tenant_is_not_followed() {
    let mut scene = calling();
    scene.bob().redirects_to("<sip:00900123@premium.example>, <sip:bob@198.51.100.1>");
    assert_eq!(scene.alice().heard(), ["100", "480"]);
    let routes = scene.asked.iter().filter(|question| matches!(question, Question::Route(_))).count();
    assert_eq!(routes, 1);
    assert_eq!(scene.record().outcome, Outcome::Unreachable);
}

#[test]
fn redirections_in_a_circle_come_to_an_end() {
    let mut scene = calling();
    for leg in 1..=6 {
        scene.phone(leg).redirects_to("<sip:bob@red.example>");
    }
    assert_eq!(scene.alice().heard(), ["100", "480"]);
    assert!(scene.phone(7).heard().is_empty());
}

#[test]
fn several_contacts_are_tried_one_after_another() {
    let mut scene = calling();
    scene.ways.insert("carol".into(), ring("carol", &[]));
    scene.ways.insert("dave".into(), ring("dave", &[("sip:dave@192.0.2.4", 1000)]));
    scene.bob().redirects_to("<sip:carol@red.example>, <sip:dave@red.example>, <sip:nobody@red.example>");
    assert_eq!(scene.phone(2).heard(), ["INVITE"]);
    scene.phone(2).refuses(486);
    assert_eq!(scene.alice().heard(), ["100", "486"]);
}

#[test]
fn a_redirection_may_lead_to_an_app() {
    let mut scene = calling();
    scene.ways.insert("500".into(), call::Route::App { name: "echo".into() });
    scene
        .instructions
        .push_back(Instructions { position: Vec::new(), instructions: vec![Instruction::Answer] });
    scene.bob().redirects_to("<sip:500@red.example>");
    assert_eq!(scene.alice().heard(), ["100", "200"]);
    scene.alice().acks();
    scene.alice().hangs_up();
    assert_eq!(scene.record().callee, "app:echo");
}
