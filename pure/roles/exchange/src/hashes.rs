//! Purposes of the platform's keyed hash within the exchange, so that no two uses collide.

/// Names an INVITE, so that its retransmissions, its CANCEL and its ACK find their call.
pub(crate) const INVITE: u8 = 0x20;
/// Makes a call's identity.
pub(crate) const CALL_ID: u8 = 0x21;
/// Stands for a REGISTER's Call-ID.
pub(crate) const REGISTER_CALL_ID: u8 = 0x22;
/// Tells whether a REGISTER says of a contact what the last one said.
pub(crate) const CONTACT: u8 = 0x23;
/// Names what is known of a user or a number.
pub(crate) const ACCOUNT: u8 = 0x24;
/// Names the attempt to begin a call, before it is known who calls.
pub(crate) const ATTEMPT: u8 = 0x2a;
/// The To-tag of an answer without state.
pub(crate) const TAG: u8 = 0x25;
/// Names a question on the bus.
pub(crate) const QUESTION: u8 = 0x26;
/// Names a nonce.
pub(crate) const NONCE: u8 = 0x27;
/// Draws the lot of a request under overload, and its Retry-After.
pub(crate) const LOT: u8 = 0x28;
/// Stands for a digest realm.
pub(crate) const REALM: u8 = 0x29;
