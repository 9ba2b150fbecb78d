use contract::billing::{Reserve, Reserved, Settle, Settled};
use contract::{CallId, Money, TenantId};
use ledger::{Posting, Purse, Rate, Reservation};
use machine::Moment;

/// What billing is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// May the call go on?
    Reserve(Reserve),
    /// The call is over: what did it cost?
    Settle(Settle),
}

/// Who pays: a user of a tenant.
pub type Payer = (TenantId, String);

/// What billing answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::Reserve`].
    Reserved(Reserved),
    /// To [`Question::Settle`].
    Settled(Settled),
}

/// An answer, with what must be in the books before it is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// What to say.
    pub answer: Answer,
    /// The call's reservation as it is now.
    pub reservation: Reservation,
    /// The money that moves.
    pub postings: Vec<Posting>,
    /// Whether anything changed: a repeat changes nothing.
    pub changed: bool,
}

impl Question {
    /// Which call it is about.
    pub fn call(&self) -> CallId {
        match self {
            Question::Reserve(reserve) => reserve.call,
            Question::Settle(settle) => settle.call,
        }
    }

    /// Who pays.
    pub fn payer(&self) -> (TenantId, &str) {
        match self {
            Question::Reserve(reserve) => (reserve.tenant, &reserve.account),
            Question::Settle(settle) => (settle.tenant, &settle.account),
        }
    }

    fn dialed(&self) -> &str {
        match self {
            Question::Reserve(reserve) => &reserve.dialed,
            Question::Settle(settle) => &settle.dialed,
        }
    }
}

/// Answers `question` from what is known: the call's reservation, if there is one, and the payer's purse.
pub fn decide(
    now: Moment,
    rate: &Rate,
    question: &Question,
    found: Option<Reservation>,
    purse: Purse,
) -> Decided {
    let fresh = || {
        let (tenant, account) = question.payer();
        let payer = (tenant, account.to_owned());
        Reservation::open(now, rate.clone(), question.call(), payer, question.dialed().to_owned())
    };
    let before = found.clone();
    let mut reservation = found.unwrap_or_else(fresh);
    let (answer, postings) = match question {
        Question::Reserve(ask) => {
            let (answer, postings) = reservation.reserve(now, ask, purse);
            (Answer::Reserved(answer), postings)
        }
        Question::Settle(ask) => {
            let (answer, postings) = reservation.settle(now, ask);
            (Answer::Settled(answer), postings)
        }
    };
    let changed = before.as_ref() != Some(&reservation);
    Decided { answer, reservation, postings, changed }
}

/// The answer where talking costs nothing, which leaves no trace in the books. Only for calls that have no
/// reservation of a time when it did cost.
pub fn offhand(rate: &Rate, question: &Question) -> Option<Answer> {
    if !rate.is_free() {
        return None;
    }
    let nothing = || Money { micros: 0, currency: rate.currency.clone() };
    Some(match question {
        Question::Reserve(ask) => {
            Answer::Reserved(Reserved::Granted { seconds: ask.seconds, amount: nothing() })
        }
        Question::Settle(_) => {
            Answer::Settled(Settled { reserved: nothing(), charged: nothing(), released: nothing() })
        }
    })
}
