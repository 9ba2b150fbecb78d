//! Going on where a predecessor was.

use contract::CallId;
use journal::{Cause, Durable, Entry};
use machine::{Key, Moment, Outbox, Record, Tag};

use crate::kept::{self, KeptCounts, KeptSession, MEDIA_COUNTERS, MEDIA_SESSION};
use crate::leg::Leg;
use crate::media::{Deadline, Media};
use crate::messages::{In, Out};
use crate::session::{Lent, Session};

impl Durable for Media {
    fn restore(&mut self, _now: Moment, entry: Entry<'_>) {
        let call = kept::call_of(&entry);
        match entry.tag {
            MEDIA_SESSION => match contract::decode(entry.body) {
                Ok(session) => self.read.entry(call).or_default().0 = Some(session),
                Err(_) => self.tally.not_restored += 1,
            },
            // Without its counts a session goes on and counts anew.
            MEDIA_COUNTERS => self.read.entry(call).or_default().1 = contract::decode(entry.body).ok(),
            _ => {}
        }
    }

    fn resume(&mut self, now: Moment, out: &mut Outbox<Out>) {
        for (call, (session, counts)) in std::mem::take(&mut self.read) {
            self.in_hand = Some(call);
            let Some(session) = session else { continue };
            if session.gone.is_some() {
                self.take_up_gone(now, call, session);
            } else if self.take_up(now, session, counts, out) {
                self.tally.restored += 1;
                self.speak(now, call);
                self.schedule(call);
            } else {
                self.tally.not_restored += 1;
            }
        }
    }

    fn concerned(&self, input: &In) -> Option<(Tag, Key)> {
        let call = match input {
            In::Anchor { wish, .. } => wish.call,
            In::Release { release, .. } => release.call,
            In::Gauge { .. } | In::Settle | In::Sounds { .. } | In::Poisoned { .. } => return None,
        };
        Some((MEDIA_SESSION, kept::key(call)))
    }

    fn due(&self) -> Option<(Tag, Key)> {
        match self.timers.first()? {
            Deadline::Session(call) | Deadline::Gone(call) => Some((MEDIA_SESSION, kept::key(call))),
            Deadline::Play(_) => None,
        }
    }

    fn give_up(&mut self, _now: Moment, tag: Tag, key: Key, _out: &mut Outbox<Out>) {
        if tag == MEDIA_SESSION
            && let Some((Some(session), _)) = self.read.get_mut(&CallId(key.0 as u64))
        {
            fall_silent(session);
        }
    }

    fn rebuild(
        &mut self,
        now: Moment,
        cause: Cause,
        latest: &dyn Fn(Tag, Key) -> Option<Record>,
        out: &mut Outbox<Out>,
    ) {
        let Some(call) = self.in_hand.take() else { return };
        self.timers.set(Deadline::Session(call), None);
        self.timers.set(Deadline::Gone(call), None);
        let lent = self.sessions.remove(&call).map(|session| session.lent).unwrap_or_default();
        for lent in lent {
            self.close(now, lent.pair, out);
        }
        let session: Option<KeptSession> =
            latest(MEDIA_SESSION, kept::key(call)).and_then(|kept| contract::decode(&kept.body).ok());
        let counts =
            latest(MEDIA_COUNTERS, kept::key(call)).and_then(|kept| contract::decode(&kept.body).ok());
        let Some(mut session) = session else { return };
        if session.gone.is_some() {
            return self.take_up_gone(now, call, session);
        }
        if cause == Cause::Deadline {
            fall_silent(&mut session);
        }
        if self.take_up(now, session, counts, out) {
            self.speak(now, call);
            self.schedule(call);
        }
    }
}

/// Whatever was played or to be told is what made us fall; packets are relayed all the same.
fn fall_silent(session: &mut KeptSession) {
    session.reminders = Default::default();
    session.legs.iter_mut().for_each(|leg| leg.voicing.over = true);
}

impl Media {
    fn take_up_gone(&mut self, now: Moment, call: CallId, kept: KeptSession) {
        let Some(gone) = kept.gone else { return };
        for &rtp in &gone.ports {
            self.pool.was_given_back(gone.at, rtp);
        }
        let until = gone.at.after(self.settings.remember).max(now);
        self.timers.set(Deadline::Gone(call), Some(until));
        self.gone.insert(call, (kept.wish.shard, gone));
    }

    /// A session as it was kept; false if its ports are no more.
    fn take_up(
        &mut self,
        now: Moment,
        kept: KeptSession,
        counts: Option<KeptCounts>,
        out: &mut Outbox<Out>,
    ) -> bool {
        let call = kept.wish.call;
        let mut lent = Vec::new();
        for leg in &kept.legs {
            match leg.rtp.and_then(|rtp| self.pool.claim(rtp)) {
                Some(pair) => lent.push(Lent { leg: leg.leg, pair }),
                None => {
                    lent.into_iter().for_each(|lent: Lent| self.pool.give_back(now, lent.pair));
                    return false;
                }
            }
        }
        let counts = counts.unwrap_or_default();
        let mut session = Session::new(kept.wish, lent, now, self.settings.count_every);
        (session.reminders, session.alive_at) = (kept.reminders, kept.alive_at);
        for (kept, &Lent { leg: number, pair }) in kept.legs.into_iter().zip(&session.lent) {
            let mut leg = Leg::new(call, number, pair, now, kept.voicing);
            (leg.latch, leg.reports_from, leg.digits) = (kept.latch, kept.reports_from, kept.digits);
            if let Some(counted) = counts.legs.iter().find(|it| it.leg == number) {
                leg.counts = counted.counts.clone();
            }
            leg.told = kept.told;
            if let Some(wish) = session.leg(number) {
                leg.derive(wish);
                leg.heard_by = wish.peer.and_then(|peer| session.pair_of(peer));
            }
            self.legs[pair as usize] = Some(leg);
            out.emit(Out::Reopen { pair });
        }
        self.sessions.insert(call, session);
        true
    }
}
