//! Two legs and a wire between them that loses, doubles and overtakes: thousands of calls, each told by its
//! seed. Whatever happens, both sides end, each is told so once, and they agree on what happened.

use std::collections::BTreeMap;
use std::time::Duration;

use machine::Moment;
use sip::leg::{EndedBy, Env, Leg, LegCommand, LegEvent, LegOut, LegState, LegTiming};
use sip::{Message, Method, Status};

use crate::solo::{BEGIN, identity, reception};

/// A source of choices (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }
}

/// What the wire does.
#[derive(Clone, Copy)]
struct Faults {
    loss: u64,
    doubling: u64,
    jitter: u64,
    /// No message is lost more often than this, so that nobody has to give up.
    losses_each: u32,
}

#[derive(Debug, Default)]
struct Side {
    leg: Option<Leg>,
    branches: u32,
    events: Vec<LegEvent>,
    /// The newest SDP of the peer's that is in force.
    remote_sdp: Vec<u8>,
    /// An offer of the peer's that waits for us.
    offered: Option<Vec<u8>>,
    offers: u32,
}

struct World {
    now: Moment,
    dice: Dice,
    faults: Faults,
    reliable: bool,
    sides: [Side; 2],
    flights: BTreeMap<(Moment, u64), (usize, Vec<u8>)>,
    count: u64,
    lost: BTreeMap<Vec<u8>, u32>,
    /// What the people at the phones will do.
    plans: BTreeMap<(Moment, u64), (usize, Plan)>,
    newest: [Moment; 2],
    /// Somebody offered before the call was answered: which of the two answers is the newer one nobody can tell.
    is_early: bool,
    /// Whether both were up, and their sessions compared.
    compared: bool,
}

#[derive(Clone, Debug)]
enum Plan {
    Ring,
    Answer,
    Reject,
    Cancel,
    Offer { update: bool },
    OfferEarly,
    AnswerOffer { refuse: bool },
    Inform,
    Refresh,
    HangUp,
}

const CALLER: usize = 0;
const CALLED: usize = 1;

impl World {
    fn new(seed: u64, faults: Faults, reliable: bool) -> World {
        World {
            now: BEGIN,
            dice: Dice(seed),
            faults,
            reliable,
            sides: [Side::default(), Side::default()],
            flights: BTreeMap::new(),
            count: 0,
            lost: BTreeMap::new(),
            plans: BTreeMap::new(),
            newest: [BEGIN; 2],
            is_early: false,
            compared: false,
        }
    }

    fn plan(&mut self, side: usize, after_millis: u64, plan: Plan) {
        self.count += 1;
        self.plans.insert((self.now.after(Duration::from_millis(after_millis)), self.count), (side, plan));
    }

    /// With LADDER set, prints who says what.
    fn show(&self, to: usize, bytes: &[u8]) {
        if std::env::var_os("LADDER").is_some() {
            let message = Message::parse(bytes).unwrap();
            eprintln!("{:?} to {to}: {message:?} {:?}", self.now, message.cseq());
        }
    }

    fn launch(&mut self, to: usize, bytes: Vec<u8>) {
        self.show(to, &bytes);
        let copies = if self.dice.percent(self.faults.doubling) { 2 } else { 1 };
        for _ in 0..copies {
            let lost = self.lost.entry(bytes.clone()).or_default();
            if *lost < self.faults.losses_each && self.dice.percent(self.faults.loss) {
                *lost += 1;
                continue;
            }
            self.count += 1;
            let delay = 5 + self.dice.roll(self.faults.jitter + 1);
            let mut at = self.now.after(Duration::from_millis(delay));
            if self.reliable {
                at = at.max(self.newest[to]);
                self.newest[to] = at;
            }
            self.flights.insert((at, self.count), (to, bytes.clone()));
        }
    }

