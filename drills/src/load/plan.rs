//! What a call is to go through, and how long each part of it takes.

use std::time::Duration;

/// The kinds of calls, in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// The callee's phone is slow to say anything to the INVITE, and slow to answer the BYE.
    SlowCallee,
    /// It rings long, and the caller's phone is slow to acknowledge the answer.
    LateAck,
    /// The callee speaks long before it answers; it hangs up itself.
    EarlyMedia,
    /// The caller gives up while it rings; the callee's phone is slow to answer the CANCEL.
    GivenUp,
    /// The caller holds, which the callee's phone is slow to accept, and resumes.
    Held,
}

impl Plan {
    /// In the order in which calls follow each other.
    pub(crate) const ALL: [Plan; 5] =
        [Plan::SlowCallee, Plan::LateAck, Plan::EarlyMedia, Plan::GivenUp, Plan::Held];

    /// How the call's record says that it ended.
    pub(crate) fn outcome(self) -> &'static str {
        match self {
            Plan::GivenUp => "cancelled",
            Plan::SlowCallee | Plan::LateAck | Plan::EarlyMedia | Plan::Held => "answered",
        }
    }

    /// How many times it lingers in a passing state before it is hung up.
    fn lingers(self) -> u32 {
        match self {
            Plan::SlowCallee | Plan::EarlyMedia | Plan::GivenUp => 1,
            Plan::LateAck | Plan::Held => 2,
        }
    }
}

/// A state that a call only passes through, and in which the load holds some calls at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Passing {
    /// The callee's phone has said nothing yet, not even 100.
    Before100,
    /// 180.
    Ringing,
    /// 183, with sound.
    EarlyMedia,
    /// 200 sent, no ACK yet.
    NoAck,
    /// A re-INVITE is unanswered.
    Reoffering,
    /// On hold.
    OnHold,
    /// A CANCEL is unanswered.
    Cancelling,
    /// A BYE is unanswered.
    HangingUp,
}

impl Passing {
    /// All of them.
    pub(crate) const ALL: [Passing; 8] = [
        Passing::Before100,
        Passing::Ringing,
        Passing::EarlyMedia,
        Passing::NoAck,
        Passing::Reoffering,
        Passing::OnHold,
        Passing::Cancelling,
        Passing::HangingUp,
    ];
}

/// How many calls, and how fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Calls that are kept up.
    pub(crate) calls: usize,
    /// New calls in a second.
    pub(crate) rate: f64,
}

impl Pace {
    /// From its first INVITE to its hanging up.
    pub(crate) fn lifetime(self) -> Duration {
        Duration::from_secs_f64(self.calls as f64 / self.rate)
    }

    /// How long a call stays in a passing state: so long that 20 are in each (22 by the mean), if there are enough
    /// calls for it.
    pub(crate) fn linger(self) -> Duration {
        let wanted = 22.0 * Plan::ALL.len() as f64 / self.rate;
        Duration::from_secs_f64(wanted.min(self.lifetime().as_secs_f64() * 0.4))
    }

    /// How long both talk, of what is left.
    pub(crate) fn talk(self, plan: Plan) -> Duration {
        self.lifetime().saturating_sub(self.linger() * plan.lingers()).max(Duration::from_secs(1))
    }

    /// Between two new calls.
    pub(crate) fn between(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }

    /// Phones that call, and as many that are called: some lines are still busy with the end of their last call.
    pub(crate) fn pairs(self) -> usize {
        self.calls + (self.rate * (self.linger().as_secs_f64() + 2.0)).ceil() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_calls_are_in_each_passing_state_if_there_are_enough() {
        let pace = Pace { calls: 500, rate: 20.0 };
        let each = pace.linger().as_secs_f64() * pace.rate / Plan::ALL.len() as f64;
        assert!((21.9..22.1).contains(&each), "{each}");
        assert_eq!(pace.lifetime(), Duration::from_secs(25));
        for plan in Plan::ALL {
            let whole = pace.talk(plan) + pace.linger() * plan.lingers();
            assert_eq!(whole, pace.lifetime(), "{plan:?}");
        }
    }

    #[test]
    fn few_calls_linger_for_less() {
        let pace = Pace { calls: 20, rate: 2.0 };
        assert_eq!(pace.linger(), Duration::from_secs(4));
        assert_eq!(pace.talk(Plan::Held), Duration::from_secs(2));
    }
}
