use std::fmt;
use std::net::IpAddr;

/// Where something is: an IP address, or (rarely) a domain name, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    ip: Option<IpAddr>,
    v6: bool,
    text: String,
}

impl Address {
    /// The address, unless it is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads `IN IP4 host` or `IN IP6 host`, given as three words.
    fn of_words(net: &str, family: &str, host: &str) -> Option<Self> {
        Some(Address { v6: is_v6(net, family)?, ip: host.parse().ok(), text: host.to_owned() })
    }
}

/// Whether `IN IP4` or `IN IP6` says IPv6.
fn is_v6(net: &str, family: &str) -> Option<bool> {
    match family {
        _ if !net.eq_ignore_ascii_case("IN") => None,
        _ if family.eq_ignore_ascii_case("IP4") => Some(false),
        _ if family.eq_ignore_ascii_case("IP6") => Some(true),
        _ => None,
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Address { ip: Some(ip), v6: ip.is_ipv6(), text: ip.to_string() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IN IP{} {}", if self.v6 { 6 } else { 4 }, self.text)
    }
}

/// The value of a `c=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where packets are wanted.
    pub address: Address,
    /// What follows a multicast address: time to live, number of addresses.
    pub multicast: Option<String>,
}

impl Connection {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (v6, host, multicast) = Connection::words(text)?;
        let address = Address { ip: host.parse().ok(), v6, text: host.to_owned() };
        Some(Connection { address, multicast: multicast.map(str::to_owned) })
    }

    /// Whether a `c=` line can be read.
    pub(crate) fn is_one(text: &str) -> bool {
        Connection::words(text).is_some()
    }

    /// The address of a `c=` line that can be read, unless it is a name.
    pub(crate) fn ip_of(text: &str) -> Option<Option<IpAddr>> {
        Connection::words(text).map(|(_, host, _)| host.parse().ok())
    }

    fn words(text: &str) -> Option<(bool, &str, Option<&str>)> {
        let mut words = text.split_ascii_whitespace();
        let (net, family, host) = (words.next()?, words.next()?, words.next()?);
        let v6 = is_v6(net, family)?;
        Some(match host.split_once('/') {
            Some((host, rest)) => (v6, host, Some(rest)),
            None => (v6, host, None),
        })
    }
}

impl From<IpAddr> for Connection {
    fn from(ip: IpAddr) -> Self {
        Connection { address: ip.into(), multicast: None }
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        match &self.multicast {
            Some(rest) => write!(f, "/{rest}"),
            None => Ok(()),
        }
    }
}

/// The value of the `o=` line: whose session this is, and which version of it. Numbers are kept as text,
/// since they come in any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// A login, or `-`.
    pub username: String,
    /// Stays the same for the whole session.
    pub id: String,
    /// Grows by one with every change.
    pub version: String,
    /// Where the session was made.
    pub address: Address,
}

impl Origin {
    /// An origin of our own.
    pub fn new(id: u64, version: u64, ip: IpAddr) -> Self {
        let (id, version) = (id.to_string(), version.to_string());
        Origin { username: "-".to_owned(), id, version, address: ip.into() }
    }

    /// Reads from the right, since there are phones whose user names have spaces.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (rest, host) = last_word(text)?;
        let (rest, family) = last_word(rest)?;
        let (rest, net) = last_word(rest)?;
        let (rest, version) = last_word(rest)?;
        let (username, id) = last_word(rest)?;
        let address = Address::of_words(net, family, host)?;
        let username = if username.is_empty() { "-" } else { username };
        Some(Origin {
            username: username.to_owned(),
            id: id.to_owned(),
            version: version.to_owned(),
            address,
        })
    }
}

fn last_word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_ascii();
    let (rest, word) = text.rsplit_once(' ').unwrap_or(("", text));
    (!word.is_empty()).then_some((rest.trim_ascii(), word))
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.username, self.id, self.version, self.address)
    }
}
