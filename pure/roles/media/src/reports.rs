//! RTCP: passed from phone to phone as it is, and read on the way; to a phone that hears only us, we report
//! ourselves.

use std::net::SocketAddr;
use std::time::Duration;

use machine::Moment;
use rtp::rtcp::{self, Report, Source};

use crate::pool::Socket;
use crate::{Media, Verdict};

/// How often we report to a phone that nobody else reports to.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(5);

impl Media {
    /// A datagram of reports came to the leg on `pair`.
    pub(crate) fn report(&mut self, now: Moment, pair: u32, source: SocketAddr, datagram: &[u8]) -> Verdict {
        let Some(Some(leg)) = self.legs.get_mut(pair as usize) else { return Verdict::Drop };
        if !leg.latch.passes_report(source, leg.signalled_rtcp()) {
            self.traffic.strangers += 1;
            return Verdict::Drop;
        }
        let Ok(reports) = rtcp::parse(datagram) else {
            self.traffic.unfit += 1;
            return Verdict::Drop;
        };
        self.traffic.reports += 1;
        if leg.reports_from != Some(source) && !leg.mux {
            leg.reports_from = Some(source);
            let call = leg.call;
            self.unsettle(call);
        }
        for report in &reports {
            self.read(now, pair, report);
        }
        let hearer = self.leg(pair).and_then(|leg| leg.heard_by).and_then(|pair| self.leg(pair));
        match hearer.and_then(|hearer| hearer.reports_to()) {
            Some((socket, to)) => Verdict::Forward { socket, to },
            None => Verdict::Consume,
        }
    }

    fn read(&mut self, now: Moment, pair: u32, report: &Report) {
        let Some(Some(leg)) = self.legs.get_mut(pair as usize) else { return };
        for block in report.blocks() {
            leg.counts.round_trip.heard(now, block);
            leg.counts.remote_lost = Some(u64::try_from(block.lost).unwrap_or(0));
        }
        let Report::Sender { info, .. } = report else { return };
        leg.counts.receiver.reported(now, info);
        // It goes on to whoever hears the leg, and what comes back from there refers to it.
        let hearer = leg.heard_by;
        if let Some(Some(hearer)) = hearer.and_then(|pair| self.legs.get_mut(pair as usize)) {
            hearer.counts.round_trip.sent(now, info.ntp);
        }
    }

    /// Our own report to a phone that hears nobody but us; `None` if there is nothing to say.
    pub(crate) fn own_report(&mut self, now: Moment, pair: u32) -> Option<(Socket, SocketAddr, Vec<u8>)> {
        let leg = self.legs.get_mut(pair as usize)?.as_mut()?;
        let (socket, to) = leg.reports_to()?;
        let sender = leg.player.as_ref().map_or(&leg.voicing.sender, |player| player.sender());
        let ssrc = sender.ssrc();
        let info = sender.info(now);
        let blocks: Vec<_> = leg.counts.receiver.block(now).into_iter().collect();
        let report = match info {
            Some(info) => {
                leg.counts.round_trip.sent(now, info.ntp);
                Report::Sender { info, blocks }
            }
            None if blocks.is_empty() => return None,
            None => Report::Receiver { ssrc, blocks },
        };
        let name = Report::Description(vec![Source::named(ssrc, &format!("{:08x}@media", ssrc))]);
        let mut datagram = Vec::with_capacity(128);
        rtcp::write(&[report, name], &mut datagram);
        self.traffic.reports += 1;
        Some((socket, to, datagram))
    }
}
