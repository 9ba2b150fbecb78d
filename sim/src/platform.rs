use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use contract::account::Destination;
use contract::record::CallRecord;
use contract::{CallId, TenantId};
use phone::{CallNo, Command};
use sip::Status;
use sip::leg::LegTiming;

use crate::death::Death;
use crate::fault::Fault;
use crate::handset::{Handset, Kind, Line};
use crate::wire::Conditions;
use crate::world::{Event, Habits, Mishap, Reaction, World};

const RED: TenantId = TenantId(1);
const BLUE: TenantId = TenantId(2);

/// So many seconds.
pub const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// So many milliseconds.
pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A whole platform with two tenants, `red.example` and `blue.example`. Users come into being with their
/// first phone; 600 leads to the echo app, 1002 to bob.
#[derive(Clone, Debug)]
pub struct Platform {
    pub(crate) world: Rc<RefCell<World>>,
}

/// A phone of a user.
#[derive(Clone, Debug)]
pub struct Phone {
    world: Rc<RefCell<World>>,
    number: usize,
}

/// A call as its caller has it.
#[derive(Clone, Debug)]
pub struct CallView {
    world: Rc<RefCell<World>>,
    phone: usize,
    call: CallNo,
}

fn usual() -> exchange::Settings {
    let mut settings = exchange::Settings::default();
    settings.call.inactivity = secs(20);
    settings.call.ring = secs(30);
    settings.call.leg.session_expires = Some(secs(120));
    settings.call.leg.min_se = secs(90);
    settings
}

impl Platform {
    /// A platform that has just been switched on.
    pub fn new(seed: u64) -> Self {
        Platform::with_threads(seed, 1)
    }

    /// The same, with so many signalling threads.
    pub fn with_threads(seed: u64, threads: u16) -> Self {
        Platform::with(seed, threads, usual())
    }

    /// The same, with so many media hosts.
    pub fn with_media(seed: u64, threads: u16, hosts: u16) -> Self {
        Platform::set_up(seed, threads, hosts, usual())
    }

    /// The same with one, and with these settings of the exchange.
    pub fn with(seed: u64, threads: u16, settings: exchange::Settings) -> Self {
        Platform::set_up(seed, threads, 1, settings)
    }

    fn set_up(seed: u64, threads: u16, hosts: u16, settings: exchange::Settings) -> Self {
        let mut world = World::new(seed, threads, hosts, settings);
        for (tenant, domain) in [(RED, "red.example"), (BLUE, "blue.example")] {
            world.office.add_tenant(tenant, domain);
            let bob = Destination::User { name: "bob".into() };
            world.office.add_number(tenant, "1002", bob);
            world.office.add_number(tenant, "600", Destination::App { name: "echo".into() });
        }
        let platform = Platform { world: Rc::new(RefCell::new(world)) };
        platform.advance(millis(50));
        platform
    }

    /// A new phone of `user` of the red tenant, which is registered when this returns.
    pub fn phone(&self, user: &str) -> Phone {
        self.add_phone(RED, user, None, Kind::Udp)
    }

    /// The same, behind a NAT.
    pub fn phone_behind_nat(&self, user: &str) -> Phone {
        self.add_phone(RED, user, None, Kind::BehindNat)
    }

    /// The same, with a TCP connection to the platform; others can connect to it too.
    pub fn tcp_phone(&self, user: &str) -> Phone {
        self.add_phone(RED, user, None, Kind::Tcp)
    }

    /// The same, behind a NAT.
    pub fn tcp_phone_behind_nat(&self, user: &str) -> Phone {
        self.add_phone(RED, user, None, Kind::TcpBehindNat)
    }

    /// The same, of a user who has paid so many millionths in advance.
    pub fn prepaid_phone(&self, user: &str, micros: i64) -> Phone {
        self.add_phone(RED, user, Some(micros), Kind::Udp)
    }

    /// The same, of a user of the blue tenant.
    pub fn blue_phone(&self, user: &str) -> Phone {
        self.add_phone(BLUE, user, None, Kind::Udp)
    }

