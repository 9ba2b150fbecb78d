//! Who lives in another cell: what comes from him is handed on to there, and who calls him asks there.

use call::{Answer, Route, Wanted};
use contract::registration::{Reach, Reached};
use contract::{CellId, Envelope, sharding};
use machine::{Moment, Outbox, Shard};
use sip::{Edit, Message, Method, Name, Status};

use crate::decide::{Decision, Question, Reply};
use crate::destination::{self, Way};
use crate::exchange::{Exchange, Out};
use crate::questions::About;
use crate::request::{Home, Request};
use crate::view::View;
use crate::waiting::Waiter;

/// A parameter of our Via: how often a message was handed from cell to cell.
const HANDED: &str = "handed";
/// So often at most: cells that send it to and fro do not agree on who has the account.
const MOST_HANDED: u8 = 3;
/// So many cells are asked at most where a call leads.
const MOST_ASKED: u8 = 4;
/// So many INVITEs that were handed on are remembered, to hand their CANCELs on, too.
pub(crate) const REMEMBERED: usize = 20_000;
const OUT_OF_REACH: &str = "cell out of reach";

/// Which other cells answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cells(u16);

impl Cells {
    /// Those of these numbers.
    pub fn of(cells: impl IntoIterator<Item = CellId>) -> Self {
        Cells(cells.into_iter().filter(|&cell| cell <= CellId::MOST).fold(0, |all, cell| all | 1 << cell.0))
    }

    /// Whether `cell` answers.
    pub fn reaches(self, cell: CellId) -> bool {
        cell <= CellId::MOST && self.0 & 1 << cell.0 != 0
    }

    /// How many do.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }
}

/// Where a request goes whose sender lives in another cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elsewhere {
    pub(crate) cell: CellId,
    /// Under which the account is remembered.
    pub(crate) account: u128,
    pub(crate) shard: Shard,
}

/// A call asks another cell where what was dialed leads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reaching {
    pub(crate) call: contract::CallId,
    pub(crate) wanted: Wanted,
    pub(crate) cell: CellId,
    pub(crate) name: String,
}

impl Reaching {
    /// What is asked, and of whom.
    pub(crate) fn envelope(&self, id: u64, hash: &machine::KeyedHash) -> Envelope {
        let asked = Reach { tenant: self.wanted.tenant, name: self.name.clone() };
        let shard = sharding::binding_shard(hash, asked.tenant, asked.name.as_bytes());
        Envelope::request(id, Some(shard.of_cell(self.cell)), &asked)
    }
}

/// What becomes of a request of `account`, who lives in `cell`: its owner there decides. What another cell handed to us
/// is not handed on before our office has said once more where the account is: of two that differ one is wrong.
pub(crate) fn hand_on(
    request: &Request<'_>,
    home: Home<'_>,
    (cell, account): (CellId, u128),
    view: &View,
    now: Moment,
) -> Decision {
    let handed = handed(request.message);
    if handed >= MOST_HANDED {
        return Reply::new(Status::SERVICE_UNAVAILABLE).because("Account Is Moving").into();
    }
    if handed > 0
        && let Some(look_up) = view.accounts.stale(account, now)
    {
        return Decision::Ask(Question::Account(look_up));
    }
    let hash = view.mint.hash();
    let shard = match request.method {
        Method::Register => sharding::binding_shard(hash, home.id, request.name()),
        _ => sharding::call_shard(hash, request.call_id),
    };
    Decision::Elsewhere(Elsewhere { cell, account, shard: shard.of_cell(cell) })
}

/// A CANCEL of no call of ours goes where its INVITE went: that is remembered, or (by a successor) known by who calls.
pub(crate) fn cancel(request: &Request<'_>, view: &View, now: Moment) -> Option<Decision> {
    let invite = view.calls.invite(request);
    let by_name = || {
        let home = crate::tenancy::find(request, view).ok()?;
        let key = view.accounts.key(home.id, request.from.uri.user?);
        match view.accounts.find(key, now) {
            crate::accounts::Known::Account(account) => account.cell(),
            crate::accounts::Known::Nobody | crate::accounts::Known::Unknown => None,
        }
    };
    let cell = view.handed.get(invite.into()).copied().or_else(by_name)?;
    if handed(request.message) >= MOST_HANDED {
        return None;
    }
    let shard = sharding::call_shard(view.mint.hash(), request.call_id).of_cell(cell);
    Some(Decision::Elsewhere(Elsewhere { cell, account: 0, shard }))
}

