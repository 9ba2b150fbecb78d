use std::time::Duration;

use contract::media::{Happening as Noticing, Noticed};
use contract::query::CallView;
use contract::{CallId, NodeId, TenantId};
use machine::terse::is_default;
use machine::{Epoch, Moment, Shard};
use serde::{Deserialize, Serialize};
use sip::leg::{Leg, LegCommand, LegOut, LegState, Refusal};
use sip::{Message, Method, Status};

use crate::app::App;
use crate::asking::{Asking, Topic};
use crate::audio::{Audio, Side};
use crate::billing::Billing;
use crate::chronicle::Chronicle;
use crate::context::{Context, Namer};
use crate::ending::End;
use crate::party::{Party, reception, source_of};
use crate::state::{Happening, Routing, State};
use crate::{Answer, CallOut, Caller, LegNo, Start, Tenant, World};

/// How many hops a request may take at most, if its sender doesn't say (RFC 3261 8.1.1.6).
const HOPS: u8 = 70;

/// A call: the caller's leg, those of the phones that are called, and all that belongs to them.
///
/// It is fed with what happens ([`Call::sip`], [`Call::answer`], [`Call::noticed`], [`Call::expire`]) and
/// answers with what is to be sent and asked ([`CallOut`]), once its [`Call::snapshot`] is safe.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    pub(crate) id: CallId,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) shard: Shard,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) epoch: Epoch,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) tenant: Tenant,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) caller: Caller,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) namer: Namer,
    /// The caller first, then each phone that was called and has something left to do.
    pub(crate) parties: Vec<Party>,
    /// How many phones were called.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) dialled: u16,
    /// How many hops the INVITE had left.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) hops: u8,
    /// When the caller gives up, as its INVITE says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gives_up: Option<Moment>,
    /// How many routes were asked for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) routes: u32,
    /// What was asked for last: what was dialed, or where a phone redirected us to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) wanted: String,
    pub(crate) state: State,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) audio: Audio,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) billing: Billing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) app: Option<App>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) asking: Asking,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) chronicle: Chronicle,
}

impl Call {
    /// Begins with the caller's INVITE: 100 goes out, the way and the money are asked for.
    ///
    /// # Errors
    /// With what to answer, if the INVITE can't become a call; then there is no record either.
    pub fn begin(
        start: Start,
        invite: &Message<&[u8]>,
        world: &World<'_>,
        now: Moment,
        out: &mut CallOut,
    ) -> Result<Call, Refusal> {
        let hops = hops_left(invite)?;
        out.keep = true;
        let mut cx = Context::new(world, now, out);
        let mut namer = Namer::new(start.shard, start.id.0);
        if Namer::has_named(invite, world.mint) {
            return Err(refusal(Status::LOOP_DETECTED));
        }
        let reception = reception(invite, &namer, &cx);
        let mut leg_out = LegOut::default();
        let lent = (world.mint, world.settings);
        let leg = namer.lend(lent, |env| Leg::invited(invite, reception, now, env, &mut leg_out))?;
        let offer = leg_out.events.drain(..).find_map(|event| match event {
            sip::leg::LegEvent::Invited { offer } => offer,
            _ => None,
        });
        cx.take(LegNo::CALLER, leg_out);
        let audio = Audio::begin(start.caller.direct_media, offer);
        let mut call = Call {
            id: start.id,
            shard: start.shard,
            epoch: start.epoch,
            tenant: start.tenant,
            caller: start.caller,
            namer,
            parties: vec![Party { no: LegNo::CALLER, contact: String::new(), source: None, told_of: 0, leg }],
            dialled: 0,
            hops,
            gives_up: gives_up(invite, now),
            routes: 0,
            wanted: start.dialed.clone(),
            state: State::Routing(Routing::default()),
            audio: audio.clone().unwrap_or_default(),
            billing: Billing::default(),
            app: None,
            asking: Asking::default(),
            chronicle: Chronicle::begin(start.dialed, now),
        };
        call.audio.comes_from(Side::Caller, source_of(invite));
        match audio {
            Ok(_) => call.set_off(&mut cx),
            Err(_) => {
                call.state = call.end(End::refused(Status::NOT_ACCEPTABLE_HERE, "unusable SDP"), &mut cx)
            }
        }
        call.settle_down(&mut cx);
        Ok(call)
    }

