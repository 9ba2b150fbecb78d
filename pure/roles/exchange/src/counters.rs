use std::collections::BTreeMap;

use contract::moving::Reason;
use contract::query::Gauges;

/// What was counted since the thread began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) received: u64,
    pub(crate) dropped: u64,
    pub(crate) forwarded: u64,
    pub(crate) replies: [u64; 7],
    pub(crate) challenges: u64,
    pub(crate) replays: u64,
    pub(crate) shed: u64,
    pub(crate) registered: u64,
    pub(crate) refreshed: u64,
    pub(crate) begun: u64,
    pub(crate) unanswered: u64,
    pub(crate) unreadable: u64,
    pub(crate) records: u64,
    pub(crate) given_up: u64,
    /// Requests that another cell decides about.
    pub(crate) handed_on: u64,
    /// What was refused since a cell did not answer.
    pub(crate) out_of_reach: u64,
    /// Calls whose audio was sent elsewhere, by the reason.
    pub(crate) moved: BTreeMap<Reason, u64>,
}

impl Counters {
    /// Counts an answer that is no call's.
    pub(crate) fn replied(&mut self, status: sip::Status) {
        if let Some(count) = self.replies.get_mut(usize::from(status.class())) {
            *count += 1;
        }
        match status {
            sip::Status::UNAUTHORIZED | sip::Status::PROXY_AUTHENTICATION_REQUIRED => self.challenges += 1,
            sip::Status::SERVICE_UNAVAILABLE => self.shed += 1,
            _ => {}
        }
    }

    /// Counts what a call said, if it is an answer.
    pub(crate) fn said(&mut self, message: &[u8]) {
        if let Some([class @ b'1'..=b'6', ..]) = message.strip_prefix(b"SIP/2.0 ") {
            self.replies[usize::from(class - b'0')] += 1;
        }
    }

    /// Under the names of Prometheus.
    pub(crate) fn gauges(&self) -> Gauges {
        let counts = [
            ("exchange_messages_total", self.received),
            ("exchange_messages_dropped_total", self.dropped),
            ("exchange_messages_forwarded_total", self.forwarded),
            ("exchange_replies_2xx_total", self.replies[2]),
            ("exchange_replies_3xx_total", self.replies[3]),
            ("exchange_replies_4xx_total", self.replies[4]),
            ("exchange_replies_5xx_total", self.replies[5]),
            ("exchange_replies_6xx_total", self.replies[6]),
            ("exchange_challenges_total", self.challenges),
            ("exchange_replays_total", self.replays),
            ("exchange_shed_total", self.shed),
            ("exchange_registrations_total", self.registered),
            ("exchange_refreshes_total", self.refreshed),
            ("exchange_calls_total", self.begun),
            ("exchange_questions_unanswered_total", self.unanswered),
            ("exchange_bus_unreadable_total", self.unreadable),
            ("exchange_records_total", self.records),
            ("exchange_given_up_total", self.given_up),
            ("exchange_handed_to_cells_total", self.handed_on),
            ("exchange_cell_out_of_reach_total", self.out_of_reach),
        ];
        let counts = counts.map(|(name, count)| (name.to_owned(), count as f64));
        let reasons = [Reason::Hand, Reason::Lost, Reason::Path, Reason::Full];
        let moved = reasons.map(|reason| {
            let count = self.moved.get(&reason).copied().unwrap_or(0);
            (format!("exchange_moved_total{{reason=\"{}\"}}", reason.name()), count as f64)
        });
        Gauges { values: counts.into_iter().chain(moved).collect() }
    }
}
