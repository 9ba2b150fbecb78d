use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use contract::record::CallRecord;
use phone::{CallNo, Command};

use super::event::{Event, Mishap};
use super::host::{At, State};
use super::world::{Plan, World};
use crate::death::Death;
use crate::fault::Fault;
use crate::handset::Line;
use crate::platform::{millis, secs};

/// A platform of several hosts: 1 to 3 are exchanges with media and brokers' seats, 4 and 5 are edges.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(crate) world: Rc<RefCell<World>>,
}

/// A phone of a user.
#[derive(Clone, Debug)]
pub struct HostPhone {
    world: Rc<RefCell<World>>,
    number: usize,
}

/// A call as its caller has it.
#[derive(Clone, Debug)]
pub struct HostCall {
    world: Rc<RefCell<World>>,
    phone: usize,
    call: CallNo,
}

pub(crate) fn usual() -> exchange::Settings {
    let mut settings = exchange::Settings::default();
    // Nobody sends audio.
    settings.call.inactivity = Duration::ZERO;
    settings.call.ring = secs(30);
    settings.call.leg.session_expires = Some(secs(120));
    settings.call.leg.min_se = secs(90);
    settings
}

impl Cluster {
    /// A platform that was switched on some seconds ago.
    pub fn new(seed: u64) -> Self {
        Cluster::of(seed, Plan { exchanges: 3, edges: 2, threads: 1 })
    }

    pub(crate) fn of(seed: u64, plan: Plan) -> Self {
        let world = World::new(seed, plan, usual());
        let cluster = Cluster { world: Rc::new(RefCell::new(world)) };
        cluster.settle();
        cluster
    }

    /// Something is wrong from now on.
    pub fn plant(&self, fault: Option<Fault>) {
        self.world.borrow_mut().plant(fault);
    }

    /// Time passes until all hosts are there and every shard is protected.
    pub fn settle(&self) {
        for _ in 0..600 {
            self.advance(millis(100));
            let world = self.world.borrow();
            let is_there = |host: &super::host::Host| host.is_alive && host.is_protected();
            let living = world.hosts.iter().filter(|host| host.state != State::Gone);
            let is_known = world.brokers.cluster.members().count() == living.clone().count();
            if is_known && living.clone().all(is_there) && world.brokers.cluster.due(1).is_empty() {
                return;
            }
        }
        panic!("the hosts do not come to rest");
    }