    /// Takes a SIP message of one of the legs.
    pub fn sip(
        &mut self,
        leg: LegNo,
        message: &Message<&[u8]>,
        world: &World<'_>,
        now: Moment,
        out: &mut CallOut,
    ) {
        let Some(party) = self.parties.iter_mut().find(|party| party.no == leg) else {
            return turn_away(leg, message, &mut Context::new(world, now, out));
        };
        let mut leg_out = LegOut::default();
        self.namer
            .lend((world.mint, world.settings), |env| party.leg.receive(now, message, env, &mut leg_out));
        out.keep |= !leg_out.idle || !leg_out.events.is_empty();
        let mut cx = Context::new(world, now, out);
        cx.take(leg, leg_out);
        self.settle_down(&mut cx);
    }

    /// Takes the answer to a question; one that nobody waits for (any more) does nothing.
    pub fn answer(&mut self, answer: Answer, world: &World<'_>, now: Moment, out: &mut CallOut) {
        let (topic, serial, what) = match answer {
            Answer::Route { serial, route } => (Topic::Route, serial, Happening::Routed(route)),
            Answer::Anchored { serial, anchored } => (Topic::Anchor, serial, Happening::Anchored(anchored)),
            Answer::Reserved { serial, reserved } => (Topic::Reserve, serial, Happening::Reserved(reserved)),
            Answer::Instructions { serial, instructions } => {
                (Topic::App, serial, Happening::Instructed(instructions))
            }
            Answer::Released(released) => (Topic::Release, 0, Happening::Released(released)),
            Answer::Left { serial, released } => (Topic::Leave, serial, Happening::Left(serial, released)),
            Answer::Settled(settled) => (Topic::Settle, 0, Happening::Settled(settled)),
            Answer::Kept => (Topic::Keep, 0, Happening::Kept),
        };
        if self.asking.answered(topic, serial) {
            let said = out.said();
            self.happen(what, &mut Context::new(world, now, out));
            // These give the same answer when they are asked again.
            let is_lasting = matches!(topic, Topic::Anchor | Topic::Release | Topic::Leave | Topic::Settle);
            out.keep |= !is_lasting || out.said() != said;
        }
    }

    /// Takes what media noticed.
    pub fn noticed(&mut self, noticed: &Noticed, world: &World<'_>, now: Moment, out: &mut CallOut) {
        if !self.audio.is_heard_from(noticed.node) {
            out.keep = true;
            return self.leave_sessions(&mut Context::new(world, now, out));
        }
        let what = match noticed.what {
            Noticing::Inactive if self.audio.is_held() => return,
            Noticing::Inactive => Happening::Silent,
            Noticing::Digit { digit, serial } => Happening::Digit(digit, serial),
            Noticing::Said { serial } => Happening::Said(serial),
            // It is wanted.
            Noticing::Idle | Noticing::Unknown => return,
        };
        out.keep = true;
        self.happen(what, &mut Context::new(world, now, out));
    }

    /// Ends the call; `reason` is for the record.
    pub fn hang_up(&mut self, reason: &str, world: &World<'_>, now: Moment, out: &mut CallOut) {
        out.keep = true;
        self.happen(Happening::HangUp(reason.to_owned()), &mut Context::new(world, now, out));
    }

