//! Header names: those the platform knows, their compact forms, and how to tell them quickly.

use std::fmt;

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

const SLOTS: usize = 256;
const EMPTY: u8 = u8::MAX;

/// Where to look a spelling up; collisions go to the next free slot.
const TABLE: [u8; SLOTS] = {
    let mut table = [EMPTY; SLOTS];
    let mut at = 0;
    while at < SPELLINGS.len() {
        let mut slot = slot(SPELLINGS[at].0.as_bytes());
        while table[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = at as u8;
        at += 1;
    }
    table
};

/// Length, first, middle and last letter tell nearly all names apart.
const fn slot(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let first = (name[0] | 0x20) as usize;
    let middle = (name[name.len() / 2] | 0x20) as usize;
    let last = (name[name.len() - 1] | 0x20) as usize;
    (name.len() * 41 + first * 7 + middle * 3 + last * 29) % SLOTS
}

impl Name {
    /// The name spelled so, in any case or in its compact form.
    #[must_use]
    pub fn of(spelling: &[u8]) -> Self {
        let mut slot = slot(spelling);
        loop {
            let entry = TABLE[slot];
            if entry == EMPTY {
                return Self::Other;
            }
            let (text, name) = SPELLINGS[entry as usize];
            if text.as_bytes() == spelling || text.as_bytes().eq_ignore_ascii_case(spelling) {
                return name;
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// This name's place in a set of names.
    pub(crate) const fn bit(self) -> u128 {
        1 << self as u8
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
    fn names_fit_into_the_set_that_edits_use() {
        assert!((Name::Other as u8) < 128);
    }

    #[test]
    fn the_table_has_short_probes() {
        let longest = SPELLINGS.iter().map(|(text, _)| {
            let (mut at, mut probes) = (slot(text.as_bytes()), 1);
            while SPELLINGS[TABLE[at] as usize].0 != *text {
                at = (at + 1) % SLOTS;
                probes += 1;
            }
            probes
        });
        assert!(longest.max() <= Some(4));
    }
}