    /// A new phone, which is registered when this returns.
    pub fn phone(&self, user: &str) -> HostPhone {
        let number = {
            let world = &mut *self.world.borrow_mut();
            let number = world.add_phone(user);
            world.user(number, Command::Register);
            number
        };
        self.advance(millis(200));
        let phone = HostPhone { world: Rc::clone(&self.world), number };
        assert!(self.world.borrow().phones[number].is_registered, "{user}'s phone is not registered");
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
            if self.world.borrow_mut().is_at_rest() {
                self.advance(secs(3));
                return self.world.borrow().check_at_rest();
            }
        }
        let unrest = self.world.borrow_mut().unrest();
        panic!("calls do not end: {unrest}");
    }

    /// A host (1 is the first) is gone with all that it had.
    pub fn host_dies(&self, host: usize) {
        self.happens(Mishap::HostDies(host - 1));
    }

    /// A host with nothing on it takes the place of one that is gone.
    pub fn host_is_replaced(&self, host: usize) {
        self.happens(Mishap::HostIsReplaced(host - 1));
    }

    /// A host stands still for so long.
    pub fn host_stops(&self, host: usize, time: Duration) {
        self.happens(Mishap::HostStops(host - 1, time));
    }

    /// These are cut off from the rest, and from the world.
    pub fn cut_off(&self, hosts: &[usize], time: Duration) {
        self.happens(Mishap::CutOff(hosts.iter().map(|host| host - 1).collect(), time));
    }

    /// A host's signalling process is killed.
    pub fn kill_signalling(&self, host: usize) {
        self.happens(Mishap::ProcessDies(At { host: host - 1, thread: 0 }, Death::Received));
        self.advance(millis(1));
    }

    /// The same when all of its next turn is committed, and nothing is said.
    pub fn kill_signalling_before_it_speaks(&self, host: usize) {
        self.happens(Mishap::ProcessDies(At { host: host - 1, thread: 0 }, Death::Unsaid));
    }

    /// All lines of a host to others break.
    pub fn lines_break(&self, host: usize) {
        self.happens(Mishap::LinesBreak(host - 1));
    }

    /// A host shall own nothing any more.
    pub fn drain(&self, host: usize) {
        self.happens(Mishap::Drain(host - 1, false));
    }

    fn happens(&self, mishap: Mishap) {
        self.world.borrow_mut().plan(Duration::ZERO, Event::Mishap(mishap));
        self.advance(Duration::ZERO);
    }

    /// How many shards a host owns, as the brokers say.
    pub fn shards_of(&self, host: usize) -> usize {
        let world = self.world.borrow();
        let node = world.hosts[host - 1].node.node;
        machine::Shard::all().filter(|&shard| world.brokers.cluster.owner(shard).node == Some(node)).count()
    }

    /// All records in the store.
    pub fn records(&self) -> Vec<CallRecord> {
        self.world.borrow().office.records.values().cloned().collect()
    }

    /// Frames that were not heard, since a ghost said them.
    pub fn ghosts(&self) -> u64 {
        self.world.borrow().hosts.iter().map(|host| host.protection().2).sum()
    }

    /// Messages that went out before a buddy knew of them.
    pub fn unprotected(&self) -> u64 {
        let world = self.world.borrow();
        world.unprotected + world.hosts.iter().map(|host| host.protection().1).sum::<u64>()
    }
}

impl HostPhone {
    /// Calls somebody.
    ///
    /// # Panics
    /// When all lines of the phone are busy.
    pub fn invite(&self, whom: &str) -> HostCall {
        let world = &mut *self.world.borrow_mut();
        world.user(self.number, Command::Call(whom.to_owned()));
        let newest = world.phones[self.number].lines.keys().next_back();
        let call = *newest.expect("a line is free");
        HostCall { world: Rc::clone(&self.world), phone: self.number, call }
    }

    /// Answers the call that rings.
    pub fn answer(&self) {
        self.on_newest(Command::Answer);
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

    fn newest(&self, which: impl Fn(&Line) -> bool) -> Option<CallNo> {
        let world = self.world.borrow();
        world.phones[self.number].open_lines().filter(|(_, line)| which(line)).map(|(call, _)| call).last()
    }

    fn on_newest(&self, command: impl FnOnce(CallNo) -> Command) {
        let call = self.newest(|_| true).expect("the phone has no call");
        self.world.borrow_mut().user(self.number, command(call));
    }
}

impl HostCall {
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

    /// Whether the caller's phone is through with it.
    pub fn is_over(&self) -> bool {
        self.line().over.is_some()
    }

    /// Which host has it.
    ///
    /// # Panics
    /// When none has.
    pub fn host(&self) -> usize {
        self.place().expect("some host has the call") + 1
    }

    /// Whether any host that is up has it.
    pub fn is_known(&self) -> bool {
        self.place().is_some()
    }

    fn place(&self) -> Option<usize> {
        let (call_id, world) = (self.line().call_id, &mut *self.world.borrow_mut());
        let now = world.now;
        let has = |host: &mut super::host::Host| {
            host.runs() && host.calls(now).iter().any(|call| call.sip_call_id == call_id)
        };
        world.hosts.iter_mut().position(has)
    }

    /// Its one record.
    ///
    /// # Panics
    /// When there is none (yet).
    pub fn record(&self) -> CallRecord {
        let call_id = self.line().call_id;
        let world = self.world.borrow();
        let found = world.office.records.values().find(|record| record.sip_call_id == call_id);
        found.cloned().expect("the call has no record")
    }
}