    fn add_phone(&self, tenant: TenantId, user: &str, prepaid: Option<i64>, kind: Kind) -> Phone {
        let number = {
            let world = &mut *self.world.borrow_mut();
            world.office.add_user(tenant, user, prepaid);
            let timing = LegTiming { session_expires: None, ..LegTiming::default() };
            let domain = world.office.domain(tenant).to_owned();
            let handset = Handset::new(world.phones.len() as u16, user, &domain, kind, timing);
            let number = world.add_phone(handset);
            world.user(number, Command::Register);
            number
        };
        self.advance(millis(100));
        let phone = Phone { world: Rc::clone(&self.world), number };
        assert!(phone.is_registered(), "{user}'s phone is not registered");
        phone
    }

    /// Time passes, and whatever is due happens.
    pub fn advance(&self, time: Duration) {
        let world = &mut *self.world.borrow_mut();
        let end = world.now.after(time);
        world.run_until(end);
    }

    /// Lets all calls end, and looks at what must hold then.
    ///
    /// # Panics
    /// When a call does not end, or something does not hold.
    pub fn come_to_rest(&self) {
        for _ in 0..600 {
            self.advance(secs(1));
            if self.is_at_rest() {
                // What travels yet arrives, what is asked yet is answered.
                self.advance(secs(3));
                let world = self.world.borrow();
                return world.witness.at_rest(&world.office, &world.phones);
            }
        }
        let world = &mut *self.world.borrow_mut();
        let clock = world.clock();
        let calls = world.signalling.calls(clock);
        let busy: Vec<_> = world.phones.iter().filter(|phone| phone.is_alive && phone.is_busy()).collect();
        let open: Vec<_> = world.office.reservations().filter(|it| it.state == ledger::State::Open).collect();
        let media: Vec<usize> = world.media.iter().map(|media| media.calls()).collect();
        panic!("calls do not end: {calls:?}, media has {media:?}, {open:?}, {busy:?}");
    }

    fn is_at_rest(&self) -> bool {
        let world = &mut *self.world.borrow_mut();
        let clock = world.clock();
        let is_quiet = world.signalling.is_alive && world.is_media_at_rest() && world.office.is_there;
        let phones = world.phones.iter().filter(|phone| phone.is_alive).all(|phone| !phone.is_busy());
        let settled = world.office.reservations().all(|it| it.state != ledger::State::Open);
        is_quiet && phones && settled && world.signalling.calls(clock).is_empty()
    }

    /// The signalling process dies at once, and is started again by its supervisor.
    pub fn kill_signalling(&self) {
        self.plan(Duration::ZERO, Mishap::SignallingDies(Death::Received));
        self.plan_event(Duration::ZERO, Event::Wake(crate::world::Who::Signalling(0)));
        self.advance(Duration::ZERO);
    }

    /// The media process dies at once, and is started again.
    pub fn kill_media(&self) {
        self.plan(Duration::ZERO, Mishap::MediaDies(0));
        self.advance(Duration::ZERO);
    }

    /// A media host (1 is the first) dies with all that it has, and never comes back.
    pub fn media_host_dies(&self, node: u16) {
        self.plan(Duration::ZERO, Mishap::MediaHostDies(usize::from(node) - 1));
        self.advance(Duration::ZERO);
    }

    /// The only call is wanted on that media host.
    pub fn move_call(&self, node: u16) {
        // Which call: whichever.
        self.plan(Duration::ZERO, Mishap::CallMoves(u64::from(node) - 1));
        self.advance(Duration::ZERO);
    }

    /// How many sessions each media host holds.
    pub fn sessions(&self) -> Vec<usize> {
        self.world.borrow().media.iter().map(|media| media.calls()).collect()
    }

    /// Billing, accounts and store can't be reached for a while.
    pub fn office_is_away(&self, time: Duration) {
        self.plan(Duration::ZERO, Mishap::OfficeIsAway(time));
        self.advance(Duration::ZERO);
    }

