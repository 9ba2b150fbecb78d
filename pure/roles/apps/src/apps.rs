use contract::app::Happened;
use contract::query::{Gauge, Gauges};
use contract::{Conversation, Envelope, Kind, Role, decode};
use machine::{Machine, Moment, Outbox};

use crate::decide::decide;

/// The verb under which every role tells how it does.
const GAUGE: &str = "gauge";

/// Answers events with instructions. Holds no state of any call: an app's position comes with the event and
/// goes back with the instructions, so this machine may die between any two events.
#[derive(Debug, Default)]
pub struct Apps {
    events: u64,
    unreadable: u64,
}

impl Apps {
    /// The built-in apps.
    pub fn new() -> Self {
        Self::default()
    }

    fn gauges(&self) -> Gauges {
        let values = vec![
            ("app_events_total".to_owned(), self.events as f64),
            ("app_events_unreadable_total".to_owned(), self.unreadable as f64),
        ];
        Gauges { values }
    }
}

impl Machine for Apps {
    type In = Envelope;
    type Out = Envelope;

    fn handle(&mut self, _now: Moment, asked: Envelope, out: &mut Outbox<Envelope>) {
        if asked.kind != Kind::Request {
            return;
        }
        match asked.subject.split_once('.') {
            Some((role, verb)) if role == Role::Apps.name() && verb == Happened::SUBJECT.verb => {
                match decode::<Happened>(&asked.body) {
                    Ok(happened) => {
                        self.events += 1;
                        out.emit(Envelope::answer::<Happened>(asked.id, &decide(&happened)));
                    }
                    Err(_) => self.unreadable += 1,
                }
            }
            Some((_, GAUGE)) => out.emit(Envelope::answer::<Gauge>(asked.id, &self.gauges())),
            Some(_) | None => self.unreadable += 1,
        }
    }

    fn expire(&mut self, _now: Moment, _out: &mut Outbox<Envelope>) {}

    fn next_deadline(&self) -> Option<Moment> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::app::{Event, Instruction, Instructions};

    fn ask(app: &str, event: Event) -> Instructions {
        let happened = Happened { app: app.into(), event, ..Happened::default() };
        let mut out = Outbox::new();
        Apps::new().handle(Moment::START, Envelope::request(7, None, &happened), &mut out);
        let [answer] = &out.emit[..] else { panic!("one answer, not {:?}", out.emit) };
        assert_eq!((answer.kind, answer.id), (Kind::Answer, 7));
        decode(&answer.body).unwrap()
    }

    #[test]
    fn an_offered_call_is_answered() {
        let offered = Event::Offered { caller: "alice".into(), dialed: "600".into() };
        assert_eq!(ask("echo", offered).instructions, [Instruction::Answer]);
    }

    #[test]
    fn an_app_that_nobody_knows_refuses_the_call() {
        let offered = Event::Offered { caller: "alice".into(), dialed: "600".into() };
        assert_eq!(ask("fax", offered).instructions, [Instruction::Refuse { status: 404 }]);
    }

    #[test]
    fn rubbish_and_strange_subjects_are_counted_and_not_answered() {
        let mut apps = Apps::new();
        let mut out = Outbox::new();
        let mut rubbish = Envelope::request(1, None, &Happened::default());
        rubbish.body = vec![0xc1];
        apps.handle(Moment::START, rubbish, &mut out);
        let strange = Envelope { subject: "apps.dance".into(), ..Envelope::default() };
        apps.handle(Moment::START, strange, &mut out);
        assert!(out.emit.is_empty());
        assert_eq!(apps.unreadable, 2);
    }
}
