//! The power fails: journals are gone, the disks are there.

use std::time::Duration;

use machine::Moment;

use crate::media::MediaProcess;
use crate::world::{Event, Process, World};

/// How far what is on the disk may lag behind.
pub(crate) const LAG: Duration = Duration::from_millis(100);

impl World {
    /// Everything stops, and is back after a while.
    pub(crate) fn power_fails(&mut self) {
        let clock = self.clock();
        let views = self.signalling.calls(clock);
        let recorded = self.signalling.lose_power(&mut self.chance);
        self.media.iter_mut().for_each(MediaProcess::lose_power);
        self.office.is_there = false;
        self.cut_connections();
        self.witness.power_fails(self.now, &self.office, views, &recorded);
        self.power_failed = Some(self.now);
        self.office.power_failed = Some(self.now);
        let dark = Duration::from_millis(self.chance.between(100, 3000));
        self.witness.watch.outage(self.now, dark);
        let media = (0..self.media.len()).map(Process::Media);
        for process in media.chain([Process::Signalling, Process::Office]).collect::<Vec<_>>() {
            self.plan(dark, Event::Start(process));
        }
    }

    /// The disks are written, and who minds the books looks after what is due.
    pub(crate) fn sync(&mut self) {
        self.signalling.sync();
        self.office.expire(self.now);
        self.plan(LAG, Event::Sync);
    }

    /// The signalling process has begun: after a power loss the phones that registered earlier are registered.
    pub(crate) fn has_begun(&mut self) {
        let clock = self.clock();
        let views = self.signalling.calls(clock);
        self.witness.begins(&self.office, &views);
        if let Some(at) = self.power_failed.take() {
            self.phones_are_registered(at, clock);
        }
    }

    fn phones_are_registered(&mut self, power_failed: Moment, clock: Moment) {
        let registrations = self.signalling.registrations(clock);
        let uris: Vec<&str> =
            registrations.iter().flat_map(|it| &it.contacts).map(|contact| contact.uri.as_str()).collect();
        for phone in self.phones.iter().filter(|phone| phone.is_alive && phone.is_registered) {
            let own = format!("@{}", phone.inside);
            let is_old = phone.registered.after(LAG) <= power_failed;
            let is_there = uris.iter().any(|uri| uri.contains(&own));
            assert!(is_there || !is_old, "{own} is not registered any more: {uris:?}");
        }
    }
}