    /// The power fails: all processes stop, and their journals are gone; after a while all is back.
    pub fn power_fails(&self) {
        self.plan(Duration::ZERO, Mishap::PowerFails);
        self.advance(Duration::ZERO);
    }

    /// The signalling process stands still for a while.
    pub fn signalling_stands(&self, time: Duration) {
        self.plan(Duration::ZERO, Mishap::SignallingStands(time));
        self.advance(Duration::ZERO);
    }

    /// When the signalling process is started next, its host's clock is off by this much, in microseconds.
    pub fn step_clock(&self, micros: i64) {
        self.plan(Duration::ZERO, Mishap::ClockStep(micros));
        self.advance(Duration::ZERO);
    }

    /// From now on the wire is like that.
    pub fn weather(&self, conditions: Conditions) {
        self.plan(Duration::ZERO, Mishap::Weather(conditions));
        self.advance(Duration::ZERO);
    }

    /// How often the signalling process was started.
    pub fn signalling_lives(&self) -> u32 {
        self.world.borrow().signalling.lives
    }

    /// Inputs that were put away, since deciding about them killed.
    pub fn set_aside(&self) -> u64 {
        self.world.borrow().signalling.set_aside
    }

    /// From now on so many decisions are meant to panic.
    pub fn expect_panics(&self, count: u64) {
        self.world.borrow_mut().witness.panics_allowed = count;
    }

    /// All records in the store.
    pub fn records(&self) -> Vec<CallRecord> {
        self.world.borrow().office.records.values().cloned().collect()
    }

    /// How many steps were done.
    pub fn steps(&self) -> u64 {
        self.world.borrow().steps
    }

    /// A sum over all that happened: two runs that are the same have the same.
    pub fn trace(&self) -> u64 {
        self.world.borrow().trace
    }

    /// From now on something is wrong.
    pub fn plant(&self, fault: Option<Fault>) {
        let world = &mut *self.world.borrow_mut();
        (world.fault, world.office.fault, world.signalling.fault) = (fault, fault, fault);
    }

    pub(crate) fn plan(&self, after: Duration, mishap: Mishap) {
        self.plan_event(after, Event::Mishap(mishap));
    }

    pub(crate) fn plan_event(&self, after: Duration, event: Event) {
        self.world.borrow_mut().plan(after, event);
    }
}

impl Phone {
    /// Calls somebody.
    ///
    /// # Panics
    /// When all lines of the phone are busy.
    pub fn invite(&self, whom: &str) -> CallView {
        let world = &mut *self.world.borrow_mut();
        world.user(self.number, Command::Call(whom.to_owned()));
        let newest = world.phones[self.number].lines.keys().next_back();
        let call = *newest.expect("a line is free");
        CallView { world: Rc::clone(&self.world), phone: self.number, call }
    }

    /// Is heard by the caller before it answers.
    pub fn speak_early(&self) {
        self.on_newest(Command::SpeakEarly);
    }

    /// Answers the call that rings.
    pub fn answer(&self) {
        self.on_newest(Command::Answer);
    }

    /// Refuses the call that rings.
    pub fn refuse(&self, status: Status) {
        self.on_newest(|call| Command::Refuse(call, status));
    }

    /// Hangs up, or gives up ringing.
    pub fn hang_up(&self) {
        self.on_newest(Command::HangUp);
    }

    /// Puts the other side on hold.
    pub fn hold(&self) {
        self.on_newest(Command::Hold);
    }

    /// Takes it back.
    pub fn resume(&self) {
        self.on_newest(Command::Resume);
    }

    /// Presses digits.
    pub fn press(&self, digits: &str) {
        self.on_newest(|call| Command::Press(call, digits.to_owned()));
    }

    /// The battery is taken out: it neither says nor hears anything any more.
    pub fn dies(&self) {
        self.world.borrow_mut().mishap(Mishap::PhoneDies(self.number));
    }

    /// Whether somebody calls.
    pub fn is_ringing(&self) -> bool {
        self.newest(|line| line.is_incoming && line.answered.is_none()).is_some()
    }

