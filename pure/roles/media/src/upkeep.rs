//! What deadlines bring: the next packet of a sound, counts to keep, silence to tell, notices to repeat.

use contract::CallId;
use contract::media::{Happening, Noticed};
use machine::{Moment, Outbox};

use crate::kept;
use crate::media::{Deadline, Media};
use crate::messages::Out;
use crate::player::{Step, tongue};
use crate::pool::Socket;
use crate::reports::REPORT_EVERY;
use crate::session::Lent;

impl Media {
    /// Makes what is played to the legs of a call what is wished.
    pub(crate) fn speak(&mut self, now: Moment, call: CallId) {
        let lent = self.sessions.get(&call).map(|session| session.lent.clone()).unwrap_or_default();
        for Lent { leg: number, pair } in lent {
            let say = self.sessions.get(&call).and_then(|it| it.leg(number)).and_then(|it| it.say.as_ref());
            let wanted = say.map(|say| say.serial);
            let Some(leg) = self.leg_mut(pair) else { continue };
            let other = wanted.is_some_and(|serial| serial > leg.voicing.serial);
            if other || wanted.is_none() && !leg.voicing.over {
                leg.voicing.stop(now, leg.player.take());
                leg.is_played_to = false;
            }
            if let Some(serial) = wanted.filter(|_| other) {
                leg.voicing.wish(serial);
            }
            if !leg.voicing.over && leg.player.is_none() && leg.to.is_some() {
                self.begin(now, pair);
            }
        }
    }

    /// A sound begins, or goes on after a death.
    fn begin(&mut self, now: Moment, pair: u32) {
        let Media { legs, sessions, sounds, .. } = self;
        let Some(Some(leg)) = legs.get_mut(pair as usize) else { return };
        let Some(wish) = sessions.get(&leg.call).and_then(|it| it.leg(leg.number)) else { return };
        let (Some(say), Some(sounds)) = (&wish.say, sounds) else { return };
        let (number, law) = tongue(&wish.payloads).unwrap_or((0, audio::Law::Mu));
        let known = tongue(&wish.payloads).is_some();
        let (track, unknown) = sounds.track(if known { &say.sounds } else { &[] }, law);
        leg.player = Some(leg.voicing.play(now, track, number));
        leg.is_played_to = true;
        self.tally.unplayable += u64::from(unknown) + u64::from(!known);
        self.timers.set(Deadline::Play(pair), Some(now));
    }

    /// The next packets of a sound.
    pub(crate) fn play(&mut self, now: Moment, pair: u32, out: &mut Outbox<Out>) {
        let Some(Some(leg)) = self.legs.get_mut(pair as usize) else { return };
        let Some(player) = &mut leg.player else { return };
        loop {
            match leg.voicing.step(now, player) {
                Step::Packet(packet) => {
                    let Some(to) = leg.to else { continue };
                    leg.counts.sent += 1;
                    out.emit(Out::Send { socket: Socket::rtp(pair), to, datagram: packet.to_vec() });
                }
                Step::Skipped => {}
                Step::Wait(until) => return self.timers.set(Deadline::Play(pair), Some(until)),
                Step::Over => break,
            }
        }
        leg.voicing.stop(now, leg.player.take());
        leg.is_played_to = false;
        let (call, number, serial) = (leg.call, leg.number, leg.voicing.serial);
        self.notice(now, call, number, Happening::Said { serial }, out);
        self.keep(call, out);
        self.schedule(call);
    }

    /// Sets when a session wants to be looked after next.
    pub(crate) fn schedule(&mut self, call: CallId) {
        let Some(session) = self.sessions.get(&call) else { return };
        let silence = session.lent.iter().filter_map(|it| {
            let leg = self.leg(it.pair)?;
            leg.silence_due(session.patience(it.leg)?)
        });
        let next = silence.chain(session.reminders.next()).chain([session.count_at]).min();
        self.timers.set(Deadline::Session(call), next);
    }

