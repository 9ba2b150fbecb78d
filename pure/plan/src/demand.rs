use serde::Serialize;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Demand {
    /// Who may register and call.
    pub subscribers: f64,
    /// Call attempts in the busiest hour, of all together.
    pub busy_hour_calls: f64,
    /// The share of attempts that are answered, 0 to 1.
    pub answered: f64,
    /// How long an answered call lasts, seconds.
    pub talk: f64,
    /// How long it rings, seconds.
    pub ringing: f64,
    /// The share of calls that leave to other networks or come from there, by trunks, 0 to 1.
    pub off_net: f64,
    /// Phones that a subscriber has registered.
    pub contacts: f64,
    /// Between two REGISTERs of one phone, seconds.
    pub refresh: f64,
    /// A phone that is not registered tries again within so many seconds (RFC 5626: 30 at first, longer later).
    pub retry: f64,
    /// Who is refused in an overload comes back after so many seconds at least, and twice as many at most.
    pub retry_after: f64,
    /// Bytes of sound in an RTP packet.
    pub payload: f64,
    /// RTP packets that one phone sends in a second.
    pub packets: f64,
    /// The share of attempts that may find no media port or no trunk, 0 to 1.
    pub most_blocked: f64,
    /// A cell has no more subscribers of its own.
    pub cell: f64,
    /// What hosts are like.
    pub host: Host,
}

/// What hosts are like, and how far they are used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Host {
    /// Processors.
    pub cores: f64,
    /// Gigabytes.
    pub memory: f64,
    /// Gigabits in a second, each way.
    pub network: f64,
    /// How far each may be used in the busiest hour when one host of a kind, and one cell, are away: 0 to 1.
    pub usage: f64,
}

impl Default for Demand {
    /// One call attempt a subscriber in the busiest hour, three minutes, G.711 in packets of 20 ms.
    fn default() -> Self {
        Demand {
            subscribers: 10_000.0,
            busy_hour_calls: 10_000.0,
            answered: 0.65,
            talk: 180.0,
            ringing: 15.0,
            off_net: 0.5,
            contacts: 1.2,
            refresh: 1800.0,
            retry: 30.0,
            retry_after: 5.0,
            payload: 160.0,
            packets: 50.0,
            most_blocked: 0.001,
            cell: 500_000.0,
            host: Host { cores: 16.0, memory: 64.0, network: 10.0, usage: 0.6 },
        }
    }
}

/// A demand that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{what} must be {expected}, not {is}")]
pub struct Unplannable {
    /// Which figure.
    pub what: &'static str,
    /// What it may be.
    pub expected: &'static str,
    /// What it is.
    pub is: f64,
}

impl Demand {
    /// Whether each figure can be meant.
    pub(crate) fn check(&self) -> Result<(), Unplannable> {
        let host = &self.host;
        let more_than_none = [
            ("subscribers", self.subscribers),
            ("the time between two REGISTERs", self.refresh),
            ("the time within which phones try again", self.retry),
            ("the time after which they shall come again", self.retry_after),
            ("the subscribers of a cell", self.cell),
            ("a host's cores", host.cores),
            ("a host's memory", host.memory),
            ("a host's network", host.network),
        ];
        let not_less = [
            ("calls in the busiest hour", self.busy_hour_calls),
            ("the time a call lasts", self.talk),
            ("the time it rings", self.ringing),
            ("phones of a subscriber", self.contacts),
            ("bytes in a packet", self.payload),
            ("packets in a second", self.packets),
        ];
        let shares = [("the answered share", self.answered), ("the share by trunks", self.off_net)];
        let inner = [("the blocked share", self.most_blocked), ("the usage of hosts", host.usage)];
        // No plan is for more than mankind has phones.
        let most = 1e12;
        let is_in = |what, is: f64, good: bool, expected| {
            if good && is <= most { Ok(()) } else { Err(Unplannable { what, expected, is }) }
        };
        for (what, is) in more_than_none {
            is_in(what, is, is > 0.0, "more than 0")?;
        }
        for (what, is) in not_less {
            is_in(what, is, is >= 0.0, "0 or more")?;
        }
        for (what, is) in shares {
            is_in(what, is, (0.0..=1.0).contains(&is), "0 to 1")?;
        }
        for (what, is) in inner {
            is_in(what, is, is > 0.0 && is < 1.0, "more than 0 and less than 1")?;
        }
        Ok(())
    }
}
