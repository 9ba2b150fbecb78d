use std::collections::{BTreeMap, BTreeSet};

use contract::registration::Contact;
use machine::Moment;

use crate::binding::{self, Binding, Body, Clock};
use crate::keyed::{KeyedMap, Packed};

/// No more than so many bindings are looked at in one turn when their time comes, so that a crowd that ends
/// at once holds nobody up.
const PER_TURN: usize = 256;

/// The bindings of all shards of this thread, as bytes; their ends are known to the second.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    of: KeyedMap<Packed, Held>,
    /// Keys by the second at which they want to be looked at.
    due: BTreeMap<u32, Vec<Packed>>,
    contacts: usize,
    /// Some are kept that are not restored yet.
    incomplete: bool,
    /// Keys of which it is known meanwhile that nothing is kept under them.
    nothing: BTreeSet<u128>,
}

#[derive(Debug)]
struct Held {
    bytes: Box<[u8]>,
    /// The second under which the key stands in `due`. A refresh leaves it alone: when it comes, the key is
    /// put under its new second.
    wakes: u32,
}

/// What became of a binding whose time had come.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) key: u128,
    /// What is left of it; empty if nothing is.
    pub(crate) body: Vec<u8>,
}

impl Bindings {
    /// A look at the bindings under `key`.
    pub(crate) fn get(&self, key: u128) -> Option<Body<'_>> {
        Body::read(&self.of.get(&key.into())?.bytes)
    }

    /// Everything under `key`.
    pub(crate) fn binding(&self, key: u128) -> Option<Binding> {
        self.get(key)?.binding()
    }

    /// The bytes under `key`; empty if there are none.
    pub(crate) fn bytes(&self, key: u128) -> &[u8] {
        self.of.get(&key.into()).map_or(&[], |held| &held.bytes)
    }

    /// Where the user's phones are.
    pub(crate) fn contacts(&self, key: u128, now: Moment) -> Vec<Contact> {
        self.binding(key).map(|binding| binding.contacts(now)).unwrap_or_default()
    }

    /// Whether a phone is registered there.
    pub(crate) fn is_registered(&self, key: u128, now: Moment) -> bool {
        self.get(key).is_some_and(|body| body.clocks().any(|clock| clock.is_live(now)))
    }

    /// So many are kept that will be restored.
    pub(crate) fn expect(&mut self, count: usize) {
        self.of.reserve(count);
        self.incomplete = count > 0;
    }

    /// All that were kept are restored.
    pub(crate) fn complete(&mut self) {
        self.incomplete = false;
        self.nothing.clear();
    }

    /// Whether some are kept that are not restored yet.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Whether some may be kept under `key` that must be restored first.
    pub(crate) fn is_missed(&self, key: u128) -> bool {
        self.incomplete && !self.of.contains_key(&key.into()) && !self.nothing.contains(&key)
    }

    /// Takes back what was kept; none if empty. False if the bytes are none of ours.
    pub(crate) fn restore(&mut self, key: u128, bytes: Vec<u8>) -> bool {
        let is_nothing = bytes.is_empty();
        let is_taken = self.put(key, bytes);
        if self.incomplete && (is_nothing || !is_taken) {
            self.nothing.insert(key);
        }
        is_taken
    }

    /// Puts `bytes` in the place of what was there; none if empty. False if they are none of ours.
    pub(crate) fn put(&mut self, key: u128, bytes: Vec<u8>) -> bool {
        if bytes.is_empty() {
            self.remove(key);
            return true;
        }
        let Some(body) = Body::read(&bytes) else { return false };
        let (second, contacts) = (second_after(body.next_expiry()), body.clocks().len());
        let key = Packed::from(key);
        let held = Held { bytes: bytes.into_boxed_slice(), wakes: second };
        match self.of.get_mut(&key) {
            Some(old) => {
                self.contacts -= contacts_in(&old.bytes);
                let wakes = old.wakes;
                *old = held;
                if wakes <= second {
                    old.wakes = wakes;
                } else {
                    self.due.entry(second).or_default().push(key);
                }
            }
            None => {
                self.of.insert(key, held);
                self.due.entry(second).or_default().push(key);
            }
        }
        self.contacts += contacts;
        true
    }

    /// Sets one phone's clock.
    pub(crate) fn refresh(&mut self, key: u128, at: usize, clock: Clock) {
        let key = Packed::from(key);
        let Some(held) = self.of.get_mut(&key) else { return };
        binding::set_clock(&mut held.bytes, at, clock);
        let second = second_after(clock.expires);
        if second < held.wakes {
            held.wakes = second;
            self.due.entry(second).or_default().push(key);
        }
    }

    /// Forgets what is under `key`.
    pub(crate) fn remove(&mut self, key: u128) {
        if let Some(old) = self.of.remove(&key.into()) {
            self.contacts -= contacts_in(&old.bytes);
        }
    }

    /// When [`Bindings::expire`] wants to be called.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.due.first_key_value().map(|(&second, _)| Moment::from_secs(u64::from(second)))
    }

    /// Takes out the contacts whose time is over; each binding that has changed is told.
    pub(crate) fn expire(&mut self, now: Moment, ended: &mut Vec<Ended>) {
        for _ in 0..PER_TURN {
            let Some(mut first) = self.due.first_entry() else { return };
            if Moment::from_secs(u64::from(*first.key())) > now {
                return;
            }
            let second = *first.key();
            let Some(key) = first.get_mut().pop() else {
                first.remove();
                continue;
            };
            self.look_at(key, second, now, ended);
        }
    }

    fn look_at(&mut self, key: Packed, second: u32, now: Moment, ended: &mut Vec<Ended>) {
        let Some(held) = self.of.get_mut(&key) else { return };
        if held.wakes != second {
            return;
        }
        let next = Body::read(&held.bytes).map_or(Moment::NEVER, |body| body.next_expiry());
        if next > now {
            held.wakes = second_after(next);
            self.due.entry(held.wakes).or_default().push(key);
            return;
        }
        let left = Body::read(&held.bytes).and_then(|body| body.binding()).map(|mut binding| {
            binding.phones.retain(|phone| phone.clock.expires > now);
            binding.write()
        });
        let key = u128::from(key);
        let body = left.unwrap_or_default();
        self.remove(key);
        self.put(key, body.clone());
        ended.push(Ended { key, body });
    }

    /// How many addresses-of-record, and how many contacts.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.of.len(), self.contacts)
    }

    /// The keys of all addresses-of-record.
    pub(crate) fn keys(&self) -> impl Iterator<Item = u128> {
        self.of.keys().map(|&key| key.into())
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = Body<'_>> {
        self.of.values().filter_map(|held| Body::read(&held.bytes))
    }
}

fn contacts_in(bytes: &[u8]) -> usize {
    Body::read(bytes).map_or(0, |body| body.clocks().len())
}

/// The first whole second that is not before `moment`.
fn second_after(moment: Moment) -> u32 {
    u32::try_from(moment.as_micros().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}
