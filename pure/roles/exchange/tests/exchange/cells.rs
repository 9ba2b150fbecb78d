//! Two cells of one platform: each has its own office and its own exchanges, and they share the secret.

use contract::account::Changed;
use contract::registration::{Give, Take};
use contract::{Aor, CellId, Envelope};
use exchange::{Cells, In, Settings};
use sip::{Method, Status};

use crate::phone::{OFFER, Phone, request, response, seconds, statuses};
use crate::platform::{Platform, RED, Sip};

const NORTH: CellId = CellId(1);
const SOUTH: CellId = CellId(2);

/// North has Alice, South has Bob. Each also has its own users whom nobody else has.
struct Two {
    north: Platform,
    south: Platform,
}

impl Two {
    fn new() -> Self {
        let cell = |cell, other| {
            let settings = Settings { cell, cells: Cells::of([other]), ..Settings::default() };
            Platform::with(3, settings)
        };
        let mut two = Two { north: cell(NORTH, SOUTH), south: cell(SOUTH, NORTH) };
        for name in ["bob", "1002"] {
            two.north.office.homes.insert((RED, name.into()), SOUTH);
        }
        for name in ["alice", "1001"] {
            two.south.office.homes.insert((RED, name.into()), NORTH);
        }
        two
    }

    fn cell(&mut self, cell: CellId) -> &mut Platform {
        if cell == NORTH { &mut self.north } else { &mut self.south }
    }

    /// A phone says this to an edge of `cell`; what phones hear, from whichever cell, comes back.
    fn hear(&mut self, cell: CellId, bytes: &[u8]) -> Vec<Sip> {
        // The edge there reads our identifiers.
        let cell = match self.cell(cell).cell_of(bytes) {
            CellId::HOME => cell,
            other => other,
        };
        let heard = self.cell(cell).hear(bytes);
        self.cell(cell).said.extend(heard);
        self.settle()
    }

    fn settle(&mut self) -> Vec<Sip> {
        for _ in 0..100 {
            for (from, to) in [(NORTH, SOUTH), (SOUTH, NORTH)] {
                for (meant, said) in std::mem::take(&mut self.cell(from).beyond) {
                    assert_eq!(meant, to);
                    self.cell(to).hear_from(from, said);
                }
            }
            if self.north.beyond.is_empty() && self.south.beyond.is_empty() {
                let mut said = std::mem::take(&mut self.north.said);
                said.append(&mut self.south.said);
                return said;
            }
        }
        panic!("the cells never come to rest");
    }

    fn pass(&mut self, time: u64) -> Vec<Sip> {
        let mut said = self.north.pass(seconds(time));
        said.extend(self.south.pass(seconds(time)));
        said.extend(self.settle());
        said
    }

    /// A phone registers at an edge of `cell`.
    fn comes(&mut self, cell: CellId, phone: &mut Phone) -> Sip {
        let (contact, uri) = (phone.contact(), format!("sip:{}", phone.domain));
        for _ in 0..2 {
            phone.cseq += 1;
            let register = phone.request(Method::Register, &uri, &[("Contact", &contact)], "");
            let heard = self.hear(cell, &register);
            let [answer] = &heard[..] else { panic!("{heard:?}") };
            if answer.status() != Some(Status::UNAUTHORIZED) {
                return answer.clone();
            }
            let _ = phone.auth.challenged(answer);
        }
        panic!("asked who it is for ever")
    }

    /// A phone at an edge of `cell` calls; what is heard of it after its proof comes back.
    fn calls(&mut self, cell: CellId, phone: &mut Phone, whom: &str) -> (Vec<u8>, Vec<Sip>) {
        phone.call_id = format!("call-{}-{}", phone.user, phone.cseq);
        let contact = phone.contact();
        for _ in 0..2 {
            phone.cseq += 1;
            let headers = [("Contact", &contact[..])];
            let invite =
                phone.request(Method::Invite, &format!("sip:{whom}@{}", phone.domain), &headers, OFFER);
            let heard = self.hear(cell, &invite);
            if heard[0].status() != Some(Status::PROXY_AUTHENTICATION_REQUIRED) {
                return (invite, heard);
            }
            let _ = phone.auth.challenged(&heard[0]);
        }
        panic!("asked who it is for ever")
    }
}

