//! A call of the load: what happens in it, and whether that is what was planned.

use std::time::Duration;

use machine::Moment;
use phone::{CallNo, Command, Event};
use sip::Status;

use super::ear::Ear;
use super::plan::{Pace, Passing, Plan};
use super::sound::Sound;

/// No voice may be away for so long.
const MOST_SILENCE: Duration = Duration::from_secs(2);
/// A short ringing.
const RING: Duration = Duration::from_millis(300);
/// So much longer than planned a call may take until it counts as lost.
const OVERTIME: Duration = Duration::from_secs(25);

/// The sides of a call.
pub(crate) const CALLER: usize = 0;
/// See [`CALLER`].
pub(crate) const CALLEE: usize = 1;

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The callee has not heard of it.
    Calling,
    /// It rings.
    Ringing,
    /// The callee has answered, the caller has not acknowledged it.
    Answered,
    /// Both talk.
    Talking,
    /// The caller holds; the callee has not accepted it.
    Holding,
    /// On hold.
    OnHold,
    /// The caller takes it back.
    Resuming,
    /// The caller has given up.
    GivingUp,
    /// This side has hung up.
    HangingUp(usize),
}

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    /// What is to happen.
    pub(crate) plan: Plan,
    /// Which pair of phones.
    pub(crate) pair: usize,
    /// When the caller dialed.
    pub(crate) began: Moment,
    /// What each side hears.
    pub(crate) ears: [Ear; 2],
    /// And how good that is.
    pub(crate) sounds: [Sound; 2],
    /// Whether the caller saw it answered.
    pub(crate) was_answered: bool,
    /// It was refused with 503 before anybody was called.
    pub(crate) was_turned_away: bool,
    /// What went wrong, and when it was noticed.
    pub(crate) wrong: Vec<(Moment, String)>,
    pace: Pace,
    step: Step,
    /// When the next thing is to be done.
    due: Option<Moment>,
    lines: [Option<CallNo>; 2],
    over: [bool; 2],
    /// It has been held already.
    was_held: bool,
}

impl Call {
    /// The caller has dialed, on this line.
    pub(crate) fn begin((plan, pair): (Plan, usize), line: Option<CallNo>, pace: Pace, now: Moment) -> Call {
        Call {
            plan,
            pair,
            began: now,
            ears: [Ear::default(); 2],
            sounds: [Sound::default(); 2],
            was_answered: false,
            was_turned_away: false,
            wrong: Vec::new(),
            pace,
            step: Step::Calling,
            due: None,
            lines: [line, None],
            over: [false; 2],
            was_held: false,
        }
    }

    /// When the next thing is to be done, or the call should be over.
    pub(crate) fn deadline(&self) -> Moment {
        let end = self.began.after(self.pace.lifetime() + self.pace.linger() + OVERTIME);
        self.due.map_or(end, |due| due.min(end))
    }

    /// Which passing state it is held in.
    pub(crate) fn passing(&self) -> Option<Passing> {
        match self.step {
            Step::Calling => Some(Passing::Before100),
            Step::Ringing if self.plan == Plan::EarlyMedia => Some(Passing::EarlyMedia),
            Step::Ringing => Some(Passing::Ringing),
            Step::Answered => Some(Passing::NoAck),
            Step::Talking | Step::Resuming => None,
            Step::Holding => Some(Passing::Reoffering),
            Step::OnHold => Some(Passing::OnHold),
            Step::GivingUp => Some(Passing::Cancelling),
            Step::HangingUp(_) => Some(Passing::HangingUp),
        }
    }

