//! Whether a request can be read at all (RFC 3261 8.2, 16.3).

use sip::{Message, Method, Refusal};

use crate::decide::{Decision, Dropped, Reply};
use crate::request::Request;

/// The request, or its refusal: 400, 416, 505.
pub(crate) fn read<'m>(message: &'m Message<&'m [u8]>, method: Method<'m>) -> Result<Request<'m>, Decision> {
    let read = message.check().and_then(|()| Request::read(message, method).map_err(Refusal::from));
    read.map_err(|Refusal { status, why }| match method {
        Method::Ack => Decision::Drop(Dropped::Unreadable),
        _ => Reply::new(status).because(why).into(),
    })
}
