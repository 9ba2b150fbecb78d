use contract::registration::Contact;
use sip::leg::{Leg, LegCommand, LegOut};
use sip::{Status, Uri};

use crate::address::name_addr;
use crate::asking::Topic;
use crate::audio::Side;
use crate::context::Context;
use crate::ending::End;
use crate::offers::Offering;
use crate::party::{Party, identity, source_of_contact};
use crate::ring::{Refused, Ringing};
use crate::state::{Plan, State, Talking};
use crate::{Call, LegNo, Route};

/// No call rings more phones than this, whatever redirections lead to.
const MOST_PHONES: u16 = 32;
/// Why a phone stops ringing when another one was picked up (RFC 3326).
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// From the first phone that rings to the one that answers.
impl Call {
    /// Calls the phones of the highest q; the others wait.
    pub(crate) fn ring(&mut self, mut contacts: Vec<Contact>, cx: &mut Context<'_>) -> State {
        if self.audio.first_offer(self.id).is_err() {
            return self.end(End::refused(Status::NOT_ACCEPTABLE_HERE, "unusable SDP"), cx);
        }
        self.audio.knows_all(Side::Callee);
        contacts.sort_by_key(|contact| std::cmp::Reverse(contact.q));
        let longest = cx.now.after(cx.settings().ring);
        let until = self.gives_up.map_or(longest, |at| at.min(longest));
        let ringing = Ringing { until, waiting: contacts.into(), ..Ringing::default() };
        self.hunt_on(ringing, cx)
    }

    /// Calls the phones of the next lower q too.
    pub(crate) fn hunt_on(&mut self, mut it: Ringing, cx: &mut Context<'_>) -> State {
        for contact in it.next_group() {
            self.dial(&mut it, &contact, cx);
        }
        it.hunt_at = (!it.waiting.is_empty()).then(|| cx.now.after(cx.settings().hunt));
        self.ring_on(it, cx)
    }

    /// A phone rings, or is heard before it answers. Of several, the first that is heard goes on being
    /// heard.
    pub(crate) fn progress(
        &mut self,
        mut it: Ringing,
        leg: LegNo,
        (status, sdp): (Status, Option<Vec<u8>>),
        cx: &mut Context<'_>,
    ) -> State {
        if !it.open.contains(&leg) {
            return State::Ringing(it);
        }
        self.chronicle.rang.get_or_insert(cx.now);
        let sdp = sdp.filter(|_| it.early.is_none_or(|early| early == leg) && !self.audio.is_offerless());
        let sdp = sdp.filter(|sdp| it.early.is_none() || !self.audio.is_repeated(Side::Callee, sdp));
        if let Some(passed) = sdp.and_then(|sdp| self.audio.pass(Side::Callee, &sdp, self.id).ok()) {
            it.early = Some(leg);
            self.audio.comes_from(Side::Callee, self.source(leg));
            it.progress = Some(status);
            let sdp = Some(passed.told.clone());
            self.audio.agree(Side::Callee, passed);
            self.wish(cx);
            self.command(LegNo::CALLER, LegCommand::Progress { status, sdp }, cx);
        } else if it.progress.replace(status) != Some(status) {
            self.command(LegNo::CALLER, LegCommand::Progress { status, sdp: None }, cx);
        }
        self.renew_early(&mut it, cx);
        State::Ringing(it)
    }

    /// A phone was picked up: the first one wins.
    pub(crate) fn answered(
        &mut self,
        it: Ringing,
        leg: LegNo,
        sdp: Option<Vec<u8>>,
        cx: &mut Context<'_>,
    ) -> State {
        let passed = sdp.and_then(|sdp| self.audio.pass(Side::Callee, &sdp, self.id).ok());
        let Some(passed) = passed else {
            self.command(leg, LegCommand::Bye { reason: None }, cx);
            return self.phone_refused(it, leg, Refused::of(Status::NOT_ACCEPTABLE_HERE), Vec::new(), cx);
        };
        // Whoever refused an UPDATE, or has not answered it, has still what it was told first.
        let is_caller_behind = self.audio.is_stale(Side::Caller);
        let offering = match it.early {
            _ if self.audio.is_offerless() => Offering::InAck,
            // The caller may hold fast to what it was told first (RFC 3261 13.2.1): it is told again.
            Some(_) if is_caller_behind || passed.told != self.audio.told(Side::Caller) => Offering::Retell,
            _ => Offering::Quiet,
        };
        self.audio.knows(Side::Callee, self.told_of(leg));
        let sdp = Some(passed.told.clone());
        self.audio.comes_from(Side::Callee, self.source(leg));
        self.audio.agree(Side::Callee, passed);
        self.was_told_early(it.told, leg);
        self.command(LegNo::CALLER, LegCommand::Answer { sdp }, cx);
        for loser in it.open.into_iter().filter(|open| *open != leg) {
            self.command(loser, LegCommand::Cancel { reason: Some(ELSEWHERE.into()) }, cx);
        }
        self.asking.close(Topic::Route);
        self.goes_live(cx);
        let mut it = Talking { peer: leg, offering };
        if it.offering == Offering::Retell && self.audio.is_stale(Side::Callee) {
            // Both are told anew, and neither waits for the other.
            self.audio.doubts(Side::Caller);
            it.offering = Offering::Quiet;
        }
        self.renew(&mut it, cx);
        State::Talking(it)
    }