    /// Lets all that is due at `now` happen.
    pub fn expire(&mut self, world: &World<'_>, now: Moment, out: &mut CallOut) {
        let said = out.said();
        let mut cx = Context::new(world, now, out);
        let lent = (world.mint, world.settings);
        for party in self.parties.iter_mut().filter(|party| party.leg.deadline().is_some_and(|at| at <= now))
        {
            let mut leg_out = LegOut::default();
            self.namer.lend(lent, |env| party.leg.expire(now, env, &mut leg_out));
            cx.take(party.no, leg_out);
        }
        self.settle_down(&mut cx);
        self.ask_again(&mut cx);
        self.pass_time(&mut cx);
        self.settle_down(&mut cx);
        // What the clock brings in silence, it brings to a successor as well.
        out.keep |= out.said() != said;
    }

    /// Goes on after a recovery: whatever was asked and not answered is asked again.
    pub fn resume(&mut self, world: &World<'_>, now: Moment, out: &mut CallOut) {
        let sent = out.send.len();
        let mut cx = Context::new(world, now, out);
        let lent = (world.mint, world.settings);
        for party in &mut self.parties {
            let mut leg_out = LegOut::default();
            self.namer.lend(lent, |env| party.leg.resume(now, env, &mut leg_out));
            cx.take(party.no, leg_out);
        }
        for topic in self.asking.topics().collect::<Vec<_>>() {
            self.repeat(topic, &mut cx);
        }
        self.asking.asked_now(now);
        self.settle_down(&mut cx);
        out.keep |= out.send.len() != sent;
    }

    /// Another owner goes on with the call, under a higher epoch (a lower one changes nothing). Call
    /// [`Call::resume`] next: it tells media, which hears the former owner no more.
    pub fn adopt(&mut self, epoch: Epoch) {
        if epoch <= self.epoch {
            return;
        }
        self.epoch = epoch;
        let is_over = matches!(self.state, State::Ending(_));
        if self.audio.was_wished() && !self.audio.is_direct() && !is_over {
            self.asking.owe(Topic::Anchor, self.audio.version());
        }
    }

