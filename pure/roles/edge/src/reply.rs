use sip::{Message, Status};

/// Writes a stateless answer to `request`, if it says enough to be answered.
pub(crate) fn refuse(request: &Message<&[u8]>, status: Status, reason: &str, into: &mut Vec<u8>) -> bool {
    into.clear();
    if request.top_via().is_err() || request.call_id().is_err() || request.cseq().is_err() {
        return false;
    }
    // The tag only has to be there: nobody will come back with it.
    sip::respond(request, status, Some(reason), Some("edge"), into).empty_body();
    true
}
