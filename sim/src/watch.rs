use std::collections::BTreeMap;
use std::time::Duration;

use contract::CallId;
use machine::Moment;
use phone::CallNo;

use crate::handset::Handset;
use crate::wire::Conditions;

/// How long a 2xx is sent again when no ACK comes, and a BYE when no answer comes: 64 times T1 (RFC 3261,
/// 13.3.1.4 and 17.1.2.2).
pub(crate) const PATIENCE: Duration = Duration::from_secs(32);
/// How long two who offer at once wait for each other (RFC 3261 14.1), and how long it takes to find out that a
/// host does not answer.
const GLARE: Duration = Duration::from_secs(10);
/// What is decided and said at once comes about within this, and the time that it travels.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A phone, and its number of the call.
type Talker = (usize, CallNo);

/// Sees which phones believe that they talk, and for how long they may when that is not so.
///
/// A phone may be wrong as long as the word that would tell it better is on its way: that is a journey if
/// nothing gets lost. On a wire that loses, a callee's 2xx may stay unheard for 64*T1, after which it says BYE
/// itself (RFC 3261, 13.3.1.4); and our BYE may stay unheard for as long again. Whose connection was cut and
/// who can't be connected to can't be told at all, and finds out by its session timer. Time in which the
/// platform is not there does not count.
#[derive(Debug)]
pub(crate) struct Watch {
    /// From when to when the platform was not there.
    outages: Vec<(Moment, Moment)>,
    is_lossless: bool,
    /// Phones of calls that a power loss has ended may still send audio, to ports that are others' now.
    pub(crate) is_haunted: bool,
    slowest: Duration,
    talking: BTreeMap<CallId, Vec<Talker>>,
    /// Two callees of these calls believe to talk, and since when.
    doubles: BTreeMap<CallId, Moment>,
    /// Who talks in a call that is recorded to be over, and since when.
    deceived: BTreeMap<Talker, Moment>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Watch {
            outages: Vec::new(),
            is_lossless: true,
            is_haunted: false,
            slowest: Conditions::GOOD.delay,
            talking: BTreeMap::new(),
            doubles: BTreeMap::new(),
            deceived: BTreeMap::new(),
        }
    }

    pub(crate) fn weather(&mut self, conditions: Conditions) {
        self.is_lossless &= conditions.loss == 0;
        self.slowest = self.slowest.max(conditions.delay + conditions.jitter);
    }

    /// The platform, or a part of it, is not there for so long.
    pub(crate) fn outage(&mut self, now: Moment, time: Duration) {
        self.outages.push((now, now.after(time)));
        self.outages.sort_unstable();
    }

    /// How much of this time the platform was there.
    fn served(&self, from: Moment, to: Moment) -> Duration {
        if to <= from {
            return Duration::ZERO;
        }
        let (mut served, mut at) = (Duration::ZERO, from);
        for &(begin, end) in &self.outages {
            let (begin, end) = (begin.clamp(at, to), end.clamp(at, to));
            served += begin.since(at);
            at = end;
        }
        served + to.since(at)
    }

    /// How long this phone may believe what is not so; none: there is no limit.
    fn grace(&self, phone: &Handset) -> Option<Duration> {
        let journey = AT_ONCE + 3 * self.slowest;
        match (phone.is_connected, phone.was_cut) {
            (true, true) => None,
            (true, false) => Some(journey),
            (false, _) if self.is_lossless => Some(journey),
            (false, _) => Some(2 * PATIENCE + journey),
        }
    }

    /// Whether what a callee said at `from` may have been unheard at `to`.
    pub(crate) fn may_be_unheard(&self, phone: &Handset, from: Moment, to: Moment) -> bool {
        let journey = AT_ONCE + 3 * self.slowest;
        let limit = if self.is_lossless { journey } else { PATIENCE + journey };
        phone.was_cut || self.served(from, to) <= limit
    }

    /// Whether whoever is told that it is over, or that another was faster, is told before anything is heard. If
    /// its 2xx is unheard for a while, media may take its audio for the answerer's.
    pub(crate) fn is_told_at_once(&self, phone: &Handset) -> bool {
        self.is_lossless && !self.is_haunted && !phone.was_cut
    }

    /// Whether so long a difference is no more than what travels takes.
    pub(crate) fn is_short(&self, phone: &Handset, from: Moment, to: Moment) -> bool {
        self.grace(phone).is_none_or(|grace| self.served(from, to) <= grace)
    }

    /// Whether a phone may still speak to a media host that died at `lost`: it is told at once, or a little later
    /// if it had something else to say at that moment.
    pub(crate) fn may_not_know(&self, phone: &Handset, lost: Moment, now: Moment) -> bool {
        let limit = GLARE + 6 * self.slowest + if self.is_lossless { Duration::ZERO } else { 2 * PATIENCE };
        phone.was_cut || self.is_haunted || self.served(lost, now) <= limit
    }

    /// A phone takes part in a call from now on.
    pub(crate) fn talks(&mut self, now: Moment, who: Talker, callee_of: Option<CallId>, is_recorded: bool) {
        if is_recorded {
            self.deceived.insert(who, now);
        }
        let Some(call) = callee_of else { return };
        let talking = self.talking.entry(call).or_default();
        talking.push(who);
        if talking.len() > 1 {
            self.doubles.entry(call).or_insert(now);
        }
    }

    /// A phone that talks does so in a call that is recorded now.
    pub(crate) fn is_deceived(&mut self, now: Moment, who: Talker) {
        self.deceived.entry(who).or_insert(now);
    }

    /// A phone does not talk any more: its call is over for it, or it died.
    pub(crate) fn is_silent(&mut self, gone: impl Fn(Talker) -> bool) {
        self.deceived.retain(|who, _| !gone(*who));
        let doubles = &mut self.doubles;
        self.talking.retain(|call, talking| {
            talking.retain(|who| !gone(*who));
            if talking.len() < 2 {
                doubles.remove(call);
            }
            !talking.is_empty()
        });
    }

    /// Whether two callees believe to talk in this call.
    pub(crate) fn is_double(&self, call: CallId) -> bool {
        self.doubles.contains_key(&call)
    }

    /// After each step: nobody is wrong for longer than can be helped.
    pub(crate) fn check(&self, now: Moment, phones: &[Handset]) {
        for (call, &since) in &self.doubles {
            let talking = &self.talking[call];
            let limits = talking.iter().map(|(phone, _)| self.grace(&phones[*phone]));
            let limit = limits.reduce(|one, other| Some(one?.max(other?))).flatten();
            assert!(
                limit.is_none_or(|limit| self.served(since, now) <= limit),
                "two callees have talked in {call:?} since {since:?}: {talking:?}"
            );
        }
        for (&(phone, call), &since) in &self.deceived {
            let handset = &phones[phone];
            assert!(
                self.is_short(handset, since, now),
                "recorded as over, and phone {phone} still talks since {since:?}: {:?}",
                handset.lines[&call]
            );
        }
    }
}
