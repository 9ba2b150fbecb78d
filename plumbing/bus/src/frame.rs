use contract::Envelope;

/// No message of the bus is longer, in bytes.
pub const LONGEST: usize = 16 << 20;

const HEAD: usize = 4;

/// A message on the wire: its length (little endian), then the envelope.
pub(crate) fn write(envelope: &Envelope) -> Vec<u8> {
    let body = contract::encode(envelope);
    let mut frame = Vec::with_capacity(HEAD + body.len());
    frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
    frame.extend_from_slice(&body);
    frame
}

/// The stream holds what no member would have written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Garbled {
    #[error("a message of {0} bytes is announced, {LONGEST} is the most")]
    TooLong(usize),
    #[error(transparent)]
    NoEnvelope(#[from] contract::DecodeError),
}

/// Takes messages out of a stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    held: Vec<u8>,
    taken: usize,
}

impl Reader {
    /// More of the stream came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.taken == self.held.len() {
            self.held.clear();
            self.taken = 0;
        }
        self.held.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Envelope>, Garbled> {
        let rest = &self.held[self.taken..];
        let Some(head) = rest.first_chunk::<HEAD>() else {
            self.compact();
            return Ok(None);
        };
        let length = u32::from_le_bytes(*head) as usize;
        if length > LONGEST {
            return Err(Garbled::TooLong(length));
        }
        let Some(body) = rest.get(HEAD..HEAD + length) else {
            self.compact();
            return Ok(None);
        };
        let envelope = contract::decode(body)?;
        self.taken += HEAD + length;
        Ok(Some(envelope))
    }

    /// Forgets what was taken, once it is much.
    fn compact(&mut self) {
        if self.taken > 64 << 10 {
            self.held.drain(..self.taken);
            self.taken = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(id: u64, size: usize) -> Envelope {
        Envelope { id, body: vec![id as u8; size], ..Envelope::default() }
    }

    #[test]
    fn messages_come_out_however_the_stream_was_cut() {
        let sent: Vec<_> = [0, 1, 70_000, 3, 1_200_000]
            .iter()
            .enumerate()
            .map(|(at, &size)| envelope(at as u64, size))
            .collect();
        let stream: Vec<u8> = sent.iter().flat_map(write).collect();
        for cut in [1, 3, 4096, 65_537, stream.len()] {
            let (mut reader, mut got) = (Reader::default(), Vec::new());
            for piece in stream.chunks(cut.max(stream.len() / 5_000)) {
                reader.push(piece);
                while let Some(envelope) = reader.next().unwrap() {
                    got.push(envelope);
                }
            }
            assert_eq!(got, sent, "cut every {cut} bytes");
        }
    }

    #[test]
    fn a_monstrous_length_or_rubbish_is_an_error() {
        let mut reader = Reader::default();
        reader.push(&u32::MAX.to_le_bytes());
        assert!(matches!(reader.next(), Err(Garbled::TooLong(_))));
        let mut reader = Reader::default();
        reader.push(&[2, 0, 0, 0, 0xc1, 0xc1]);
        assert!(matches!(reader.next(), Err(Garbled::NoEnvelope(_))));
    }
}
