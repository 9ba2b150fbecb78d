//! An independent parser reads valid messages as we do.

use proptest::prelude::*;
use strowger_sip::{Message, Name, Uri};

use crate::any::{self, Wire};

fn flat(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn same_uri(ours: &Uri<'_>, theirs: &sipx_sip::Uri) -> Result<(), TestCaseError> {
    prop_assert_eq!(ours.user, theirs.user());
    prop_assert_eq!(ours.password, theirs.password());
    prop_assert_eq!(ours.port, theirs.port());
    prop_assert_eq!(ours.host.to_string(), theirs.host().unwrap().to_string());
    prop_assert_eq!(ours.param("transport"), theirs.transport());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_parsers_agree(Wire(bytes) in any::message()) {
        let ours = Message::parse(&bytes[..]).unwrap();
        let theirs = sipx_sip::parse_datagram(bytes.clone().into(), &sipx_sip::Limits::datagram());
        let theirs = theirs.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(ours.body(), &theirs.body()[..]);
        let their_headers: Vec<_> = theirs.headers().iter().map(|header| flat(&header.value())).collect();
        let our_headers: Vec<_> = ours.headers().map(|(.., value)| flat(value)).collect();
        prop_assert_eq!(our_headers, their_headers);
        match (theirs.as_request(), theirs.as_response()) {
            (Some(request), _) => {
                prop_assert_eq!(ours.method().unwrap().as_str().as_bytes(), request.method.as_bytes());
                same_uri(&ours.request_uri().unwrap(), &request.uri)?;
            }
            (None, Some(response)) => {
                prop_assert_eq!(ours.status().unwrap().code(), response.status.code());
                prop_assert_eq!(ours.reason(), &response.reason[..]);
            }
            (None, None) => prop_assert!(false, "neither request nor response"),
        }
        let headers = theirs.headers();
        let cseq = headers.typed::<sipx_sip::CSeq>().unwrap().unwrap();
        prop_assert_eq!(ours.cseq().unwrap().number, cseq.sequence);
        let vias: Vec<_> = headers.typed_all::<sipx_sip::Via>().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(ours.vias().count(), vias.len());
        for (ours, theirs) in ours.vias().map(Result::unwrap).zip(vias) {
            prop_assert_eq!(ours.transport.as_str().as_bytes(), &theirs.transport[..]);
            prop_assert_eq!(ours.port, theirs.port);
            prop_assert_eq!(ours.branch().map(str::as_bytes), theirs.branch());
            prop_assert_eq!(ours.rport().is_some(), theirs.rport().is_some());
        }
        for name in [Name::From, Name::To, Name::Contact, Name::Route, Name::RecordRoute] {
            for (value, ours) in ours.values(name).zip(ours.addresses(name)) {
                let ours = ours.unwrap();
                let theirs = sipx_sip::Address::parse(flat(value).as_bytes(), "address");
                let theirs = theirs.map_err(|error| TestCaseError::fail(format!("{error}: {}", flat(value))))?;
                prop_assert_eq!(ours.tag().map(str::as_bytes), theirs.tag());
                same_uri(&ours.uri, &theirs.uri)?;
            }
        }
    }
}
