use crate::phone::{ALICES_SDP, Phone};
use crate::scene::{calling, scene};

#[test]
fn a_call_without_hops_left_is_refused() {
    let mut scene = scene();
    scene.alice().invites_with("bob", Some(ALICES_SDP), &[]);
    let invite = scene.bob().last();
    assert_eq!(invite.max_forwards().unwrap(), Some(19));

    let mut scene = crate::scene::scene();
    let mut bytes = Vec::new();
    sip::Edit::new(&invite).replace_first(sip::Name::MaxForwards, "0").write(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let id = String::from_utf8(invite.call_id().unwrap().to_vec()).unwrap();
    scene.begin("bob", text.replace(&id, "another").as_bytes());
    assert_eq!(scene.refusal.unwrap().status.code(), 483);
}

#[test]
fn our_own_invite_that_comes_back_is_a_loop() {
    let mut scene = calling();
    let invite = Phone { scene: &mut scene, leg: 1 }.last();
    scene.begin("bob", invite.bytes());
    assert_eq!(scene.refusal.unwrap().status.code(), 482);
}