fn alice() -> Phone {
    Phone::of("alice", "red.example")
}

fn bob() -> Phone {
    Phone::at("bob", "red.example", "phone-2.example")
}

fn talk(two: &mut Two, heard: &[Sip], callee: &Phone, at: CellId) -> Sip {
    let invite = request(heard, Method::Invite).clone();
    two.hear(at, &callee.answers(&invite, 180, ""));
    let heard = two.hear(at, &callee.answers(&invite, 200, OFFER));
    request(&heard, Method::Ack);
    response(&heard, 200).clone()
}

#[test]
fn a_phone_at_another_cell_s_edge_is_bound_at_home_and_called_by_that_edge() {
    let mut two = Two::new();
    let mut bob = bob();
    // Bob lives in the south, and his phone is in the north.
    assert_eq!(two.comes(NORTH, &mut bob).status(), Some(Status::OK));
    let [north, south] = [NORTH, SOUTH].map(|cell| two.cell(cell).gauge("exchange_registered_users"));
    assert_eq!((north, south), (0.0, 1.0), "bound at home");
    // The phone of Carol, who lives in the south as well, is there.
    let mut carol = Phone::at("carol", "red.example", "phone-3.example");
    two.comes(SOUTH, &mut carol);
    let (_, heard) = two.calls(SOUTH, &mut carol, "bob");
    assert!(crate::phone::text(request(&heard, Method::Invite)).contains("Route: <sip:phone-2.example@edge"));
    talk(&mut two, &heard, &bob, NORTH);
}

#[test]
fn who_lives_elsewhere_calls_from_here_and_it_is_one_call_with_one_record_at_home() {
    let mut two = Two::new();
    let (mut alice, mut bob) = (alice(), bob());
    two.comes(SOUTH, &mut alice);
    two.comes(SOUTH, &mut bob);
    // Both phones are in the south, Alice lives in the north: her cell has the call.
    let (_, heard) = two.calls(SOUTH, &mut alice, "bob");
    let answer = talk(&mut two, &heard, &bob, SOUTH);
    let calls = [NORTH, SOUTH].map(|cell| two.cell(cell).gauge("exchange_calls"));
    assert_eq!(calls, [1.0, 0.0]);
    two.hear(NORTH, &alice.in_dialog(Method::Ack, &answer));
    let heard = two.hear(NORTH, &alice.in_dialog(Method::Bye, &answer));
    response(&heard, 200);
    let bye = request(&heard, Method::Bye).clone();
    two.hear(NORTH, &bob.answers(&bye, 200, ""));
    two.pass(60);
    assert_eq!((two.north.office.records.len(), two.south.office.records.len()), (1, 0));
}

#[test]
fn a_number_that_lives_elsewhere_leads_to_its_user_there_and_an_app_is_run_here() {
    let mut two = Two::new();
    let (mut alice, mut bob) = (alice(), bob());
    two.comes(NORTH, &mut alice);
    two.comes(SOUTH, &mut bob);
    let (_, heard) = two.calls(NORTH, &mut alice, "1002");
    talk(&mut two, &heard, &bob, SOUTH);
    // Its home says so, whoever of its threads is asked first.
    for number in 0..8 {
        let app = format!("7{number}");
        let echo = contract::account::Destination::App { name: "echo".into() };
        two.south.office.numbers.insert((RED, app.clone()), echo);
        two.north.office.homes.insert((RED, app.clone()), SOUTH);
        let (_, heard) = two.calls(NORTH, &mut alice, &app);
        response(&heard, 200);
    }
}

