//! A call with phones, media, billing, an app and a store around it, all of them scripted.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use call::{Answer, Call, CallOut, Caller, LegNo, Moving, Question, Route, Settings, Start, Tenant, World};
use contract::app::Instructions;
use contract::billing::{Reserved, Settled};
use contract::media::{Anchor, Anchored, Happening, LegPort, LegQuality, Noticed, Released};
use contract::record::CallRecord;
use contract::registration::Contact;
use contract::{CallId, Money, NodeId, TenantId};
use machine::{Epoch, Mint, Moment, Secret, Shard};
use sip::Message;
use sip::leg::Refusal;

use crate::phone::{ALICES_SDP, Memory, Phone};

pub(crate) struct Scene {
    pub(crate) call: Option<Call>,
    pub(crate) settings: Settings,
    pub(crate) mint: Mint,
    pub(crate) now: Moment,
    pub(crate) memories: BTreeMap<u16, Memory>,
    /// Where names lead.
    pub(crate) ways: BTreeMap<String, Route>,
    pub(crate) caller: Caller,
    /// What the app says, one answer after another.
    pub(crate) instructions: VecDeque<Instructions>,
    /// Each reservation grants so many seconds.
    pub(crate) grants: Vec<u32>,
    /// Who does not answer.
    pub(crate) is_down: Vec<Down>,
    /// Media nodes without a free port.
    pub(crate) full: Vec<NodeId>,
    pub(crate) asked: Vec<Question>,
    pub(crate) records: Vec<CallRecord>,
    pub(crate) refusal: Option<Refusal>,
    /// What a successor would have.
    kept: Vec<u8>,
    /// How often it was written.
    pub(crate) writes: usize,
    mail: VecDeque<(u16, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    Routing,
    Media,
    /// One of several media nodes.
    Node(NodeId),
    Billing,
    Apps,
    Store,
}

pub(crate) fn phone_at(uri: &str, q: u16) -> Contact {
    Contact {
        uri: uri.into(),
        path: vec!["<sip:flow@edge.example;lr>".into()],
        q,
        transport: "udp".into(),
        source: "192.0.2.2:5060".into(),
        ..Contact::default()
    }
}

pub(crate) fn ring(to: &str, contacts: &[(&str, u16)]) -> Route {
    let contacts = contacts.iter().map(|(uri, q)| phone_at(uri, *q)).collect();
    Route::Ring { to: to.into(), contacts }
}

/// Of a scene that nothing has happened in: bob has one phone.
pub(crate) fn scene() -> Scene {
    let mut settings = Settings::default();
    settings.leg.session_expires = None;
    Scene {
        call: None,
        settings,
        mint: Mint::new(Secret::new([7; 16])),
        now: Moment::from_secs(1_800_000_000),
        memories: BTreeMap::new(),
        ways: BTreeMap::from([("bob".into(), ring("bob", &[("sip:bob@192.0.2.2", 1000)]))]),
        caller: Caller { user: "alice".into(), display_name: "Alice".into(), ..Caller::default() },
        instructions: VecDeque::new(),
        grants: vec![3600],
        is_down: Vec::new(),
        full: Vec::new(),
        asked: Vec::new(),
        records: Vec::new(),
        refusal: None,
        kept: Vec::new(),
        writes: 0,
        mail: VecDeque::new(),
    }
}

/// Alice has called bob, whose phone has the INVITE.
pub(crate) fn calling() -> Scene {
    let mut scene = scene();
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene
}

/// Alice and bob talk.
pub(crate) fn talking() -> Scene {
    let mut scene = calling();
    scene.bob().rings();
    scene.bob().answers();
    scene.alice().acks();
    scene
}

impl Scene {
    pub(crate) fn alice(&mut self) -> Phone<'_> {
        self.phone(0)
    }