/// How often cells have handed this on.
fn handed(message: &Message<&[u8]>) -> u8 {
    let read = || message.top_via().ok()?.params.get_str(HANDED)?.parse().ok();
    read().unwrap_or_default()
}

/// The message with one more of it.
fn handed_once_more(message: &Message<&[u8]>) -> Vec<u8> {
    let top = message.first_value(Name::Via).unwrap_or_default();
    let is_mark = |param: &&[u8]| param.trim_ascii().starts_with(b"handed=");
    let kept = top.split(|&byte| byte == b';').filter(|param| !is_mark(param)).collect::<Vec<_>>();
    let mut via = kept.join(&b';');
    via.extend_from_slice(format!(";{HANDED}={}", handed(message) + 1).as_bytes());
    let mut bytes = Vec::new();
    Edit::new(message).replace_first_value(Name::Via, &via).write(&mut bytes);
    bytes
}

fn out_of_reach() -> Route {
    Route::Refuse { status: Status::TEMPORARILY_UNAVAILABLE, cause: OUT_OF_REACH.into() }
}

impl Exchange {
    /// These cells answer now, and no others. Who waits for one that does not is refused at once.
    pub(crate) fn learn_cells(&mut self, cells: Cells, now: Moment, out: &mut Outbox<Out>) {
        self.view.cells = cells;
        for (id, reaching) in self.questions.of_cells(|cell| !cells.reaches(cell)) {
            self.close(id);
            self.cut_off(reaching, now, out);
        }
    }

    /// A call wants somebody in a cell that does not answer.
    pub(crate) fn cut_off(&mut self, reaching: Reaching, now: Moment, out: &mut Outbox<Out>) {
        self.counters.out_of_reach += 1;
        self.tell(
            reaching.call,
            Answer::Route { serial: reaching.wanted.serial, route: out_of_reach() },
            now,
            out,
        );
    }

    /// Brings a request to its owner in another cell; where that is out of reach, its sender may try another server.
    pub(crate) fn hand_elsewhere(
        &mut self,
        message: &Message<&[u8]>,
        to: Elsewhere,
        now: Moment,
        out: &mut Outbox<Out>,
    ) {
        if !self.view.cells.reaches(to.cell) {
            self.counters.out_of_reach += 1;
            let reply = Reply::new(Status::SERVICE_UNAVAILABLE).because("Cell Out Of Reach");
            return self.reply(message, &reply, out);
        }
        if message.method() == Some(Method::Invite)
            && let Some(invite) = self.view.invite_of(message)
        {
            self.view.handed.insert(invite.into(), to.cell);
        }
        self.counters.handed_on += 1;
        out.emit(Out::Forward { shard: to.shard, bytes: handed_once_more(message) });
        if handed(message) == 0 {
            self.confirm(to.account, now, out);
        }
    }

    /// Asks another cell where a call leads; what is known at once comes back.
    pub(crate) fn reach(&mut self, reaching: Reaching, now: Moment, out: &mut Outbox<Out>) -> Option<Route> {
        if !self.view.cells.reaches(reaching.cell) || reaching.wanted.cells >= MOST_ASKED {
            self.counters.out_of_reach += 1;
            return Some(out_of_reach());
        }
        let wanted = Wanted { cells: reaching.wanted.cells + 1, ..reaching.wanted };
        self.ask(About::Reach(Box::new(Reaching { wanted, ..reaching })), now, out);
        None
    }

    /// Another cell has said where a call leads.
    pub(crate) fn reached(
        &mut self,
        reaching: Reaching,
        reached: Reached,
        now: Moment,
        out: &mut Outbox<Out>,
    ) {
        let (call, serial) = (reaching.call, reaching.wanted.serial);
        let route = match reached {
            Reached::User { name, contacts } => Some(Route::Ring { to: name, contacts }),
            Reached::App { name } => Some(Route::App { name }),
            Reached::Refused { status, cause } => {
                let status = Status::new(status).filter(|status| status.class() > 3);
                Some(Route::Refuse { status: status.unwrap_or(Status::TEMPORARILY_UNAVAILABLE), cause })
            }
            Reached::Leads { name } => self.reach(Reaching { name, ..reaching }, now, out),
            // It has come home to us meanwhile: our office knows.
            Reached::Elsewhere { cell } if cell == self.view.mint.cell() => {
                let Reaching { wanted, name, .. } = reaching;
                self.forget_account(wanted.tenant, &name, out);
                self.forget_account(wanted.tenant, &wanted.dialed, out);
                if wanted.cells < MOST_ASKED {
                    self.route(call, wanted, now, out)
                } else {
                    Some(out_of_reach())
                }
            }
            Reached::Elsewhere { cell } => self.reach(Reaching { cell, ..reaching }, now, out),
            Reached::Unknown => Some(out_of_reach()),
        };
        if let Some(route) = route {
            self.tell(call, Answer::Route { serial, route }, now, out);
        }
    }