#[test]
fn a_cancel_follows_its_invite_to_the_other_cell_even_after_a_death() {
    for dies in [false, true] {
        let mut two = Two::new();
        let (mut alice, mut bob) = (alice(), bob());
        two.comes(SOUTH, &mut alice);
        two.comes(SOUTH, &mut bob);
        let (invite, heard) = two.calls(SOUTH, &mut alice, "bob");
        let rings = request(&heard, Method::Invite).clone();
        two.hear(SOUTH, &bob.answers(&rings, 180, ""));
        if dies {
            two.south.restart();
        }
        let cancel = String::from_utf8(invite).unwrap().replace("INVITE", "CANCEL");
        let heard = two.hear(SOUTH, cancel.as_bytes());
        assert!(statuses(&heard).contains(&200), "{heard:?}");
        request(&heard, Method::Cancel);
    }
}

#[test]
fn a_cell_that_is_cut_off_is_refused_at_once_and_each_serves_its_own() {
    let mut two = Two::new();
    let (mut alice, mut bob, mut carol) =
        (alice(), bob(), Phone::at("carol", "red.example", "phone-3.example"));
    two.comes(NORTH, &mut alice);
    two.comes(NORTH, &mut carol);
    two.comes(SOUTH, &mut bob);
    two.north.tell(In::Cells(Cells::default()));
    let (_, heard) = two.calls(NORTH, &mut alice, "bob");
    assert_eq!(statuses(&heard), [100, 480]);
    let (_, heard) = two.calls(NORTH, &mut alice, "carol");
    talk(&mut two, &heard, &carol, NORTH);
    two.pass(60);
    let record = two.north.office.records.iter().find(|record| record.dialed == "bob").unwrap();
    assert_eq!(record.cause, "cell out of reach");
    // His phone is sent to its next server.
    assert_eq!(two.comes(NORTH, &mut bob).status(), Some(Status::SERVICE_UNAVAILABLE));
    assert_eq!(two.comes(SOUTH, &mut bob).status(), Some(Status::OK));
    two.north.tell(In::Cells(Cells::of([SOUTH])));
    let (_, heard) = two.calls(NORTH, &mut alice, "bob");
    request(&heard, Method::Invite);
}

#[test]
fn who_waits_for_a_cell_that_is_cut_off_then_is_refused() {
    let mut two = Two::new();
    let (mut alice, mut bob) = (alice(), bob());
    two.comes(NORTH, &mut alice);
    two.comes(SOUTH, &mut bob);
    // The south does not hear it.
    alice.call_id = "lost".into();
    let contact = alice.contact();
    let headers = [("Contact", &contact[..])];
    let mut heard = Vec::new();
    for _ in 0..2 {
        alice.cseq += 1;
        let invite = alice.request(Method::Invite, "sip:bob@red.example", &headers, OFFER);
        heard = two.north.hear(&invite);
        let _ = alice.auth.challenged(&heard[0]);
    }
    assert_eq!(statuses(&heard), [100]);
    assert_eq!(two.north.beyond.len(), 1);
    two.north.tell(In::Cells(Cells::default()));
    assert_eq!(statuses(&std::mem::take(&mut two.north.said)), [480]);
}

/// The office of Bob's home moves him to the north, step by step; `at` says what happens between them.
fn moves_north(two: &mut Two, mut at: impl FnMut(&mut Two, &str)) {
    let aor = Aor { tenant: RED, user: "bob".into() };
    let give = |two: &mut Two, away| {
        let owner = (0..3).find(|&thread| {
            !two.south.ask(thread, &Give { aor: aor.clone(), away: None }).bindings.is_empty()
        });
        two.south.ask(owner.unwrap(), &Give { aor: aor.clone(), away }).bindings
    };
    let take = |two: &mut Two, bindings: Vec<u8>| {
        let key = contract::sharding::binding_shard(&two.north.hash, RED, b"bob");
        let owner = usize::from(key.thread(3));
        let take = Take { aor: aor.clone(), bindings };
        let taken = two.north.ask(owner, &take);
        assert!(taken.understood);
        assert_eq!(taken, two.north.ask(owner, &take), "a repeat changes nothing");
        taken.contacts
    };
    let changed = |platform: &mut Platform| {
        for name in ["bob", "1002"] {
            let changed = Changed { tenant: RED, name: Some(name.into()) };
            platform.tell(In::Bus(Envelope::notice(None, &changed)));
        }
    };
    let bindings = give(two, None);
    assert_eq!(take(two, bindings), 1);
    at(two, "given");
    for name in ["bob", "1002"] {
        two.north.office.homes.remove(&(RED, name.into()));
    }
    changed(&mut two.north);
    at(two, "imported");
    for name in ["bob", "1002"] {
        two.south.office.homes.insert((RED, name.into()), NORTH);
    }
    at(two, "flipped");
    changed(&mut two.south);
    at(two, "told");
    let bindings = give(two, Some(NORTH));
    assert_eq!(take(two, bindings), 1);
    at(two, "moved");
}

