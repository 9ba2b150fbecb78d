use contract::query::Gauges;

use crate::media::Media;

impl Media {
    /// How we do, as names and values.
    pub(crate) fn gauges(&self) -> Gauges {
        let (traffic, tally) = (&self.traffic, &self.tally);
        let now = [
            ("media_calls", self.sessions.len()),
            ("media_ports", self.pool.len()),
            ("media_ports_lent", self.pool.lent()),
        ];
        let counted = [
            ("media_packets_forwarded_total", traffic.forwarded),
            ("media_packets_consumed_total", traffic.consumed),
            ("media_packets_strangers_total", traffic.strangers),
            ("media_packets_unfit_total", traffic.unfit),
            ("media_packets_unclaimed_total", traffic.unclaimed),
            ("media_reports_total", traffic.reports),
            ("media_latched_total", traffic.latched),
            ("media_anchored_total", tally.anchored),
            ("media_released_total", tally.released),
            ("media_full_total", tally.full),
            ("media_stale_total", tally.stale),
            ("media_unplayable_total", tally.unplayable),
            ("media_digits_total", tally.digits),
            ("media_inactive_total", tally.inactive),
            ("media_forgotten_total", tally.forgotten),
            ("media_restored_total", tally.restored),
            ("media_not_restored_total", tally.not_restored),
            ("media_poisoned_total", tally.poisoned),
        ];
        let now = now.map(|(name, value)| (name.to_owned(), value as f64));
        let counted = counted.map(|(name, value)| (name.to_owned(), value as f64));
        Gauges { values: now.into_iter().chain(counted).collect() }
    }
}
