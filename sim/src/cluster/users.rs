//! What users do with their phones.

use std::time::Duration;

use phone::Command;

use super::event::{Event, Who};
use super::world::World;
use crate::chance::Chance;
use crate::handset::Noticed;

impl World {
    /// A user does something now.
    pub(crate) fn user(&mut self, phone: usize, command: Command) {
        let mut said = Vec::new();
        let noticed = self.phones[phone].command(self.now, command, &mut said);
        self.carry_out_phone(phone, said, noticed);
        self.wake(Who::Phone(phone));
    }

    /// What users do.
    pub(crate) fn react(&mut self, phone: usize, noticed: Noticed) {
        let millis = |chance: &mut Chance, from, to| Duration::from_millis(chance.between(from, to));
        match noticed {
            Noticed::Incoming(call) => {
                let (after, command) = match self.chance.below(12) {
                    0 => (millis(&mut self.chance, 100, 3000), Command::Refuse(call, sip::Status::BUSY_HERE)),
                    1 => {
                        (Duration::from_secs(40), Command::Refuse(call, sip::Status::TEMPORARILY_UNAVAILABLE))
                    }
                    _ => (millis(&mut self.chance, 100, 3000), Command::Answer(call)),
                };
                self.plan(after, Event::User { phone, command });
            }
            Noticed::Answered(call) => {
                if self.chance.happens(150) {
                    let after = millis(&mut self.chance, 100, 3000);
                    self.plan(after, Event::User { phone, command: Command::Hold(call) });
                    let after = after + millis(&mut self.chance, 100, 2000);
                    self.plan(after, Event::User { phone, command: Command::Resume(call) });
                }
                let after = millis(&mut self.chance, 1000, 16_000);
                self.plan(after, Event::HangUp { phone, call });
            }
            Noticed::Over(_) => {}
        }
    }

    pub(crate) fn next_call(&mut self) {
        if self.to_begin == 0 {
            return;
        }
        let apart = self.apart.as_micros() as u64;
        let after = Duration::from_micros(self.chance.below(2 * apart));
        self.plan(after, Event::NextCall);
        let phone = self.chance.below(self.phones.len() as u64) as usize;
        let whom = self.chance.pick(&self.users).clone();
        if self.phones[phone].open_lines().count() > 0 {
            return;
        }
        self.to_begin -= 1;
        self.user(phone, Command::Call(whom));
        // Some have enough before anybody answers.
        if let Some((call, _)) = self.phones[phone].open_lines().last()
            && self.chance.happens(100)
        {
            let after = Duration::from_millis(self.chance.between(20, 2500));
            self.plan(after, Event::HangUp { phone, call });
        }
    }
}