#[test]
fn an_account_moves_and_whenever_it_is_called_its_phone_rings() {
    for called in ["given", "imported", "flipped", "told", "moved"] {
        for (from, mut caller) in
            [(NORTH, alice()), (SOUTH, Phone::at("carol", "red.example", "phone-3.example"))]
        {
            let mut two = Two::new();
            let mut bob = bob();
            two.comes(from, &mut caller);
            two.comes(SOUTH, &mut bob);
            let (_, heard) = two.calls(from, &mut caller, "bob");
            request(&heard, Method::Invite);
            let mut rang = false;
            moves_north(&mut two, |two, step| {
                if step == called {
                    let (_, heard) = two.calls(from, &mut caller, "bob");
                    request(&heard, Method::Invite);
                    rang = true;
                }
            });
            assert!(rang);
        }
    }
}

#[test]
fn an_account_moves_and_whenever_its_phone_comes_it_is_bound() {
    for comes in ["given", "imported", "flipped", "told", "moved"] {
        for at in [NORTH, SOUTH] {
            let mut two = Two::new();
            let (mut alice, mut bob) = (alice(), bob());
            two.comes(NORTH, &mut alice);
            two.comes(SOUTH, &mut bob);
            moves_north(&mut two, |two, step| {
                if step == comes {
                    two.pass(3);
                    assert_eq!(two.comes(at, &mut bob).status(), Some(Status::OK), "{step} at {at}");
                }
            });
            two.pass(3);
            assert_eq!(two.comes(at, &mut bob).status(), Some(Status::OK));
            let (_, heard) = two.calls(NORTH, &mut alice, "bob");
            talk(&mut two, &heard, &bob, at);
            two.pass(60);
        }
    }
}

#[test]
fn a_phone_that_left_while_its_account_moved_does_not_come_back() {
    let mut two = Two::new();
    let (mut alice, mut bob) = (alice(), bob());
    two.comes(NORTH, &mut alice);
    two.comes(SOUTH, &mut bob);
    let mut other = Phone::at("bob", "red.example", "phone-9.example");
    moves_north(&mut two, |two, step| {
        if step == "given" {
            bob.cseq += 1;
            let headers = [("Contact", &bob.contact()[..]), ("Expires", "0")];
            let leaves = bob.request(Method::Register, "sip:red.example", &headers, "");
            response(&two.hear(SOUTH, &leaves), 200);
            two.comes(SOUTH, &mut other);
        }
    });
    let (_, heard) = two.calls(NORTH, &mut alice, "bob");
    let invites = heard.iter().filter(|it| it.method() == Some(Method::Invite)).collect::<Vec<_>>();
    assert_eq!(invites.len(), 1);
    assert!(crate::phone::text(invites[0]).contains("phone-9.example"));
}

#[test]
fn cells_that_do_not_agree_who_has_an_account_do_not_send_its_requests_to_and_fro_for_ever() {
    let mut two = Two::new();
    let mut bob = bob();
    two.comes(SOUTH, &mut bob);
    two.south.office.homes.insert((RED, "bob".into()), NORTH);
    let changed = Changed { tenant: RED, name: Some("bob".into()) };
    two.south.tell(In::Bus(Envelope::notice(None, &changed)));
    two.pass(3);
    assert_eq!(two.comes(NORTH, &mut bob).status(), Some(Status::SERVICE_UNAVAILABLE));
    let mut alice = alice();
    two.comes(NORTH, &mut alice);
    let (_, heard) = two.calls(NORTH, &mut alice, "bob");
    assert_eq!(statuses(&heard), [100, 480]);
}