    /// When [`Call::expire`] wants to be called next.
    pub fn deadline(&self) -> Option<Moment> {
        let legs = self.parties.iter().filter_map(|party| party.leg.deadline()).min();
        let ringing = match &self.state {
            State::Ringing(it) => it.deadline(),
            State::Routing(_) | State::Anchoring(_) => None,
            State::Talking(_) | State::Served(_) | State::Ending(_) => None,
        };
        let questions = self.asking.deadline();
        let deadlines = [legs, ringing, questions, self.billing.deadline(), self.audio.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Whether nothing is left to do: the record is kept, all transactions are over. Forget it.
    pub fn is_over(&self) -> bool {
        let is_kept = matches!(&self.state, State::Ending(it) if it.is_kept);
        is_kept && !self.asking.is_open(Topic::Leave) && self.parties.iter().all(|party| party.leg.is_over())
    }

    /// The call's number.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// The shard that it belongs to.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// Whose call it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant.id
    }

    /// Its legs, for the owner's index: number, Call-ID, our tag.
    pub fn legs(&self) -> impl Iterator<Item = (LegNo, &str, &str)> {
        self.parties.iter().map(|party| (party.no, party.leg.call_id(), party.leg.local_tag()))
    }

    /// Who is at the other end of a leg, for the ladder: `caller`, or the contact that was called.
    pub fn party(&self, leg: LegNo) -> &str {
        let party = self.parties.iter().find(|party| party.no == leg);
        match party {
            _ if leg == LegNo::CALLER => "caller",
            Some(party) => &party.contact,
            None => "callee",
        }
    }

    /// The call as an operator sees it.
    pub fn view(&self) -> CallView {
        let ringing = || self.chronicle.rang.is_some();
        let state = match &self.state {
            State::Routing(_) | State::Anchoring(_) => "routing",
            State::Ringing(_) if !ringing() => "routing",
            State::Ringing(_) => "ringing",
            State::Served(it) if !it.is_answered => "ringing",
            State::Talking(_) | State::Served(_) if self.audio.is_held() => "held",
            State::Talking(_) | State::Served(_) => "answered",
            State::Ending(_) => "ending",
        };
        // What is left of a call that is over are answers to repeats of its last requests: whoever empties a host need
        // not wait for those.
        let is_released = matches!(self.state, State::Ending(_)) && !self.asking.is_open(Topic::Release);
        CallView {
            id: self.id,
            tenant: self.tenant.id,
            caller: self.caller.user.clone(),
            dialed: self.chronicle.dialed.clone(),
            callee: self.chronicle.callee.clone(),
            state: state.into(),
            started: self.chronicle.started,
            answered: self.chronicle.answered,
            sip_call_id: self.leg(LegNo::CALLER).map(|leg| leg.call_id().to_owned()).unwrap_or_default(),
            media: if is_released { NodeId(0) } else { self.audio.node() },
        }
    }

    fn happen(&mut self, what: Happening, cx: &mut Context<'_>) {
        cx.news.push_back(what);
        self.settle_down(cx);
    }

    /// Decides until nothing new happens.
    pub(crate) fn settle_down(&mut self, cx: &mut Context<'_>) {
        while let Some(what) = cx.news.pop_front() {
            self.step(what, cx);
        }
        self.parties.retain(|party| party.no == LegNo::CALLER || !party.leg.is_over());
    }

    /// What the clock alone brings.
    fn pass_time(&mut self, cx: &mut Context<'_>) {
        if let State::Ringing(it) = &self.state {
            cx.news.extend(it.due(cx.now));
        }
        if self.audio.is_due(cx.now) {
            cx.news.push_back(Happening::TellAgain);
        }
        if let Some(why) = self.billing.cut(cx.now) {
            cx.news.push_back(Happening::Spent(why));
        } else if self.billing.wants_more(cx.now) {
            self.reserve(cx);
        }
    }

    /// Ends a leg as its state wants it; the caller's, if it was never answered, with `end`'s status.
    pub(crate) fn end_leg(
        &mut self,
        no: LegNo,
        end: &End,
        headers: &[(String, String)],
        cx: &mut Context<'_>,
    ) {
        let Some(state) = self.leg(no).map(Leg::state) else { return };
        let reason = end.reason.clone();
        let command = match state {
            LegState::Incoming | LegState::Alerting => {
                LegCommand::Reject { status: end.status, reason: None, headers: headers.to_vec() }
            }
            LegState::Calling | LegState::Proceeding => LegCommand::Cancel { reason },
            LegState::Answered | LegState::Confirmed => LegCommand::Bye { reason },
            LegState::Ending | LegState::Over => return,
        };
        self.command(no, command, cx);
    }
}

fn refusal(status: Status) -> Refusal {
    Refusal { status, headers: Vec::new() }
}

fn hops_left(invite: &Message<&[u8]>) -> Result<u8, Refusal> {
    let hops = invite.max_forwards().map_err(|_| refusal(Status::BAD_REQUEST))?.unwrap_or(HOPS);
    hops.checked_sub(1).ok_or_else(|| refusal(Status::TOO_MANY_HOPS))
}

/// RFC 3261 13.3.1: a caller says how long it waits for the final response. What is no number says nothing.
fn gives_up(invite: &Message<&[u8]>, now: Moment) -> Option<Moment> {
    let seconds = invite.expires().ok().flatten()?;
    Some(now.after(Duration::from_secs(seconds.into())))
}

/// A message of a leg that is long over.
fn turn_away(leg: LegNo, message: &Message<&[u8]>, cx: &mut Context<'_>) {
    if matches!(message.method(), None | Some(Method::Ack)) {
        return;
    }
    let mut bytes = Vec::with_capacity(512);
    sip::respond(message, Status::CALL_DOES_NOT_EXIST, None, None, &mut bytes).empty_body();
    cx.send(leg, bytes);
}