    /// Another cell asks where what was dialed leads. If we don't know yet, it is answered as soon as we do.
    pub(crate) fn asked_to_reach(
        &mut self,
        envelope: &Envelope,
        asked: Reach,
        now: Moment,
        out: &mut Outbox<Out>,
    ) {
        let account = self.view.accounts.key(asked.tenant, asked.name.as_bytes());
        self.confirm(account, now, out);
        let wanted = Wanted { tenant: asked.tenant, dialed: asked.name, ..Wanted::default() };
        let reached = match destination::route(&wanted, &self.view, now) {
            Way::Found(Route::App { name }) => Reached::App { name },
            Way::Found(Route::Refuse { status, cause }) => Reached::Refused { status: status.code(), cause },
            Way::Found(Route::Ring { to, contacts }) => Reached::User { name: to, contacts },
            Way::Elsewhere(cell, _) => Reached::Elsewhere { cell },
            Way::Phones(aor) => {
                let key = self.binding_key(&aor);
                match self.owns(sharding::shard_of_key(key)) && !self.view.bindings.is_missed(key) {
                    true => Reached::User { name: aor.user, contacts: self.view.bindings.contacts(key, now) },
                    false => Reached::Leads { name: aor.user },
                }
            }
            Way::Ask(question) => {
                let about = About::from(question);
                self.waiting.asked(self.questions.id(&about), envelope.clone());
                return self.ask(about, now, out);
            }
        };
        out.emit(Out::Bus(Envelope::answer::<Reach>(envelope.id, &reached)));
    }

    /// Nobody here could say where it leads.
    pub(crate) fn can_not_say(&self, envelope: &Envelope, out: &mut Outbox<Out>) {
        let (status, cause) = (Status::SERVICE_UNAVAILABLE.code(), "accounts out of reach".to_owned());
        out.emit(Out::Bus(Envelope::answer::<Reach>(envelope.id, &Reached::Refused { status, cause })));
    }

    /// A question of another cell that waited for an answer is decided again.
    pub(crate) fn asked_again(&mut self, waiter: Waiter, now: Moment, out: &mut Outbox<Out>) {
        if let Waiter::Asked(envelope) = waiter
            && let Ok(asked) = contract::decode(&envelope.body)
        {
            self.asked_to_reach(&envelope, asked, now, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_tells_how_often_it_was_handed_on_and_nothing_else_of_it_changes() {
        let text = "REGISTER sip:red.example SIP/2.0\r\nVia: SIP/2.0/UDP edge;branch=z9hG4bKa.b\r\n\
            Via: SIP/2.0/UDP phone;branch=z9hG4bKx;handed=9\r\nFrom: <sip:a@red.example>;tag=1\r\n\
            To: <sip:a@red.example>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n";
        let once = handed_once_more(&Message::parse(text.as_bytes()).unwrap());
        let twice = handed_once_more(&Message::parse(&once[..]).unwrap());
        assert_eq!(handed(&Message::parse(text.as_bytes()).unwrap()), 0);
        assert_eq!(handed(&Message::parse(&twice[..]).unwrap()), 2);
        let expected = text.replace("a.b\r\n", "a.b;handed=2\r\n");
        assert_eq!(String::from_utf8(twice).unwrap(), expected);
    }

    #[test]
    fn cells_are_reached_by_their_numbers() {
        let cells = Cells::of([CellId(1), CellId(15), CellId(200)]);
        let reached = (0..=255).filter(|&cell| cells.reaches(CellId(cell))).collect::<Vec<_>>();
        assert_eq!((reached, cells.count()), (vec![1, 15], 2));
    }
}
