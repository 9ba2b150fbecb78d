//! What a leg is told, and what it tells.

use crate::Status;

/// What the owner wants of a leg. A command that doesn't fit the leg's state (an answer to a call that was
/// cancelled meanwhile, say) does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegCommand {
    /// Called leg: a provisional response, with the answer to the offer if media is to flow early.
    Progress {
        /// 180, 181, 182 or 183.
        status: Status,
        /// The answer.
        sdp: Option<Vec<u8>>,
    },
    /// Called leg: 200. `sdp` is the answer, or the offer if the INVITE had none; `None` repeats what
    /// `Progress` said.
    Answer {
        /// The answer, or the offer.
        sdp: Option<Vec<u8>>,
    },
    /// Called leg: a final refusal (or redirection). Followed by [`LegEvent::Ended`] by us.
    Reject {
        /// 300..=699.
        status: Status,
        /// In place of the usual reason phrase.
        reason: Option<String>,
        /// More headers, such as Contact, Retry-After, Reason.
        headers: Vec<(String, String)>,
    },
    /// Calling leg: gives up ringing. CANCEL goes out as soon as the RFC allows; a 2xx that crosses it is
    /// acknowledged and hung up. Followed by [`LegEvent::Refused`], or by [`LegEvent::Ended`] by us if the
    /// 2xx crossed. On an answered leg the same as `Bye`.
    Cancel {
        /// A Reason header's value (RFC 3326).
        reason: Option<String>,
    },
    /// Ends the leg whatever its state: CANCEL, BYE or 480. Followed by [`LegEvent::Ended`] by us (at once,
    /// except for the CANCEL's case, see there).
    Bye {
        /// A Reason header's value (RFC 3326).
        reason: Option<String>,
    },
    /// Offers `sdp` by re-INVITE, as soon as the RFC allows (a later command replaces one that still waits).
    /// Followed by [`LegEvent::Reoffered`] or [`LegEvent::ReofferRefused`]; refused with 491 at once while
    /// an offer of the peer waits for the owner's answer.
    Reoffer {
        /// The offer.
        sdp: Vec<u8>,
    },
    /// UPDATE (RFC 3311): with `sdp` an offer like `Reoffer` (and by re-INVITE if the peer doesn't know
    /// UPDATE); without it a mere sign of life, which is answered by no event unless the peer is gone.
    Update {
        /// The offer.
        sdp: Option<Vec<u8>>,
    },
    /// Offers `sdp` by UPDATE before the call is answered, to a peer that knows UPDATE, once a provisional response has
    /// brought an answer: at once, or not at all. Followed by [`LegEvent::Reoffered`], or by
    /// [`LegEvent::ReofferRefused`] (with 491, if it could not be sent); by neither if the call is answered meanwhile by
    /// another fork, or ends.
    UpdateEarly {
        /// The offer.
        sdp: Vec<u8>,
    },
    /// Answers the pending [`LegEvent::Offer`]; also gives the answer to the offer in [`LegEvent::Answered`]
    /// if we dialled without one.
    AcceptOffer {
        /// The answer, or the offer if the re-INVITE had none.
        sdp: Vec<u8>,
    },
    /// Refuses the pending [`LegEvent::Offer`]; the session stays as it was.
    RefuseOffer {
        /// 400..=699, such as 488 or 491.
        status: Status,
    },
    /// Sends INFO.
    Info {
        /// The Content-Type.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
}

/// What happened on a leg. Exactly one of `Refused`, `Cancelled` and `Ended` is told for each leg, last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegEvent {
    /// Calling leg: 100.
    Trying,
    /// Calling leg: a provisional response (101..=199) of any fork.
    Progress {
        /// Its status.
        status: Status,
        /// Early media: the answer to our offer.
        sdp: Option<Vec<u8>>,
    },
    /// Calling leg: a 2xx. `sdp` is the answer (of the fork's provisional response, if the 2xx has none); or,
    /// if we dialled without an offer, the peer's offer: then the leg waits for `AcceptOffer` before it
    /// sends its ACK.
    Answered {
        /// The answer, or the offer.
        sdp: Option<Vec<u8>>,
    },
    /// Calling leg: the call did not come about. 408 also stands for a peer that never answered, 487 also
    /// for a CANCEL that nobody answered.
    Refused {
        /// 300..=699.
        status: Status,
        /// The reason phrase; for our own 408 and 487 it says that they are ours.
        reason: String,
        /// Where else to try, if `status` is 3xx: the Contacts' URIs, best q first.
        contacts: Vec<String>,
        /// The Retry-After header's seconds.
        retry_after: Option<u32>,
        /// The Reason header's value (RFC 3326).
        cause: Option<String>,
    },
    /// Called leg: it begins.
    Invited {
        /// The caller's offer; `None` wants ours in the 2xx.
        offer: Option<Vec<u8>>,
    },
    /// Called leg: the caller gave up; the leg has answered 200 and 487 itself.
    Cancelled {
        /// The CANCEL's Reason header's value (RFC 3326).
        reason: Option<String>,
    },
    /// Called leg: the ACK of our 2xx came.
    Confirmed {
        /// The answer to the offer in our 2xx.
        sdp: Option<Vec<u8>>,
    },
    /// Our 2xx never got its ACK. The leg sends BYE itself: `Ended` follows.
    NoAck,
    /// The peer wants to change the session (or merely refreshes it): answer by `AcceptOffer` or
    /// `RefuseOffer`. An UPDATE without SDP isn't told: the leg answers it.
    Offer {
        /// The offer; `None` wants ours.
        sdp: Option<Vec<u8>>,
        /// By which method it came.
        method: OfferMethod,
    },
    /// The peer took back its offer (CANCEL of a re-INVITE) before it was answered.
    OfferWithdrawn,
    /// The peer answered our `Reoffer` or `Update`, or the offer that we gave in `AcceptOffer`.
    Reoffered {
        /// The answer.
        sdp: Vec<u8>,
    },
    /// The peer refused our `Reoffer` or `Update`; the session stays as it was. (491 is tried again by the
    /// leg itself, RFC 3261 14.1, a few times.)
    ReofferRefused {
        /// 300..=699.
        status: Status,
    },
    /// The peer sent INFO; the leg has answered 200.
    Info {
        /// The Content-Type.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// The call is over.
    Ended {
        /// Who or what ended it.
        by: EndedBy,
        /// The BYE's Reason header's value (RFC 3326).
        reason: Option<String>,
    },
}

/// By which method an offer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferMethod {
    /// re-INVITE.
    Invite,
    /// UPDATE.
    Update,
}

/// Who or what ended a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The peer: BYE, or it doesn't know the dialog any more.
    Peer,
    /// The owner: `Bye`, `Cancel` or `Reject`.
    Us,
    /// A request of ours inside the dialog was never answered.
    NoResponse,
    /// Nobody refreshed the session in time (RFC 4028).
    SessionExpired,
    /// Our 2xx was never acknowledged.
    NoAck,
}

/// What a leg says: bytes for the wire, in order, and events for its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegOut {
    /// Whole SIP messages to send: requests where their Route or Request-URI says, responses where their Via says.
    pub send: Vec<Vec<u8>>,
    /// What happened.
    pub events: Vec<LegEvent>,
    /// What came changed nothing that must survive: it repeats what was dealt with, or only ends repetitions
    /// of ours.
    pub idle: bool,
}
