use std::time::Duration;

use contract::NodeId;
use machine::Mint;
use sip::leg::LegTiming;

/// What all calls of an exchange have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The timers of each leg: transactions, session timer, how long to wait for an ACK or the answer to a BYE.
    pub leg: LegTiming,
    /// The User-Agent and Server header; empty for none.
    pub user_agent: String,
    /// Where the exchange (behind its edge) wants requests inside of a call, by transport.
    pub contacts: Vec<ContactHost>,
    /// How long phones ring before nobody is at home.
    pub ring: Duration,
    /// How long phones of one q ring alone before those of the next lower q ring too.
    pub hunt: Duration,
    /// How many redirections (3xx) one call follows.
    pub redirects: u8,
    /// How long no RTP may come on a leg that is not held before the call ends; zero: for ever.
    pub inactivity: Duration,
    /// How many seconds of talk a reservation asks for.
    pub reserve_seconds: u32,
    /// How long before the granted seconds run out more are asked for.
    pub renew_before: Duration,
    /// How long a call goes on beyond its granted seconds while billing can't be reached.
    pub offline_limit: Duration,
    /// How often a question that the call cannot do without is asked before the call fails.
    pub tries: u8,
    /// The media nodes that are there, in order of preference: a call whose node is none of them is moved. None:
    /// nobody knows, or the platform is alone.
    pub media: Vec<NodeId>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            leg: LegTiming::default(),
            user_agent: "Strowger".into(),
            contacts: vec![ContactHost { transport: "udp".into(), host: "127.0.0.1:5060".into() }],
            ring: Duration::from_secs(60),
            hunt: Duration::from_secs(15),
            redirects: 5,
            inactivity: Duration::from_secs(60),
            reserve_seconds: 60,
            renew_before: Duration::from_secs(15),
            offline_limit: Duration::from_secs(300),
            tries: 4,
            media: Vec::new(),
        }
    }
}

impl Settings {
    /// Where to be contacted by `transport`; the first there is if that transport is not served.
    pub(crate) fn contact_host(&self, transport: &str) -> Option<&ContactHost> {
        let same = |at: &&ContactHost| at.transport.eq_ignore_ascii_case(transport);
        self.contacts.iter().find(same).or(self.contacts.first())
    }
}

/// Where the platform can be reached by one transport.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactHost {
    /// `udp`, `tcp` ...
    pub transport: String,
    /// `host:port`, without a port if it is the usual one.
    pub host: String,
}

/// What a call borrows from its owner while it decides.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// Mints every identifier that the call shows to the world.
    pub mint: &'a Mint,
    /// What all calls have in common.
    pub settings: &'a Settings,
}
