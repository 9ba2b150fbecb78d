//! The bindings of an account that moves go to its new cell with it; its phones stay where they are.

use contract::account::{Found, LookUp};
use contract::registration::{Give, Given, Take, Taken};
use contract::sharding;
use machine::{Key, Moment, Outbox, Record};

use crate::accounts::Known;
use crate::binding::{Binding, Body, Phone};
use crate::exchange::{Exchange, Out};
use crate::kept;
use crate::questions::About;

impl Exchange {
    /// Says all that is known of a user's phones. If they are away from now on, who asks for them is sent there; what is
    /// here stays until it ends by itself, in case the answer gets lost and is asked for again.
    pub(crate) fn give(&mut self, asked: &Give, now: Moment, out: &mut Outbox<Out>) -> Given {
        if let Some(cell) = asked.away {
            let look_up = LookUp { tenant: asked.aor.tenant, name: asked.aor.user.clone() };
            self.learn(&look_up, &Found::Elsewhere { cell }, out, now);
            // What is being asked at the moment may be answered from before.
            self.questions.doubt(&About::Account(look_up));
        }
        Given { bindings: self.view.bindings.bytes(self.binding_key(&asked.aor)).to_vec() }
    }

    /// Takes what another cell knew of a user's phones. As long as the user lives there, that is all there is to know;
    /// else the newer word of each phone counts.
    pub(crate) fn take_bindings(&mut self, asked: &Take, now: Moment, out: &mut Outbox<Out>) -> Taken {
        let key = self.binding_key(&asked.aor);
        let Some(theirs) = read(asked) else { return Taken::default() };
        let account = self.view.accounts.key(asked.aor.tenant, asked.aor.user.as_bytes());
        let was_away = match self.view.accounts.find(account, now) {
            Known::Account(account) => account.cell().is_some(),
            Known::Nobody | Known::Unknown => false,
        };
        if was_away {
            self.forget_account(asked.aor.tenant, &asked.aor.user, out);
        }
        let ours = self.view.bindings.binding(key).filter(|_| !was_away).map(|ours| ours.phones);
        let phones = merge(ours.unwrap_or_default(), theirs.phones);
        let contacts = phones.iter().filter(|phone| phone.is_live(now)).count() as u32;
        let body = Binding { tenant: asked.aor.tenant, user: asked.aor.user.clone(), phones }.write();
        if body != self.view.bindings.bytes(key) {
            self.view.bindings.remove(key);
            self.view.bindings.put(key, body.clone());
            let shard = sharding::shard_of_key(key);
            out.keep(Record { tag: kept::BINDINGS, shard, key: Key(key), body });
        }
        Taken { understood: true, contacts }
    }
}

/// What came, if it is what it says.
fn read(asked: &Take) -> Option<Binding> {
    if asked.bindings.is_empty() {
        return Some(Binding::default());
    }
    Body::read(&asked.bindings)?.binding().filter(|binding| binding.aor() == asked.aor)
}

fn merge(ours: Vec<Phone>, theirs: Vec<Phone>) -> Vec<Phone> {
    let mut phones = ours;
    for phone in theirs {
        match phones.iter_mut().find(|known| known.uri == phone.uri) {
            Some(known) if is_newer(&phone, known) => *known = phone,
            Some(_) => {}
            None => phones.push(phone),
        }
    }
    phones.truncate(usize::from(u8::MAX));
    phones
}

/// Within one Call-ID, CSeq says it; else who is bound for longer was heard later.
fn is_newer(phone: &Phone, known: &Phone) -> bool {
    match phone.call_id == known.call_id {
        true => phone.clock.cseq > known.clock.cseq,
        false => phone.clock.expires > known.clock.expires,
    }
}