    /// The first phone that was called.
    pub(crate) fn bob(&mut self) -> Phone<'_> {
        self.phone(1)
    }

    pub(crate) fn phone(&mut self, leg: u16) -> Phone<'_> {
        Phone { scene: self, leg }
    }

    pub(crate) fn begin(&mut self, dialed: &str, invite: &[u8]) {
        let start = Start {
            id: CallId(0x1234_5678_9abc_def0),
            shard: Shard::of(17),
            epoch: Epoch(1),
            tenant: Tenant { id: TenantId(1), domains: vec!["red.example".into()] },
            caller: self.caller.clone(),
            dialed: dialed.into(),
        };
        let message = Message::parse(invite).unwrap();
        let mut out = CallOut::default();
        let world = World { mint: &self.mint, settings: &self.settings };
        match Call::begin(start, &message, &world, self.now, &mut out) {
            Ok(call) => self.call = Some(call),
            Err(refusal) => self.refusal = Some(refusal),
        }
        self.carry(out);
    }

    /// The call hears from a phone.
    pub(crate) fn hears(&mut self, leg: u16, bytes: &[u8]) {
        let message = Message::parse(bytes).unwrap();
        self.input(|call, world, now, out| call.sip(LegNo(leg), &message, world, now, out));
    }

    /// The call will hear from a phone, when it is through with what it is at.
    pub(crate) fn post(&mut self, leg: u16, bytes: Vec<u8>) {
        self.mail.push_back((leg, bytes));
    }

    pub(crate) fn answers(&mut self, answer: Answer) {
        self.input(|call, world, now, out| call.answer(answer, world, now, out));
    }

    pub(crate) fn notices(&mut self, leg: u8, what: Happening) {
        let noticed = Noticed { call: self.call().id(), leg, what, ..Noticed::default() };
        self.input(|call, world, now, out| call.noticed(&noticed, world, now, out));
    }

    /// Something that a certain media node noticed.
    pub(crate) fn notices_at(&mut self, node: u16, leg: u8, what: Happening) {
        let noticed = Noticed { call: self.call().id(), leg, what, node: NodeId(node) };
        self.input(|call, world, now, out| call.noticed(&noticed, world, now, out));
    }

    /// Those media nodes are there now, and no others.
    pub(crate) fn media_is(&mut self, nodes: &[u16]) {
        self.settings.media = nodes.iter().map(|node| NodeId(*node)).collect();
        self.input(|call, world, now, out| call.media_changed(world, now, out));
    }

    /// Somebody wants the audio on that media node.
    pub(crate) fn is_moved(&mut self, to: u16) -> Moving {
        let mut came = Moving::Over;
        self.input(|call, world, now, out| came = call.move_media(NodeId(to), world, now, out));
        came
    }

    /// On which media nodes something was left to be released, in order.
    pub(crate) fn left(&self) -> Vec<u16> {
        let left = self.asked.iter().filter_map(|question| match question {
            Question::Leave(at, _) => Some(at.0),
            _ => None,
        });
        left.collect()
    }

    pub(crate) fn hang_up(&mut self, reason: &str) {
        self.input(|call, world, now, out| call.hang_up(reason, world, now, out));
    }

    /// The call's owner can't go on with it.
    pub(crate) fn is_abandoned(&mut self) {
        self.input(|call, world, now, out| call.abandon("given up after a fault", world, now, out));
    }

    /// The process died, and another one goes on.
    pub(crate) fn is_killed(&mut self) {
        if self.call.is_some() && !self.kept.is_empty() {
            self.call = Some(Call::restore(&self.kept).unwrap());
        }
        self.input(|call, world, now, out| call.resume(world, now, out));
    }

    /// Another host goes on.
    pub(crate) fn is_adopted(&mut self, epoch: Epoch) {
        self.call = Some(Call::restore(&self.kept).unwrap());
        self.input(|call, world, now, out| {
            call.adopt(epoch);
            out.keep = true;
            call.resume(world, now, out);
        });
    }

    pub(crate) fn passes(&mut self, secs: u64) {
        self.passes_millis(secs * 1000);
    }

    /// Time passes, and whatever is due happens.
    pub(crate) fn passes_millis(&mut self, millis: u64) {
        let until = self.now.after(Duration::from_millis(millis));
        while let Some(at) = self.call.as_ref().and_then(Call::deadline).filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.input(|call, world, now, out| call.expire(world, now, out));
        }
        self.now = until;
    }

    pub(crate) fn call(&self) -> &Call {
        self.call.as_ref().expect("the call is forgotten")
    }

    /// How an operator sees it.
    pub(crate) fn state(&self) -> String {
        self.call().view().state
    }

    /// The last wish for the audio.
    pub(crate) fn wish(&self) -> Anchor {
        let wishes = self.asked.iter().rev().filter_map(|question| match question {
            Question::Anchor(_, anchor) => Some(anchor.clone()),
            _ => None,
        });
        wishes.into_iter().next().expect("no audio was wished")
    }

    /// The one record. The call must be over, and forgotten.
    pub(crate) fn record(&mut self) -> CallRecord {
        self.passes(60);
        assert!(self.call.is_none(), "the call is not over: {:?}", self.call);
        assert_eq!(self.records.len(), 1, "{:?}", self.records);
        self.records[0].clone()
    }

    fn input(&mut self, with: impl FnOnce(&mut Call, &World<'_>, Moment, &mut CallOut)) {
        let Some(mut call) = self.call.take() else { return };
        let mut out = CallOut::default();
        with(&mut call, &World { mint: &self.mint, settings: &self.settings }, self.now, &mut out);
        self.call = Some(call);
        self.carry(out);
    }

    /// Dies and comes back, then brings everything to whom it is for.
    fn carry(&mut self, out: CallOut) {
        if let Some(call) = self.call.take() {
            let restored = Call::restore(&call.snapshot()).unwrap();
            assert_eq!(format!("{restored:?}"), format!("{call:?}"), "a snapshot lost something");
            if out.keep {
                self.kept = call.snapshot();
                self.writes += 1;
            }
            self.call = (!restored.is_over()).then_some(restored);
        }
        for sent in out.send {
            let message = Message::parse(sent.bytes).unwrap();
            message.check().unwrap();
            self.phone(sent.leg.0).hears(&message);
        }
        for question in out.ask {
            self.asked.push(question.clone());
            self.reply(question);
        }
        while let Some((leg, bytes)) = self.mail.pop_front() {
            self.hears(leg, &bytes);
        }
    }

    fn reply(&mut self, question: Question) {
        let serial = question.serial();
        let down = |who| self.is_down.contains(&who);
        let answer = match question {
            Question::Route(wanted) if !down(Down::Routing) => {
                let nobody = Route::Refuse { status: sip::Status::NOT_FOUND, cause: "not found".into() };
                let route = self.ways.get(&wanted.dialed).cloned().unwrap_or(nobody);
                Answer::Route { serial, route }
            }
            Question::Anchor(at, _) if !down(Down::Media) && self.full.contains(&at) => {
                Answer::Anchored { serial, anchored: Anchored::Full { retry_ms: 500 } }
            }
            Question::Anchor(at, anchor) if !down(Down::Media) && !down(Down::Node(at)) => {
                Answer::Anchored { serial, anchored: anchored(at, &anchor) }
            }
            Question::Leave(at, _) if !down(Down::Media) && !down(Down::Node(at)) => {
                let quality = vec![LegQuality { leg: 0, received: 100, ..LegQuality::default() }];
                Answer::Left { serial, released: Released { quality } }
            }
            Question::Release(at, _) if !down(Down::Media) && !down(Down::Node(at)) => {
                let quality = vec![LegQuality { leg: 0, mos: Some(4.4), ..LegQuality::default() }];
                Answer::Released(Released { quality })
            }
            Question::Reserve(_) if !down(Down::Billing) => {
                let seconds = if self.grants.len() > 1 { self.grants.remove(0) } else { self.grants[0] };
                let amount = Money { micros: i64::from(seconds) * 100, currency: "EUR".into() };
                let reserved = match seconds {
                    0 => Reserved::Refused { reason: "no credit".into() },
                    seconds => Reserved::Granted { seconds, amount },
                };
                Answer::Reserved { serial, reserved }
            }
            Question::Settle(settle) if !down(Down::Billing) => {
                let money = |micros| Money { micros, currency: "EUR".into() };
                let charged = settle.talked_ms as i64;
                Answer::Settled(Settled {
                    reserved: money(360_000),
                    charged: money(charged),
                    released: money(360_000 - charged),
                })
            }
            Question::App(_) if !down(Down::Apps) => {
                let instructions = self.instructions.pop_front().unwrap_or_default();
                Answer::Instructions { serial, instructions }
            }
            Question::Keep(record) if !down(Down::Store) => {
                self.records.push(*record);
                Answer::Kept
            }
            _ => return,
        };
        self.answers(answer);
    }
}

/// Each node has an address of its own: 203.0.113.1 is that of a platform that is alone.
fn anchored(node: NodeId, anchor: &Anchor) -> Anchored {
    let legs = anchor.legs.iter().map(|wish| {
        let port = 30_000 + 2 * u16::from(wish.leg);
        let at = |port| ([203, 0, 113, 1 + node.0 as u8], port).into();
        LegPort { leg: wish.leg, rtp: at(port), rtcp: at(port + 1) }
    });
    Anchored::Ready { node, legs: legs.collect() }
}
