//! Header names: those the platform knows, their compact forms, and how to tell them quickly.

use std::fmt;

use crate::words::{all, first, same};

macro_rules! names {
    ($($variant:ident $text:literal $(/ $compact:literal)?;)*) => {
        /// A header's name. Headers of other names are kept too, and found by text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`", $(", compact form `", $compact, "`")?)] $variant,)*
            /// Any name that is not listed here.
            Other,
        }

        /// Every name and every compact form.
        const SPELLINGS: &[(&str, Name)] = &[
            $(($text, Name::$variant), $(($compact, Name::$variant),)?)*
        ];

        impl Name {
            /// How the RFCs spell this name; `"header"` for [`Name::Other`].
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* Self::Other => "header" }
            }
        }
    };
}

names! {
    Via "Via" / "v";
    From "From" / "f";
    To "To" / "t";
    CallId "Call-ID" / "i";
    CSeq "CSeq";
    Contact "Contact" / "m";
    Route "Route";
    RecordRoute "Record-Route";
    MaxForwards "Max-Forwards";
    Expires "Expires";
    MinExpires "Min-Expires";
    ContentType "Content-Type" / "c";
    ContentLength "Content-Length" / "l";
    ContentEncoding "Content-Encoding" / "e";
    ContentDisposition "Content-Disposition";
    ContentLanguage "Content-Language";
    Authorization "Authorization";
    ProxyAuthorization "Proxy-Authorization";
    WwwAuthenticate "WWW-Authenticate";
    ProxyAuthenticate "Proxy-Authenticate";
    AuthenticationInfo "Authentication-Info";
    Supported "Supported" / "k";
    Require "Require";
    ProxyRequire "Proxy-Require";
    Unsupported "Unsupported";
    Allow "Allow";
    AllowEvents "Allow-Events" / "u";
    Event "Event" / "o";
    SubscriptionState "Subscription-State";
    Path "Path";
    ServiceRoute "Service-Route";
    Subject "Subject" / "s";
    UserAgent "User-Agent";
    Server "Server";
    Date "Date";
    Timestamp "Timestamp";
    Warning "Warning";
    RetryAfter "Retry-After";
    Reason "Reason";
    ReferTo "Refer-To" / "r";
    ReferredBy "Referred-By" / "b";
    Replaces "Replaces";
    SessionExpires "Session-Expires" / "x";
    MinSe "Min-SE";
    RAck "RAck";
    RSeq "RSeq";
    PAssertedIdentity "P-Asserted-Identity";
    PPreferredIdentity "P-Preferred-Identity";
    Privacy "Privacy";
    Diversion "Diversion";
    HistoryInfo "History-Info";
    Accept "Accept";
    AcceptEncoding "Accept-Encoding";
    AcceptLanguage "Accept-Language";
    AcceptContact "Accept-Contact" / "a";
    RejectContact "Reject-Contact" / "j";
    RequestDisposition "Request-Disposition" / "d";
    Identity "Identity" / "y";
    AlertInfo "Alert-Info";
    CallInfo "Call-Info";
    ErrorInfo "Error-Info";
    FlowTimer "Flow-Timer";
    InReplyTo "In-Reply-To";
    MimeVersion "MIME-Version";
    Organization "Organization";
    Priority "Priority";
    ReplyTo "Reply-To";
    SipEtag "SIP-ETag";
    SipIfMatch "SIP-If-Match";
    TargetDialog "Target-Dialog";
}

/// A spelling of at most 16 letters in lower case, as two words.
type Key = (u64, u64);

const SLOTS: usize = 256;
const LOWER: u64 = all(0x20);

/// Short spellings; collisions go to the next free slot. A key of zeros is a free slot.
const TABLE: [(Key, Name); SLOTS] = {
    let mut table = [((0, 0), Name::Other); SLOTS];
    let mut at = 0;
    while at < SPELLINGS.len() {
        let (text, name) = SPELLINGS[at];
        if text.len() <= 16 {
            let key = key(text.as_bytes());
            let mut slot = slot(key);
            while table[slot].0.0 != 0 {
                slot = (slot + 1) % SLOTS;
            }
            table[slot] = (key, name);
        }
        at += 1;
    }
    table
};