    /// Whether the other side has put us on hold.
    pub fn is_held(&self) -> bool {
        self.newest(|line| line.is_held).is_some()
    }

    /// Whether no call is open.
    pub fn is_idle(&self) -> bool {
        self.newest(|_| true).is_none()
    }

    /// Whether it is registered.
    pub fn is_registered(&self) -> bool {
        self.world.borrow().phones[self.number].is_registered
    }

    /// What its user does when it rings next: how long after, and what.
    pub(crate) fn will(&self, after: Duration, reaction: Reaction) {
        let world = &mut *self.world.borrow_mut();
        let habits: &mut Habits = world.habits.entry(self.number).or_default();
        habits.on_incoming.push_back((after, reaction));
    }

    fn newest(&self, which: impl Fn(&Line) -> bool) -> Option<CallNo> {
        let world = self.world.borrow();
        world.phones[self.number].open_lines().filter(|(_, line)| which(line)).map(|(call, _)| call).last()
    }

    fn on_newest(&self, command: impl FnOnce(CallNo) -> Command) {
        let call = self.newest(|_| true).expect("the phone has no call");
        self.world.borrow_mut().user(self.number, command(call));
    }
}

impl CallView {
    fn line(&self) -> Line {
        self.world.borrow().phones[self.phone].lines[&self.call].clone()
    }

    /// Whether it was answered and is not over.
    pub fn is_up(&self) -> bool {
        self.line().is_up()
    }

    /// Whether the caller hears it ring.
    pub fn is_ringing(&self) -> bool {
        self.line().is_ringing()
    }

    /// The status that refused it; none if it was not refused.
    pub fn refused(&self) -> Option<Status> {
        self.line().over.and_then(|over| over.refused)
    }

    /// Whether the caller's phone is through with it.
    pub fn is_over(&self) -> bool {
        self.line().over.is_some()
    }

    /// Listens for half a second: whether both sides hear each other (of an app's call: whether the caller
    /// hears the app).
    pub fn has_two_way_audio(&self) -> bool {
        let sides = self.sides();
        let heard = || {
            let world = self.world.borrow();
            sides.iter().map(|(phone, call)| world.phones[*phone].audio_heard(*call)).collect::<Vec<_>>()
        };
        let before = heard();
        Platform { world: Rc::clone(&self.world) }.advance(millis(500));
        let gained = |(before, after): (&u64, &u64)| after - before >= 20;
        !sides.is_empty() && before.iter().zip(&heard()).all(gained)
    }

    /// The longest silence that either side has heard.
    pub fn longest_gap(&self) -> Duration {
        let sides = self.sides();
        let world = self.world.borrow();
        let gaps = sides.into_iter().map(|(phone, call)| world.phones[phone].longest_gap(call));
        gaps.max().unwrap_or_default()
    }

    /// Its one record.
    ///
    /// # Panics
    /// When there is none (yet).
    pub fn record(&self) -> CallRecord {
        self.find_record().expect("the call has no record")
    }

    /// Its record, once it has one.
    pub fn find_record(&self) -> Option<CallRecord> {
        let call_id = self.line().call_id;
        let world = self.world.borrow();
        world.office.records.values().find(|record| record.sip_call_id == call_id).cloned()
    }

    /// Both phones that talk, and their numbers of the call.
    fn sides(&self) -> Vec<(usize, CallNo)> {
        let mut sides = vec![(self.phone, self.call)];
        let Some(id) = self.id() else { return sides };
        let world = self.world.borrow();
        for (number, phone) in world.phones.iter().enumerate() {
            for (call, line) in &phone.lines {
                if line.answered.is_some() && world.witness.call_of(line) == Some(id) {
                    sides.push((number, *call));
                }
            }
        }
        sides
    }

    fn id(&self) -> Option<CallId> {
        let call_id = self.line().call_id;
        if let Some(record) = self.find_record() {
            return Some(record.id);
        }
        let world = &mut *self.world.borrow_mut();
        let clock = world.clock();
        world.signalling.calls(clock).into_iter().find(|call| call.sip_call_id == call_id).map(|call| call.id)
    }
}