    /// Whether both sides have heard that it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.over == [true; 2]
    }

    fn wrong(&mut self, now: Moment, what: impl Into<String>) {
        self.wrong.push((now, what.into()));
    }

    /// The load ends: nobody talks any longer than a second.
    pub(crate) fn hurry(&mut self, now: Moment) {
        if let (Step::Talking, Some(due)) = (self.step, self.due) {
            self.due = Some(due.min(now.after(Duration::from_secs(1))));
        }
    }

    /// What is to be done now, and by which side.
    pub(crate) fn act(&mut self, now: Moment) -> Option<(usize, Command)> {
        self.due.take_if(|due| *due <= now)?;
        let [caller, callee] = self.lines;
        match self.step {
            Step::Ringing if self.plan == Plan::GivenUp => {
                self.step = Step::GivingUp;
                Some((CALLER, Command::HangUp(caller?)))
            }
            Step::Ringing => {
                self.step = Step::Answered;
                Some((CALLEE, Command::Answer(callee?)))
            }
            Step::Talking if self.plan == Plan::Held && !self.was_held => {
                self.step = Step::Holding;
                // Whoever holds does not listen any more; the callee does until its phone has agreed.
                self.ears[CALLER].rest(now);
                Some((CALLER, Command::Hold(caller?)))
            }
            Step::OnHold => {
                self.step = Step::Resuming;
                Some((CALLER, Command::Resume(caller?)))
            }
            Step::Talking => {
                let side = if self.plan == Plan::EarlyMedia { CALLEE } else { CALLER };
                self.step = Step::HangingUp(side);
                self.ears.iter_mut().for_each(|ear| ear.rest(now));
                Some((side, Command::HangUp(self.lines[side]?)))
            }
            Step::Calling | Step::Answered | Step::Holding => None,
            Step::Resuming | Step::GivingUp | Step::HangingUp(_) => None,
        }
    }

    /// Whether it has lasted for longer than it can.
    pub(crate) fn is_overdue(&self, now: Moment) -> bool {
        self.due.is_none() && self.deadline() <= now
    }

    /// Something happened to a side; what the callee is to do at once.
    pub(crate) fn happened(&mut self, side: usize, event: &Event, now: Moment) -> Option<Command> {
        match event {
            Event::Incoming(line, _) => return self.rings(*line, now),
            Event::Ringing(_, status) => {
                if *status == Status::SESSION_PROGRESS {
                    self.ears[CALLER].listen(now);
                }
            }
            Event::Answered(line) => {
                self.lines[side] = Some(*line);
                if side == CALLER {
                    self.came_up(now);
                }
            }
            Event::Held(_, held) => self.held(*held, now),
            Event::NotHeld(_, status) => {
                self.wrong(now, format!("holding was refused with {}", status.code()))
            }
            Event::Over { refused, by_us, cause, .. } => self.ended(side, (*refused, *by_us, cause), now),
            Event::Registered(_) | Event::Unregistered | Event::NotRegistered(_) => {}
            Event::Server(_) | Event::Digit(..) | Event::Heard(..) => {}
        }
        None
    }

    fn rings(&mut self, line: CallNo, now: Moment) -> Option<Command> {
        self.lines[CALLEE] = Some(line);
        self.step = Step::Ringing;
        let long = match self.plan {
            Plan::LateAck | Plan::EarlyMedia => self.pace.linger(),
            Plan::SlowCallee | Plan::GivenUp | Plan::Held => RING,
        };
        self.due = Some(now.after(long));
        (self.plan == Plan::EarlyMedia).then_some(Command::SpeakEarly(line))
    }

    fn came_up(&mut self, now: Moment) {
        self.was_answered = true;
        self.step = Step::Talking;
        self.ears.iter_mut().for_each(|ear| ear.listen(now));
        let talk = self.pace.talk(self.plan);
        self.due = Some(now.after(if self.plan == Plan::Held { talk / 2 } else { talk }));
    }

    fn held(&mut self, held: bool, now: Moment) {
        match (self.step, held) {
            (Step::Holding, true) => {
                self.step = Step::OnHold;
                self.ears.iter_mut().for_each(|ear| ear.rest(now));
                self.due = Some(now.after(self.pace.linger()));
            }
            (Step::Resuming, false) => {
                self.step = Step::Talking;
                self.was_held = true;
                self.ears.iter_mut().for_each(|ear| ear.listen(now));
                self.due = Some(now.after(self.pace.talk(self.plan) / 2));
            }
            (step, _) => self.wrong(now, format!("held: {held} in {step:?}")),
        }
    }

    fn ended(&mut self, side: usize, (refused, by_us, cause): (Option<Status>, bool, &str), now: Moment) {
        self.over[side] = true;
        if self.step == Step::Calling {
            // The callee never heard of it, or never will.
            self.over[CALLEE] = true;
        }
        self.ears.iter_mut().for_each(|ear| ear.rest(now));
        let status = refused.map(Status::code);
        self.was_turned_away |= self.step == Step::Calling && status == Some(503);
        let is_planned = match self.step {
            Step::GivingUp => status == Some(487),
            Step::HangingUp(by) => status.is_none() && by_us == (by == side),
            _ => false,
        };
        if !is_planned {
            let who = ["caller", "callee"][side];
            let refused = status.map(|code| format!("{code} ")).unwrap_or_default();
            self.wrong(now, format!("{:?}: over at the {who}: {refused}{cause}", self.step));
        }
        self.due = None;
    }

    /// It is over, or given up: notes the silences that were too long, and what did not happen.
    pub(crate) fn close(&mut self, now: Moment) {
        for side in [CALLER, CALLEE] {
            let longest = self.ears[side].longest(now);
            if longest.long > MOST_SILENCE {
                let who = ["caller", "callee"][side];
                self.wrong(longest.until, format!("the {who} heard nothing for {:.1?}", longest.long));
            }
        }
        if !self.is_over() {
            self.wrong(now, format!("{:?}: it did not go on", self.step));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { calls: 20, rate: 4.0 };
    const LINE: CallNo = CallNo(1);

    fn at(millis: u64) -> Moment {
        Moment::from_micros(1_000_000_000 + millis * 1000)
    }

    fn dialed(plan: Plan) -> Call {
        Call::begin((plan, 0), Some(LINE), PACE, at(0))
    }

    fn over(refused: Option<Status>, by_us: bool) -> Event {
        let (quality, heard) = (phone::Quality::default(), Vec::new());
        Event::Over { call: LINE, refused, by_us, cause: "so it was".into(), quality, heard }
    }

    /// Both are up a second after the caller has dialed.
    fn up(plan: Plan) -> Call {
        let mut call = dialed(plan);
        call.happened(CALLEE, &Event::Incoming(LINE, String::new()), at(100));
        assert_eq!(call.act(at(5_000)), Some((CALLEE, Command::Answer(LINE))));
        assert_eq!(call.passing(), Some(Passing::NoAck));
        for side in [CALLEE, CALLER] {
            call.happened(side, &Event::Answered(LINE), at(1_000));
        }
        assert_eq!(call.passing(), None);
        call
    }

    fn causes(mut call: Call, now: Moment) -> Vec<String> {
        call.close(now);
        call.wrong.into_iter().map(|(_, what)| what).collect()
    }

    #[test]
    fn a_call_that_goes_as_planned_is_not_lost() {
        let mut call = up(Plan::EarlyMedia);
        for packet in 50..400 {
            call.ears.iter_mut().for_each(|ear| ear.heard(at(packet * 20)));
        }
        assert_eq!(call.act(at(8_000)), Some((CALLEE, Command::HangUp(LINE))));
        assert_eq!(call.passing(), Some(Passing::HangingUp));
        call.happened(CALLEE, &over(None, true), at(8_000));
        call.happened(CALLER, &over(None, false), at(8_100));
        assert!(call.is_over());
        assert_eq!(causes(call, at(8_100)), [""; 0]);
    }

    #[test]
    fn a_call_that_is_given_up_ends_with_487() {
        for (status, lost) in [(Status::REQUEST_TERMINATED, 0), (Status::SERVICE_UNAVAILABLE, 2)] {
            let mut call = dialed(Plan::GivenUp);
            call.happened(CALLEE, &Event::Incoming(LINE, String::new()), at(100));
            assert_eq!(call.act(at(1_000)), Some((CALLER, Command::HangUp(LINE))));
            for side in [CALLER, CALLEE] {
                call.happened(side, &over(Some(status), false), at(1_100));
            }
            assert_eq!(causes(call, at(1_200)).len(), lost, "{status:?}");
        }
    }

    #[test]
    fn a_refused_call_is_lost_and_over_for_both() {
        let mut call = dialed(Plan::Held);
        call.happened(CALLER, &over(Some(Status::SERVICE_UNAVAILABLE), false), at(50));
        assert!(call.is_over() && call.was_turned_away);
        assert_eq!(causes(call, at(50)), ["Calling: over at the caller: 503 so it was"]);
    }

    #[test]
    fn a_voice_that_is_away_for_over_two_seconds_is_a_lost_call() {
        let mut call = up(Plan::SlowCallee);
        call.ears[CALLEE].heard(at(2_900));
        for millis in [1_020, 3_030] {
            call.ears[CALLER].heard(at(millis));
        }
        call.act(at(4_000));
        for (side, by_us) in [(CALLER, true), (CALLEE, false)] {
            call.happened(side, &over(None, by_us), at(4_000));
        }
        assert!(causes(call, at(4_000)).is_empty(), "two seconds are borne");
        let mut call = up(Plan::SlowCallee);
        call.ears[CALLEE].heard(at(1_900));
        call.act(at(4_000));
        for (side, by_us) in [(CALLER, true), (CALLEE, false)] {
            call.happened(side, &over(None, by_us), at(4_000));
        }
        assert_eq!(
            causes(call, at(4_000)),
            ["the caller heard nothing for 3.0s", "the callee heard nothing for 2.1s"]
        );
    }

    #[test]
    fn a_call_that_does_not_end_is_lost() {
        let call = up(Plan::LateAck);
        let end = call.deadline();
        assert!(!call.is_overdue(at(20_000)), "it is to be hung up first");
        assert_eq!(causes(call, end).last().map(String::as_str), Some("Talking: it did not go on"));
    }
}
