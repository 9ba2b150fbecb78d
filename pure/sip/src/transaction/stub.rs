use serde::{Deserialize, Serialize};

use crate::{CSeq, Message, Method, Name, Writer};

/// What of an INVITE its CANCEL and the ACK of its refusal repeat (RFC 3261 9.1, 17.1.1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stub {
    #[serde(with = "serde_bytes")]
    head: Vec<u8>,
}

impl Stub {
    /// Of a whole INVITE, whose top Via is the sender's own.
    pub fn of(invite: &[u8]) -> Option<Stub> {
        let invite = Message::parse(invite).ok()?;
        let mut head = Vec::with_capacity(512);
        Writer::request(&mut head, Method::Invite, invite.request_uri_bytes())
            .header(Name::Via, invite.first_value(Name::Via)?)
            .copy(&invite, Name::Route)
            .copy(&invite, Name::From)
            .copy(&invite, Name::To)
            .copy(&invite, Name::CallId)
            .copy(&invite, Name::CSeq)
            .empty_body();
        Some(Stub { head })
    }

    /// The ACK of `refusal`.
    pub fn ack<B: AsRef<[u8]>>(&self, refusal: &Message<B>) -> Vec<u8> {
        self.write(Method::Ack, |writer, _| writer.copy(refusal, Name::To))
    }

    /// The CANCEL, with a Reason header (RFC 3326) if there is a reason.
    pub fn cancel(&self, reason: Option<&str>) -> Vec<u8> {
        self.write(Method::Cancel, |writer, invite| {
            let writer = writer.copy(invite, Name::To);
            match reason {
                Some(reason) => writer.header(Name::Reason, reason),
                None => writer,
            }
        })
    }

    fn write(
        &self,
        method: Method<'_>,
        more: impl for<'w> FnOnce(Writer<'w>, &Message<&[u8]>) -> Writer<'w>,
    ) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.head.len() + 64);
        let Ok(invite) = Message::parse(&self.head[..]) else { return bytes };
        let number = invite.cseq().map_or(0, |cseq| cseq.number);
        let writer = Writer::request(&mut bytes, method, invite.request_uri_bytes())
            .copy(&invite, Name::Via)
            .copy(&invite, Name::Route)
            .number(Name::MaxForwards, 70)
            .copy(&invite, Name::From)
            .copy(&invite, Name::CallId)
            .cseq(CSeq { number, method });
        more(writer, &invite).empty_body();
        bytes
    }
}