    /// Whatever of a session is due.
    pub(crate) fn look_after(&mut self, now: Moment, call: CallId, out: &mut Outbox<Out>) {
        let node = self.node;
        let Some(session) = self.sessions.get_mut(&call) else { return };
        let shard = session.wish.shard;
        for (leg, what) in session.reminders.due(now) {
            out.emit(Out::Noticed { shard, notice: Noticed { call, leg, what, node } });
        }
        self.tell_silence(now, call, out);
        self.ask_whether_wanted(now, call, out);
        if self.sessions.get(&call).is_some_and(|session| session.count_at <= now) {
            self.count(now, call, out);
            self.report_to_lonely(now, call, out);
        }
        let forget = self.settings.forget;
        if self.sessions.get(&call).is_some_and(|session| now.since(session.alive_at) >= forget) {
            self.tally.forgotten += 1;
            self.end(now, call, out);
            return;
        }
        self.schedule(call);
    }

    fn tell_silence(&mut self, now: Moment, call: CallId, out: &mut Outbox<Out>) {
        let Some(session) = self.sessions.get(&call) else { return };
        let due = session.lent.iter().filter(|it| {
            let due = self.leg(it.pair).zip(session.patience(it.leg));
            due.and_then(|(leg, limit)| leg.silence_due(limit)).is_some_and(|due| due <= now)
        });
        let silent: Vec<Lent> = due.copied().collect();
        for Lent { leg: number, pair } in silent {
            if let Some(leg) = self.leg_mut(pair) {
                leg.told = leg.silent_since();
            }
            self.tally.inactive += 1;
            self.notice(now, call, number, Happening::Inactive, out);
            self.keep(call, out);
        }
    }

    /// A host that was cut off may have missed that its calls went on elsewhere, or ended. Whoever was heard is missed by his
    /// silence; of the others the exchange is asked.
    fn ask_whether_wanted(&mut self, now: Moment, call: CallId, out: &mut Outbox<Out>) {
        let (node, every) = (self.node, self.settings.ask_every);
        let Some(session) = self.sessions.get_mut(&call) else { return };
        let last = session.asked_at.max(session.alive_at);
        let is_told = session.lent.iter().any(|it| session.patience(it.leg).is_some());
        if is_told || now.since(last) < every {
            return;
        }
        session.asked_at = now;
        let (shard, leg) = (session.wish.shard, session.lent.first().map_or(0, |it| it.leg));
        out.emit(Out::Noticed { shard, notice: Noticed { call, leg, what: Happening::Idle, node } });
    }

    /// Keeps the counts of a session, if they changed.
    fn count(&mut self, now: Moment, call: CallId, out: &mut Outbox<Out>) {
        let Media { sessions, legs, settings, .. } = self;
        let Some(session) = sessions.get_mut(&call) else { return };
        session.count_at = now.after(settings.count_every);
        let legs = || session.lent.iter().filter_map(|it| legs.get(it.pair as usize)?.as_ref());
        let counted = legs().map(|leg| leg.counts.receiver.totals().received + leg.counts.sent).sum();
        if counted != session.counted {
            out.keep(kept::counts(session, legs()));
            session.counted = counted;
            session.alive_at = now;
        }
    }

    /// Phones that hear nobody but us get reports from us.
    fn report_to_lonely(&mut self, now: Moment, call: CallId, out: &mut Outbox<Out>) {
        let Some(session) = self.sessions.get_mut(&call) else { return };
        if session.report_at > now {
            return;
        }
        session.report_at = now.after(REPORT_EVERY);
        let lonely = |it: &&Lent| session.wish.legs.iter().all(|leg| leg.peer != Some(it.leg));
        let lonely: Vec<u32> = session.lent.iter().filter(lonely).map(|it| it.pair).collect();
        for pair in lonely {
            if let Some((socket, to, datagram)) = self.own_report(now, pair) {
                out.emit(Out::Send { socket, to, datagram });
            }
        }
    }
}
