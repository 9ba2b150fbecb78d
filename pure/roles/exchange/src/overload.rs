//! What is shed when there is more than we can do, in order of worth: strangers first, then refreshes, then
//! new calls of registered phones; never what is inside a dialog, nor an emergency.

use std::time::Duration;

use machine::Moment;
use sip::{Method, Name, Status};

use crate::authentication;
use crate::decide::{Decision, Reply};
use crate::hashes;
use crate::request::{HostText, Request};
use crate::settings::Overload;
use crate::view::View;

/// How long messages wait, and whether that is an overload. Once is none: a processor was away, memory was slow. It
/// begins when all that is looked at has waited too long for a while, and ends when nothing has for longer (as
/// CoDel tells a queue that stands from one that is being emptied, RFC 8289).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pressure {
    waited: Duration,
    /// Too long.
    is_long: bool,
    /// Since when it is, or is not.
    since: Moment,
    is_overload: bool,
    /// Other shards came: until then accounts that live in those of others may be strange to us.
    learns_until: Moment,
}

/// So long it takes until most of those who call have been asked about once.
const LEARNS: Duration = Duration::from_secs(10);

impl Pressure {
    /// So long did messages wait that were looked at now.
    pub(crate) fn feel(&mut self, waited: Duration, limits: &Overload, now: Moment) {
        let is_long = waited >= limits.strangers;
        if !self.is_long && now.since(self.since) >= limits.over {
            self.is_overload = false;
        }
        if is_long != self.is_long {
            self.since = now;
        }
        self.is_overload |= is_long && now.since(self.since) >= limits.after;
        (self.waited, self.is_long) = (waited, is_long);
    }

    /// Other shards are ours from now on: whose phones call in them is not known here.
    pub(crate) fn learn(&mut self, now: Moment) {
        self.learns_until = now.after(LEARNS);
    }

    fn is_learning(&self, now: Moment) -> bool {
        now < self.learns_until
    }

    /// How long messages wait in an overload.
    fn waited(&self) -> Option<Duration> {
        (self.is_overload && self.is_long).then_some(self.waited)
    }
}

/// What a request is worth under overload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    Stranger,
    Refresh,
    Call,
    Emergency,
}

/// Refuses what is not worth its work just now, with 503 and a Retry-After that differs from phone to phone.
pub(crate) fn shed(request: &Request<'_>, view: &View, now: Moment) -> Result<(), Decision> {
    let limits = &view.settings.overload;
    let Some(waited) = view.pressure.waited() else { return Ok(()) };
    let (from, to) = match worth(request, view, now) {
        Worth::Stranger => (limits.strangers, limits.refreshes),
        Worth::Refresh => (limits.refreshes, limits.calls),
        Worth::Call => (limits.calls, limits.all),
        Worth::Emergency => return Ok(()),
    };
    // A retransmission draws the same lot as its original.
    let lot = view.mint.hash().sum64(hashes::LOT, &[request.call_id, &request.cseq.number.to_le_bytes()]);
    if lot % 1000 < share(waited, from, to) { Err(later(view, lot).into()) } else { Ok(()) }
}

/// How many of a thousand are shed: none at `from`, all at `to`.
fn share(waited: Duration, from: Duration, to: Duration) -> u64 {
    let over = waited.saturating_sub(from).as_micros();
    let range = to.saturating_sub(from).as_micros().max(1);
    u64::try_from(over * 1000 / range).unwrap_or(u64::MAX).min(1000)
}

/// 503, to come back after a while.
pub(crate) fn later(view: &View, lot: u64) -> Reply {
    let least = view.settings.overload.retry_after.as_secs().max(1);
    let after = least + (lot >> 32) % (least + 1);
    Reply::new(Status::SERVICE_UNAVAILABLE).with(Name::RetryAfter, after.to_string())
}

fn worth(request: &Request<'_>, view: &View, now: Moment) -> Worth {
    let emergency = &view.settings.overload.emergency;
    if request.method == Method::Invite && emergency.contains(&request.dialed()) {
        return Worth::Emergency;
    }
    let known = authentication::has_nonce(request, view, now) || is_registered(request, view, now);
    match request.method {
        _ if !known => Worth::Stranger,
        // Who asks whether we are there can ask again.
        Method::Register | Method::Options => Worth::Refresh,
        _ => Worth::Call,
    }
}

/// Whether the one it comes from has a phone here. With several threads, the binding may be another's: then
/// we know the account at least, or not yet. As long as not all is restored, everyone may have one.
fn is_registered(request: &Request<'_>, view: &View, now: Moment) -> bool {
    if view.bindings.is_incomplete() {
        return true;
    }
    let from = HostText::from(request.from.uri.host);
    let Some(domains) = &view.domains else { return true };
    let Some(tenant) = domains.tenant(&[from.as_bytes()]) else { return false };
    let user = request.from.uri.user.unwrap_or_default();
    let key = contract::sharding::binding_key(view.mint.hash(), tenant.id, user);
    if view.settings.owned.owns(contract::sharding::shard_of_key(key)) {
        view.bindings.is_registered(key, now)
    } else {
        view.pressure.is_learning(now) || view.accounts.has(view.accounts.key(tenant.id, user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waited_once_is_no_overload_and_who_waits_again_and_again_is() {
        let (limits, ms) = (Overload::default(), Duration::from_millis);
        let mut pressure = Pressure::default();
        let mut feel = |millis, waited| {
            pressure.feel(ms(waited), &limits, Moment::from_secs(7).after(ms(millis)));
            pressure.waited()
        };
        assert_eq!([feel(0, 900), feel(60, 900), feel(90, 20)], [None; 3]);
        assert_eq!([feel(110, 60), feel(209, 70)], [None; 2]);
        assert_eq!([feel(210, 80), feel(400, 300)], [Some(ms(80)), Some(ms(300))]);
        assert_eq!(
            [feel(450, 20), feel(500, 300)],
            [None, Some(ms(300))],
            "it is not over at the first breath"
        );
        assert_eq!([feel(600, 0), feel(1600, 300)], [None, None], "it is over");
    }

    #[test]
    fn the_longer_messages_wait_the_more_are_shed() {
        let ms = Duration::from_millis;
        let shares = [0, 100, 150, 200, 900].map(|waited| share(ms(waited), ms(100), ms(200)));
        assert_eq!(shares, [0, 0, 500, 1000, 1000]);
    }
}
