//! The bus of the media worker. One thread has it; the others hear and speak through that one.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};

use bus::{Mailbox, Peer};
use contract::media::{Anchor, Gauge, Release};
use contract::{CallId, Conversation, DecodeError, Envelope, Kind, Role};
use media::{Ask, In};
use strowger_io::Waker;

/// Something for the bus.
#[derive(Debug)]
pub(crate) enum Said {
    /// To whoever asked.
    Answer(Peer, Envelope),
    /// To the owner of a shard.
    Notice(Envelope),
}

/// Something for a thread.
#[derive(Debug)]
pub(crate) struct Work {
    from: Peer,
    id: u64,
    what: Request,
}

#[derive(Debug)]
enum Request {
    Anchor(Anchor),
    Release(Release),
    Gauge,
}

#[derive(Debug)]
struct Colleague {
    work: Sender<Work>,
    waker: Waker,
}

#[derive(Debug)]
enum Place {
    Front { mailbox: Box<dyn Mailbox + Send>, colleagues: Vec<Colleague>, said: Receiver<Said> },
    Back { work: Receiver<Work>, said: Sender<Said>, front: Waker },
}

/// Where a thread hears what is wished, and says what it has to say.
#[derive(Debug)]
pub(crate) struct Desk {
    place: Place,
    asked: BTreeMap<Ask, (Peer, u64)>,
    next: u64,
}

/// The desks of as many threads as there are wakers. The first one has the bus.
pub(crate) fn desks(mailbox: Box<dyn Mailbox + Send>, wakers: &[Waker]) -> strowger_io::Result<Vec<Desk>> {
    let (said, from_colleagues) = channel();
    let (mut colleagues, mut backs) = (Vec::new(), Vec::new());
    for waker in wakers.iter().skip(1) {
        let (work, to_do) = channel();
        colleagues.push(Colleague { work, waker: waker.duplicate()? });
        let front = wakers[0].duplicate()?;
        backs.push(Place::Back { work: to_do, said: said.clone(), front });
    }
    let front = Place::Front { mailbox, colleagues, said: from_colleagues };
    let desk = |place| Desk { place, asked: BTreeMap::new(), next: 0 };
    Ok(std::iter::once(front).chain(backs).map(desk).collect())
}

impl Desk {
    /// The bus, if it is ours.
    pub(crate) fn mailbox(&self) -> Option<&(dyn Mailbox + Send)> {
        match &self.place {
            Place::Front { mailbox, .. } => Some(&**mailbox),
            Place::Back { .. } => None,
        }
    }

    /// Takes everything that came.
    pub(crate) fn collect(&mut self, inputs: &mut Vec<In>) {
        let work = match &mut self.place {
            Place::Front { mailbox, colleagues, said } => front(&mut **mailbox, colleagues, said),
            Place::Back { work, .. } => work.try_iter().collect(),
        };
        for Work { from, id, what } in work {
            self.next += 1;
            let ask = Ask(self.next);
            self.asked.insert(ask, (from, id));
            inputs.push(match what {
                Request::Anchor(wish) => In::Anchor { ask, wish },
                Request::Release(release) => In::Release { ask, release },
                Request::Gauge => In::Gauge { ask },
            });
        }
    }

    /// Answers; whoever has died meanwhile will ask again.
    pub(crate) fn answer<C: Conversation>(&mut self, ask: Ask, answer: &C::Answer) {
        if let Some((peer, id)) = self.asked.remove(&ask) {
            self.say(Said::Answer(peer, Envelope::answer::<C>(id, answer)));
        }
    }

    pub(crate) fn notice(&mut self, notice: Envelope) {
        self.say(Said::Notice(notice));
    }

    fn say(&mut self, what: Said) {
        match &mut self.place {
            Place::Front { mailbox, .. } => say(&mut **mailbox, what),
            Place::Back { said, front, .. } => {
                // It fails only when the front has left, and then all of us are leaving.
                let _ = said.send(what);
                front.wake();
            }
        }
    }

    /// Lets go what was said.
    pub(crate) fn flush(&mut self) {
        if let Place::Front { mailbox, .. } = &mut self.place {
            mailbox.flush();
        }
    }
}

fn say(mailbox: &mut dyn Mailbox, what: Said) {
    let sent = match what {
        Said::Answer(peer, answer) => mailbox.answer(peer, &answer),
        Said::Notice(notice) => mailbox.send(&notice),
    };
    if let Err(error) = sent {
        tracing::debug!(%error, "not said");
    }
}

fn front(mailbox: &mut dyn Mailbox, colleagues: &[Colleague], said: &Receiver<Said>) -> Vec<Work> {
    let mut mine = Vec::new();
    mailbox.ready();
    while let Some(received) = mailbox.receive() {
        let (from, envelope) = (received.from, received.envelope);
        let what = match read(&envelope) {
            Ok(Some(what)) => what,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(subject = envelope.subject, %error, "not understood");
                continue;
            }
        };
        let work = Work { from, id: envelope.id, what };
        match work.what.call().and_then(|call| colleagues.get(thread_of(call, colleagues.len() + 1)?)) {
            Some(colleague) => {
                let _ = colleague.work.send(work);
                colleague.waker.wake();
            }
            None => mine.push(work),
        }
    }
    said.try_iter().for_each(|what| say(mailbox, what));
    mine
}

/// Which colleague has a call; `None`: the front itself.
fn thread_of(call: CallId, threads: usize) -> Option<usize> {
    // Numbers of calls may have a pattern.
    let mixed = call.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    (mixed as usize % threads).checked_sub(1)
}

impl Request {
    fn call(&self) -> Option<CallId> {
        match self {
            Request::Anchor(wish) => Some(wish.call),
            Request::Release(release) => Some(release.call),
            Request::Gauge => None,
        }
    }
}

fn read(envelope: &Envelope) -> Result<Option<Request>, DecodeError> {
    if envelope.kind != Kind::Request {
        return Ok(None);
    }
    let body = &envelope.body;
    Ok(match envelope.subject.split_once('.') {
        Some((role, verb)) if role == Role::Media.name() => match verb {
            _ if verb == Anchor::SUBJECT.verb => Some(Request::Anchor(contract::decode(body)?)),
            _ if verb == Release::SUBJECT.verb => Some(Request::Release(contract::decode(body)?)),
            _ if verb == Gauge::SUBJECT.verb => Some(Request::Gauge),
            _ => None,
        },
        _ => None,
    })
}