    /// From now on silence counts, and seconds cost.
    pub(crate) fn goes_live(&mut self, cx: &mut Context<'_>) {
        self.chronicle.answered = Some(cx.now);
        self.billing.answered(cx.now, self.asking.is_open(Topic::Reserve), cx.settings());
        self.audio.go_live();
        self.wish(cx);
    }

    /// A phone won't answer: maybe it knows who will.
    pub(crate) fn phone_refused(
        &mut self,
        mut it: Ringing,
        leg: LegNo,
        refused: Refused,
        contacts: Vec<String>,
        cx: &mut Context<'_>,
    ) -> State {
        if !it.open.contains(&leg) {
            return State::Ringing(it);
        }
        if it.refused(leg, refused) {
            return self.end(it.end(self.chronicle.rang.is_some()), cx);
        }
        let room = u32::from(cx.settings().redirects);
        for user in contacts.iter().filter_map(|contact| self.user_of(contact)) {
            if self.routes + it.redirects.len() as u32 <= room && !it.redirects.contains(&user) {
                it.redirects.push_back(user);
            }
        }
        self.ring_on(it, cx)
    }

    /// Where a redirection leads.
    pub(crate) fn redirected(&mut self, mut it: Ringing, route: Route, cx: &mut Context<'_>) -> State {
        it.redirects.pop_front();
        match route {
            Route::Ring { contacts, .. } if contacts.is_empty() => {
                it.refused(LegNo::CALLER, Refused::of(Status::TEMPORARILY_UNAVAILABLE));
            }
            Route::Ring { to, contacts } => {
                self.chronicle.callee = to;
                contacts.iter().for_each(|contact| self.dial(&mut it, contact, cx));
            }
            Route::App { name } if it.open.is_empty() => return self.anchor(Plan::App(name), cx),
            // An app answers at once; as long as a phone may answer, it is not asked.
            Route::App { .. } => {}
            Route::Refuse { status, .. } => {
                it.refused(LegNo::CALLER, Refused::of(status));
            }
        }
        self.ring_on(it, cx)
    }

    /// Goes on ringing, unless nobody is left.
    fn ring_on(&mut self, it: Ringing, cx: &mut Context<'_>) -> State {
        if let Some(user) = it.redirects.front()
            && !self.asking.is_open(Topic::Route)
        {
            self.ask_for(user.clone(), cx);
        }
        match &it {
            it if it.is_exhausted() => self.end(it.end(self.chronicle.rang.is_some()), cx),
            ringing if ringing.open.is_empty() && !ringing.waiting.is_empty() => self.hunt_on(it, cx),
            _ => State::Ringing(it),
        }
    }

    fn source(&self, leg: LegNo) -> Option<std::net::IpAddr> {
        self.parties.iter().find(|party| party.no == leg)?.source
    }

    /// Of which ports the phone of a leg was told last.
    pub(crate) fn told_of(&self, leg: LegNo) -> u16 {
        self.parties.iter().find(|party| party.no == leg).map_or(0, |party| party.told_of)
    }

    fn dial(&mut self, it: &mut Ringing, to: &Contact, cx: &mut Context<'_>) {
        if self.dialled >= MOST_PHONES {
            return;
        }
        self.dialled += 1;
        let no = LegNo(self.dialled);
        let domain = self.tenant.domain();
        let shown = self.caller.number.as_deref().unwrap_or(&self.caller.user);
        let local = name_addr(&self.caller.display_name, shown, domain);
        let remote = name_addr("", &self.chronicle.callee, domain);
        let mut identity = identity(to, no, (local, remote), &self.namer, cx);
        identity.max_forwards = self.hops;
        self.audio.renew_first_offer(self.id);
        let offer = self.audio.told(Side::Callee);
        let offer = (!offer.is_empty()).then_some(offer);
        let world = (cx.mint(), cx.settings());
        let mut out = LegOut::default();
        // A phone that can't be told to stop ringing (its connection is cut) stops by itself (RFC 3261 13.3.1).
        let rings = it.until.since(cx.now).as_secs().max(1);
        let headers = [("Expires".to_owned(), rings.to_string())];
        let leg = self.namer.lend(world, |env| Leg::dial(identity, offer, &headers, cx.now, env, &mut out));
        let (contact, source) = (to.uri.clone(), source_of_contact(to));
        let told_of = self.audio.moves(Side::Callee);
        self.parties.push(Party { no, contact, source, told_of, leg });
        it.open.push(no);
        cx.take(no, out);
    }

    /// The user that a redirection leads to, if it stays within the tenant.
    fn user_of(&self, contact: &str) -> Option<String> {
        let uri = Uri::parse(contact.as_bytes()).ok()?;
        let host = uri.host.to_string();
        let is_ours = self.tenant.domains.iter().any(|domain| domain.eq_ignore_ascii_case(&host));
        is_ours.then(|| uri.user_text().map(|user| user.into_owned())).flatten()
    }
}