    fn turn(
        &mut self,
        side: usize,
        decide: impl FnOnce(&mut Option<Leg>, Moment, &mut Env<'_>, &mut LegOut),
    ) {
        let me = &mut self.sides[side];
        let branches = &mut me.branches;
        let mut branch = || {
            *branches += 1;
            format!("{side}x{branches}")
        };
        let mut env = Env { timing: &LegTiming::default(), branch: &mut branch, user_agent: "" };
        let mut out = LegOut::default();
        decide(&mut me.leg, self.now, &mut env, &mut out);
        if let Some(leg) = &me.leg {
            let kept = rmp_serde::to_vec_named(leg).unwrap();
            let restored: Leg = rmp_serde::from_slice(&kept).unwrap();
            assert_eq!(&restored, leg);
            me.leg = Some(restored);
        }
        for bytes in out.send {
            self.launch(1 - side, bytes);
        }
        for event in out.events {
            self.react(side, event);
        }
    }

    /// What the owner of a leg does on its own.
    fn react(&mut self, side: usize, event: LegEvent) {
        self.sides[side].events.push(event.clone());
        match event {
            LegEvent::Invited { offer: Some(sdp) } => self.sides[side].remote_sdp = sdp,
            LegEvent::Answered { sdp: Some(sdp) } => {
                let pending =
                    self.sides[side].leg.as_ref().is_some_and(|leg| leg.state() == LegState::Answered);
                self.sides[side].remote_sdp = sdp;
                if pending {
                    self.sides[side].offered = Some(self.sides[side].remote_sdp.clone());
                    let wait = self.dice.roll(300);
                    self.plan(side, wait, Plan::AnswerOffer { refuse: false });
                }
            }
            LegEvent::Confirmed { sdp: Some(sdp) } | LegEvent::Reoffered { sdp } => {
                self.sides[side].remote_sdp = sdp;
            }
            LegEvent::Offer { sdp, .. } => {
                self.sides[side].offered = sdp;
                let (wait, refuse) = (self.dice.roll(2_000), self.dice.percent(20));
                self.plan(side, wait, Plan::AnswerOffer { refuse });
            }
            LegEvent::OfferWithdrawn => self.sides[side].offered = None,
            _ => {}
        }
    }

    fn carry_out(&mut self, side: usize, plan: Plan) {
        let me = &mut self.sides[side];
        if me.leg.is_none() {
            return;
        }
        me.offers += 1;
        let sdp = format!("v=0 of {side} no {}", me.offers).into_bytes();
        let command = match plan {
            Plan::Ring => {
                let early = self.dice.percent(50);
                LegCommand::Progress { status: Status::RINGING, sdp: early.then_some(sdp) }
            }
            Plan::Answer => LegCommand::Answer { sdp: Some(sdp) },
            Plan::Reject => LegCommand::Reject { status: Status::BUSY_HERE, reason: None, headers: vec![] },
            Plan::Cancel => LegCommand::Cancel { reason: None },
            Plan::Offer { update: true } => LegCommand::Update { sdp: Some(sdp) },
            Plan::Offer { update: false } => LegCommand::Reoffer { sdp },
            Plan::OfferEarly => {
                self.is_early = true;
                LegCommand::UpdateEarly { sdp }
            }
            Plan::AnswerOffer { refuse: true } => {
                LegCommand::RefuseOffer { status: Status::NOT_ACCEPTABLE_HERE }
            }
            Plan::AnswerOffer { refuse: false } => {
                if let Some(offered) = me.offered.take() {
                    me.remote_sdp = offered;
                }
                LegCommand::AcceptOffer { sdp }
            }
            Plan::Inform => LegCommand::Info { content_type: "text/plain".into(), body: sdp },
            Plan::Refresh => LegCommand::Update { sdp: None },
            Plan::HangUp => LegCommand::Bye { reason: None },
        };
        self.turn(side, |leg, now, env, out| {
            if let Some(leg) = leg {
                leg.command(now, command, env, out);
            }
        });
    }

    fn arrive(&mut self, side: usize, bytes: &[u8]) {
        let message = Message::parse(bytes).unwrap();
        let reliable = self.reliable;
        self.turn(side, |leg, now, env, out| match leg {
            Some(leg) => leg.receive(now, &message, env, out),
            None if message.method() == Some(Method::Invite) => {
                let reception = sip::leg::Reception { reliable, early_offers: true, ..reception() };
                *leg = Some(Leg::invited(&message, reception, now, env, out).unwrap());
            }
            // What overtook its INVITE comes again.
            None => {}
        });
    }

    /// Runs until nothing is left to do, or `end`.
    fn run(&mut self, end: Moment) {
        for steps in 0.. {
            assert!(steps < 100_000, "an endless conversation at {:?}: {:?}", self.now, self.sides);
            let flight = self.flights.first_key_value().map(|((at, _), _)| *at);
            let plan = self.plans.first_key_value().map(|((at, _), _)| *at);
            let due = |side: &Side| side.leg.as_ref().and_then(Leg::deadline);
            let timer = self.sides.iter().filter_map(due).min();
            let next = [flight, plan, timer].into_iter().flatten().min();
            let Some(next) = next.filter(|&next| next <= end) else { break };
            self.now = self.now.max(next);
            if flight == Some(next) {
                if let Some((_, (to, bytes))) = self.flights.pop_first() {
                    self.arrive(to, &bytes);
                }
            } else if plan == Some(next) {
                if let Some((_, (side, plan))) = self.plans.pop_first() {
                    self.carry_out(side, plan);
                }
            } else {
                for side in [CALLER, CALLED] {
                    self.turn(side, |leg, now, env, out| {
                        if let Some(leg) =
                            leg.as_mut().filter(|leg| leg.deadline().is_some_and(|due| due <= now))
                        {
                            leg.expire(now, env, out);
                        }
                    });
                }
            }
        }
        self.now = end;
    }

    fn dial(&mut self) {
        let (reliable, offered) = (self.reliable, self.dice.percent(80));
        self.turn(CALLER, |leg, now, env, out| {
            let identity = sip::leg::Identity { reliable, early_offers: true, routes: vec![], ..identity() };
            let offer = offered.then_some(&b"v=0 of 0 no 0"[..]);
            *leg = Some(Leg::dial(identity, offer, &[], now, env, out));
        });
    }

    /// Makes plans for a whole call.
    fn imagine(&mut self) {
        let (ring, answer) = (self.dice.roll(500), 500 + self.dice.roll(8_000));
        self.plan(CALLED, ring, Plan::Ring);
        let plan = if self.dice.percent(80) { Plan::Answer } else { Plan::Reject };
        self.plan(CALLED, answer, plan);
        if self.dice.percent(25) {
            let cancel = self.dice.roll(10_000);
            self.plan(CALLER, cancel, Plan::Cancel);
        }
        if self.dice.percent(15) {
            let (side, when) = (self.dice.roll(2) as usize, ring + self.dice.roll(answer));
            self.plan(side, when, Plan::OfferEarly);
        }
        for _ in 0..self.dice.roll(6) {
            let (side, when) = (self.dice.roll(2) as usize, answer + self.dice.roll(8_000));
            let plan = match self.dice.roll(5) {
                0 | 1 => Plan::Offer { update: false },
                2 => Plan::Offer { update: true },
                3 => Plan::Refresh,
                _ => Plan::Inform,
            };
            self.plan(side, when, plan);
        }
    }

    fn finals(&self, side: usize) -> Vec<&LegEvent> {
        let is_final = |event: &&LegEvent| {
            matches!(event, LegEvent::Refused { .. } | LegEvent::Cancelled { .. } | LegEvent::Ended { .. })
        };
        self.sides[side].events.iter().filter(is_final).collect()
    }

    fn heard(&self, side: usize, of: impl Fn(&LegEvent) -> bool) -> bool {
        self.sides[side].events.iter().any(of)
    }

    fn both_are_over_and_were_told_once(&self) {
        for side in [CALLER, CALLED] {
            let Some(leg) = &self.sides[side].leg else { continue };
            assert!(leg.is_over(), "side {side} is {:?}, due {:?}", leg.state(), leg.deadline());
            assert_eq!(self.finals(side).len(), 1, "side {side}: {:?}", self.sides[side].events);
            assert_eq!(self.finals(side).last().copied(), self.sides[side].events.last());
        }
    }

    fn both_agree(&self) {
        let [caller, called] = [CALLER, CALLED].map(|side| self.finals(side)[0]);
        let answered = self.heard(CALLER, |event| matches!(event, LegEvent::Answered { .. }));
        match (caller, called) {
            (
                LegEvent::Refused { status: Status::BUSY_HERE | Status::TEMPORARILY_UNAVAILABLE, .. },
                LegEvent::Ended { by: EndedBy::Us, .. },
            ) => {}
            (LegEvent::Refused { status: Status::REQUEST_TERMINATED, .. }, LegEvent::Cancelled { .. }) => {}
            (LegEvent::Ended { by, .. }, LegEvent::Ended { by: other, .. }) => {
                let crossed = *by == EndedBy::Us && *other == EndedBy::Peer;
                assert!(answered || crossed, "{caller:?} {called:?}");
                assert!(matches!(
                    (by, other),
                    (EndedBy::Us, EndedBy::Peer | EndedBy::Us) | (EndedBy::Peer, EndedBy::Us)
                ));
            }
            other => panic!("they do not agree: {other:?}"),
        }
    }

    /// Whether both are up; if so they must see the same session.
    fn both_have_the_same_session(&self) -> bool {
        let [a, b] = &self.sides;
        let (Some(a_leg), Some(b_leg)) = (&a.leg, &b.leg) else { return false };
        let up = a_leg.state() == LegState::Confirmed && b_leg.state() == LegState::Confirmed;
        if up {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(text(a_leg.local_sdp()), text(&b.remote_sdp), "what A says, B knows");
            assert_eq!(text(b_leg.local_sdp()), text(&a.remote_sdp), "what B says, A knows");
        }
        up
    }
}

fn story(seed: u64, faults: Faults, reliable: bool) -> World {
    let mut world = World::new(seed, faults, reliable);
    world.dial();
    world.imagine();
    // Long enough for everything but the session timer; then somebody hangs up, or both do.
    world.run(BEGIN.after(Duration::from_secs(120)));
    if faults.losses_each <= 2 && !world.is_early && world.both_have_the_same_session() {
        world.compared = true;
    }
    if world.dice.percent(80) {
        world.plan(CALLER, 0, Plan::HangUp);
    }
    let together = world.dice.roll(30);
    world.plan(CALLED, together, Plan::HangUp);
    // Should every BYE be lost, the session timer (30 minutes) finds out.
    world.run(BEGIN.after(Duration::from_secs(2_200)));
    world
}

#[test]
fn a_wire_that_loses_doubles_and_overtakes() {
    let faults = Faults { loss: 30, doubling: 20, jitter: 700, losses_each: 2 };
    let mut up = 0;
    for seed in 0..1_000 {
        eprintln!("seed {seed}");
        let world = story(seed, faults, false);
        world.both_are_over_and_were_told_once();
        world.both_agree();
        up += u32::from(world.compared);
    }
    assert!(up > 500, "only {up} calls were up");
}

#[test]
fn a_wire_that_loses_nothing() {
    let faults = Faults { loss: 0, doubling: 0, jitter: 300, losses_each: 0 };
    for seed in 0..500 {
        eprintln!("seed {seed}");
        let world = story(seed, faults, true);
        world.both_are_over_and_were_told_once();
        world.both_agree();
    }
}

#[test]
fn a_wire_that_loses_most() {
    let faults = Faults { loss: 85, doubling: 5, jitter: 100, losses_each: u32::MAX };
    for seed in 0..1_000 {
        eprintln!("seed {seed}");
        story(seed, faults, false).both_are_over_and_were_told_once();
    }
}

#[test]
fn a_wire_that_is_cut() {
    for seed in 0..500 {
        eprintln!("seed {seed}");
        let faults = Faults { loss: 0, doubling: 0, jitter: 100, losses_each: 0 };
        let mut world = World::new(seed, faults, seed % 2 == 0);
        world.dial();
        world.imagine();
        let cut = world.dice.roll(15_000);
        world.run(BEGIN.after(Duration::from_millis(cut)));
        world.faults = Faults { loss: 100, losses_each: u32::MAX, ..faults };
        // Nobody hangs up: the session timer finds out.
        world.run(BEGIN.after(Duration::from_secs(2_200)));
        world.both_are_over_and_were_told_once();
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let faults = Faults { loss: 30, doubling: 20, jitter: 700, losses_each: 2 };
    for seed in [1, 77, 4_711] {
        let [one, other] = [story(seed, faults, false), story(seed, faults, false)];
        for side in [CALLER, CALLED] {
            assert_eq!(one.sides[side].events, other.sides[side].events);
        }
    }
}
