use serde::Serialize;
use serde::de::DeserializeOwned;

/// The encoded body of a message.
pub type Body = Vec<u8>;

/// A body that does not say what its subject promises.
#[derive(Debug, thiserror::Error)]
#[error("expected a {expected}, read {length} bytes that are none: {source}")]
pub struct DecodeError {
    /// The type that was expected.
    pub expected: &'static str,
    /// How long the body was.
    pub length: usize,
    /// What broke.
    pub source: rmp_serde::decode::Error,
}

/// Writes `value` as MessagePack with named fields.
///
/// # Panics
/// Never for the types of this crate: they hold nothing that MessagePack lacks.
pub fn encode<T: Serialize>(value: &T) -> Body {
    let mut body = Vec::with_capacity(256);
    // Human-readable addresses: serde reads tagged enums as if they were, so both sides must agree.
    match machine::pack::write_readable(value, &mut body) {
        Ok(()) => body,
        Err(error) => unreachable!("a contract type that MessagePack cannot hold: {error}"),
    }
}

/// Reads a body of any release.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(body).with_human_readable();
    T::deserialize(&mut reader).map_err(|source| DecodeError {
        expected: std::any::type_name::<T>(),
        length: body.len(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::Reserved;
    use crate::media::{Anchored, LegPort};
    use crate::{CallId, Money, NodeId};
    use serde::Deserialize;

    #[test]
    fn what_is_written_is_read() {
        let port = |port| LegPort {
            leg: 1,
            rtp: ([127, 0, 0, 1], port).into(),
            rtcp: ([127, 0, 0, 1], port + 1).into(),
        };
        let answer = Anchored::Ready { node: NodeId(3), legs: vec![port(30000), port(30002)] };
        assert_eq!(decode::<Anchored>(&encode(&answer)).unwrap(), answer);
        let money = Money { micros: -12_000_000, currency: "EUR".into() };
        let granted = Reserved::Granted { seconds: 60, amount: money };
        assert_eq!(decode::<Reserved>(&encode(&granted)).unwrap(), granted);
    }

    #[test]
    fn a_later_release_is_understood_as_far_as_possible() {
        #[derive(Serialize)]
        struct Later {
            call: CallId,
            mood: &'static str,
        }
        #[derive(Serialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        enum LaterAnswer {
            Postponed { until: u64 },
        }
        let release: crate::media::Release =
            decode(&encode(&Later { call: CallId(5), mood: "cheerful" })).unwrap();
        assert_eq!(release.call, CallId(5));
        let answer: Anchored = decode(&encode(&LaterAnswer::Postponed { until: 7 })).unwrap();
        assert_eq!(answer, Anchored::Unknown);
    }

    #[test]
    fn rubbish_is_an_error_that_names_what_was_expected() {
        #[derive(Debug, Deserialize)]
        struct Never {
            #[allow(dead_code)]
            must: u8,
        }
        let error = decode::<Never>(&[0xc1, 0xff]).unwrap_err();
        assert!(error.to_string().contains("Never"), "{error}");
    }
}
