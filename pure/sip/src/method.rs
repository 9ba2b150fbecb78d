//! Request methods.

use std::fmt;

use crate::scan::ascii;

macro_rules! methods {
    ($($variant:ident $text:literal $doc:literal;)*) => {
        /// What a request asks for. Methods are case-sensitive.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Method<'a> {
            $(#[doc = $doc] $variant,)*
            /// A method of an extension; always a token.
            Other(&'a str),
        }

        impl<'a> Method<'a> {
            /// The method as it stands on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'a str {
                match self { $(Self::$variant => $text,)* Self::Other(text) => text }
            }

            /// The method of this name, whatever the name.
            #[must_use]
            pub fn named(text: &'a str) -> Self {
                match text { $($text => Self::$variant,)* _ => Self::Other(text) }
            }

            /// The method whose name, a token, these bytes are.
            #[inline]
            pub(crate) fn of_token(token: &'a [u8]) -> Self {
                $(if token == $text.as_bytes() {
                    return Self::$variant;
                })*
                Self::Other(ascii(token))
            }
        }
    };
}

methods! {
    Invite "INVITE" "Starts or changes a session.";
    Ack "ACK" "Ends the INVITE's handshake.";
    Bye "BYE" "Ends a session.";
    Cancel "CANCEL" "Takes a pending INVITE back.";
    Register "REGISTER" "Binds a contact to an address of record.";
    Options "OPTIONS" "Asks what the other side can do.";
    Info "INFO" "RFC 6086: application data inside a dialog.";
    Update "UPDATE" "RFC 3311: changes a session without an INVITE.";
    Prack "PRACK" "RFC 3262: acknowledges a provisional response.";
    Refer "REFER" "RFC 3515: asks the other side to call somebody.";
    Notify "NOTIFY" "RFC 6665: tells the state of something subscribed to.";
    Subscribe "SUBSCRIBE" "RFC 6665: asks to be notified.";
    Message "MESSAGE" "RFC 3428: carries an instant message.";
    Publish "PUBLISH" "RFC 3903: publishes event state.";
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