/// The key of at most 16 letters.
const fn key(text: &[u8]) -> Key {
    let (mut low, mut high, mut at) = (0, 0, 0);
    while at < text.len() {
        let letter = (text[at] | 0x20) as u64;
        if at < 8 {
            low |= letter << (8 * at);
        } else {
            high |= letter << (8 * (at - 8));
        }
        at += 1;
    }
    (low, high)
}

#[inline]
const fn slot(key: Key) -> usize {
    ((key.0 ^ key.1.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

/// Spellings of more than 16 letters.
const LONG: [(&str, Name); 8] = [
    ("Content-Disposition", Name::ContentDisposition),
    ("Proxy-Authorization", Name::ProxyAuthorization),
    ("Proxy-Authenticate", Name::ProxyAuthenticate),
    ("Authentication-Info", Name::AuthenticationInfo),
    ("Subscription-State", Name::SubscriptionState),
    ("P-Asserted-Identity", Name::PAssertedIdentity),
    ("P-Preferred-Identity", Name::PPreferredIdentity),
    ("Request-Disposition", Name::RequestDisposition),
];

#[inline]
fn look_up(key: Key) -> Name {
    let mut at = slot(key);
    loop {
        let (found, name) = TABLE[at];
        if found == key || found.0 == 0 {
            return name;
        }
        at = (at + 1) % SLOTS;
    }
}

impl Name {
    /// The name spelled so, in any case or in its compact form.
    #[must_use]
    pub fn of(spelling: &[u8]) -> Self {
        if spelling.len() <= 16 {
            let name = look_up(key(spelling));
            // Making a control character lower case can make a letter of it.
            return if spelling.iter().any(u8::is_ascii_control) { Self::Other } else { name };
        }
        let same =
            |text: &str| text.len() == spelling.len() && text.as_bytes().eq_ignore_ascii_case(spelling);
        LONG.iter().find(|(text, _)| same(text)).map_or(Self::Other, |&(_, name)| name)
    }

    /// The name that a line begins with and the place of its colon, if that is among the first 16 bytes.
    /// The line has no control characters but white space.
    #[inline]
    pub(crate) fn leading(line: &[u8; 16]) -> Option<(Self, usize)> {
        let words = u128::from_le_bytes(*line);
        let (low, high) = (words as u64, (words >> 64) as u64);
        let before = |word: u64, length: usize| (word | LOWER) & ((1 << (8 * length)) - 1);
        let colon = first(same(low, b':'));
        if colon < 8 {
            return Some((look_up((before(low, colon), 0)), colon));
        }
        let colon = first(same(high, b':'));
        (colon < 8).then(|| (look_up((low | LOWER, before(high, colon))), 8 + colon))
    }

    /// This name's place in a set of names, which it shares with another.
    #[inline]
    pub(crate) const fn bit(self) -> u64 {
        1 << (self as u8 % 64)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_found_in_any_case() {
        for &(text, name) in SPELLINGS {
            assert_eq!(Name::of(text.as_bytes()), name, "{text}");
            assert_eq!(Name::of(text.to_uppercase().as_bytes()), name, "{text}");
            assert_eq!(Name::of(text.to_lowercase().as_bytes()), name, "{text}");
        }
    }

    #[test]
    fn other_spellings_are_other_names() {
        for text in ["", "Q", "Vi", "X-Custom", "Call_ID", "Content-Lengthy", "Rout\u{e9}"] {
            assert_eq!(Name::of(text.as_bytes()), Name::Other, "{text}");
        }
    }

    #[test]
    fn the_table_has_short_probes() {
        for (text, _) in SPELLINGS.iter().filter(|(text, _)| text.len() <= 16) {
            let key = key(text.as_bytes());
            let probes = (0..).take_while(|step| TABLE[(slot(key) + step) % SLOTS].0 != key).count();
            assert!(probes < 4, "{text} takes {probes}");
        }
    }

    #[test]
    fn a_line_tells_its_name() {
        assert_eq!(Name::leading(b"via: SIP/2.0/UDP"), Some((Name::Via, 3)));
        assert_eq!(Name::leading(b"Content-Length:3"), Some((Name::ContentLength, 14)));
        assert_eq!(Name::leading(b"Via : SIP/2.0/UD"), Some((Name::Other, 4)));
        assert_eq!(Name::of(b"Call\rID"), Name::Other);
        assert_eq!(Name::leading(b"WWW-Authenticate"), None);
        assert_eq!(Name::leading(b": nothing before"), Some((Name::Other, 0)));
    }
}
