use std::net::SocketAddr;

use contract::{CellId, Envelope, NodeId};
use machine::{Epoch, Key, KeyedHash, Record, Shard, Tag};
use serde::{Deserialize, Serialize};

/// No frame is longer, bytes.
pub const LONGEST: usize = 16 << 20;
/// The purpose of the keyed hash by which both sides prove that they know the platform's secret.
const PURPOSE: u8 = 0xD0;
const HEAD: usize = 4;

/// What one thread says to another. What has a number is acknowledged by [`Frame::Ack`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// The first word of who was called.
    #[serde(rename = "c")]
    Challenge {
        /// To be hashed.
        nonce: u64,
    },
    /// The first word of who called.
    #[serde(rename = "h")]
    Hello {
        /// Who calls.
        node: NodeId,
        /// Which of its threads.
        thread: u16,
        /// See [`proof`].
        proof: u64,
    },
    /// A SIP message for the owner of a shard. Acknowledged once it is in the owner's journal.
    #[serde(rename = "i")]
    Inward {
        /// Its number.
        #[serde(rename = "n")]
        number: u64,
        /// The version of the view by which the sender chose the receiver.
        #[serde(rename = "v")]
        view: u64,
        /// Whose owner is meant.
        #[serde(rename = "s")]
        shard: Shard,
        /// The message.
        #[serde(rename = "b", with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// A SIP message for the world, for whoever holds the listener's address. Lost if the connection breaks, as a
    /// datagram would be. To another cell it is as the exchange said it: an edge there has still to pass it.
    #[serde(rename = "o")]
    Outward {
        /// The version of the sender's view.
        #[serde(rename = "v")]
        view: u64,
        /// How it goes out.
        #[serde(rename = "w")]
        wire: Wire,
        /// In which shard it was said, and under which epoch: what is said under a lower one than another was is not
        /// heard. None if it belongs to none, or comes from a release that did not say it.
        #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
        of: Option<(Shard, Epoch)>,
        /// The message.
        #[serde(rename = "b", with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// A question to the owner of a shard, or the answer to one. Lost if the connection breaks: who asks will ask again.
    #[serde(rename = "q")]
    Bus {
        /// The version of the sender's view.
        #[serde(rename = "v")]
        view: u64,
        /// The message.
        #[serde(rename = "e")]
        envelope: Envelope,
    },
    /// What changed in shards that the receiver follows. Acknowledged once it is remembered.
    #[serde(rename = "r")]
    Changes {
        /// Its number.
        #[serde(rename = "n")]
        number: u64,
        /// The version of the sender's view.
        #[serde(rename = "v")]
        view: u64,
        /// In the order in which it changed.
        #[serde(rename = "r")]
        changes: Vec<Changed>,
    },
    /// A copy of all that lives in these shards begins, among changes.
    #[serde(rename = "b")]
    Begin {
        /// The version of the sender's view; 0 from a release that did not say it.
        #[serde(rename = "v", default)]
        view: u64,
        /// Which, and under which epoch.
        #[serde(rename = "s")]
        shards: Vec<(Shard, Epoch)>,
    },
    /// The copy of these shards is whole. Acknowledged as changes are.
    #[serde(rename = "w")]
    Whole {
        /// Its number.
        #[serde(rename = "n")]
        number: u64,
        /// The version of the sender's view; 0 from a release that did not say it.
        #[serde(rename = "v", default)]
        view: u64,
        /// Which, and under which epoch.
        #[serde(rename = "s")]
        shards: Vec<(Shard, Epoch)>,
    },
    /// What the sender, who was taken for lost, had of shards that are the receiver's by now. Acknowledged.
    #[serde(rename = "l")]
    Estate {
        /// Its number.
        #[serde(rename = "n")]
        number: u64,
        /// The version of the sender's view.
        #[serde(rename = "v")]
        view: u64,
        /// The sender followed their owner: it may have been told less than there was.
        #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
        are_copies: bool,
        /// Each as it was last, and under which epoch.
        #[serde(rename = "r")]
        things: Vec<Changed>,
    },
    /// Everything up to this number is safe.
    #[serde(rename = "a")]
    Ack {
        /// The number.
        #[serde(rename = "n")]
        number: u64,
    },
}

/// By which way a message goes out, as an edge's flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// The place of the listener in the platform's list.
    #[serde(rename = "l")]
    pub listener: u8,
    /// The thread that has the connection, of a stream.
    #[serde(rename = "t", default)]
    pub thread: u8,
    /// The phone's end.
    #[serde(rename = "r")]
    pub remote: SocketAddr,
    /// Where a connection may be made to, if there is none any more.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<SocketAddr>,
    /// The cell whose edges have the flow, if it is another than the sender's.
    #[serde(rename = "c", default, skip_serializing_if = "is_home")]
    pub cell: CellId,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_home(cell: &CellId) -> bool {
    cell.is_home()
}

/// A record of a followed shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Whose it is.
    #[serde(rename = "s")]
    pub shard: Shard,
    /// Under which epoch.
    #[serde(rename = "e")]
    pub epoch: Epoch,
    /// The kind of thing.
    #[serde(rename = "t")]
    pub tag: u16,
    /// Which one.
    #[serde(rename = "k")]
    pub key: (u64, u64),
    /// Its whole state; empty: it is no more.
    #[serde(rename = "b", with = "serde_bytes")]
    pub body: Vec<u8>,
}

impl Changed {
    /// `record`, as its owner tells it under `epoch`.
    pub fn of(record: &Record, epoch: Epoch) -> Self {
        let key = ((record.key.0 >> 64) as u64, record.key.0 as u64);
        Changed { shard: record.shard, epoch, tag: record.tag.0, key, body: record.body.clone() }
    }

    /// What it is about.
    pub fn thing(&self) -> (Tag, Key) {
        (Tag(self.tag), Key(u128::from(self.key.0) << 64 | u128::from(self.key.1)))
    }
}

/// What `node`'s thread answers to a challenge: only who knows the secret can.
pub fn proof(hash: &KeyedHash, nonce: u64, node: NodeId, thread: u16) -> u64 {
    hash.sum64(PURPOSE, &[&nonce.to_le_bytes(), &node.0.to_le_bytes(), &thread.to_le_bytes()])
}

impl Frame {
    /// The number that is acknowledged, if it is.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Frame::Inward { number, .. }
            | Frame::Changes { number, .. }
            | Frame::Whole { number, .. }
            | Frame::Estate { number, .. } => Some(*number),
            Frame::Challenge { .. }
            | Frame::Hello { .. }
            | Frame::Outward { .. }
            | Frame::Bus { .. }
            | Frame::Begin { .. }
            | Frame::Ack { .. } => None,
        }
    }

    /// Adds the frame to `bytes`: its length (four bytes, little endian), then itself.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let at = bytes.len();
        bytes.extend_from_slice(&[0; HEAD]);
        bytes.append(&mut contract::encode(self));
        let length = (bytes.len() - at - HEAD) as u32;
        bytes[at..at + HEAD].copy_from_slice(&length.to_le_bytes());
    }
}

/// The stream holds what no peer would have written: the connection is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes is announced, {LONGEST} is the most")]
pub struct Garbled(pub usize);

/// Takes frames out of a stream.
#[derive(Debug, Default)]
pub struct Reader {
    held: Vec<u8>,
    taken: usize,
}

impl Reader {
    /// More of the stream came.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.held.drain(..self.taken);
            self.taken = 0;
        }
        self.held.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one. Frames of a later release, which are not understood, are passed over.
    ///
    /// # Errors
    /// If what comes is no frame.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Garbled> {
        loop {
            let rest = &self.held[self.taken..];
            let Some(head) = rest.first_chunk::<HEAD>() else { return Ok(None) };
            let length = u32::from_le_bytes(*head) as usize;
            if length > LONGEST {
                return Err(Garbled(length));
            }
            let Some(body) = rest.get(HEAD..HEAD + length) else { return Ok(None) };
            self.taken += HEAD + length;
            if let Ok(frame) = contract::decode(body) {
                return Ok(Some(frame));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::Secret;

    fn frames() -> Vec<Frame> {
        let remote = "[2001:db8::9]:5062".parse().unwrap();
        let wire = Wire { listener: 3, thread: 2, remote, otherwise: None, cell: CellId::HOME };
        let changed = Changed {
            shard: Shard::of(17),
            epoch: Epoch(4),
            tag: 0x11,
            key: (u64::MAX, 7),
            body: vec![1, 2, 3],
        };
        vec![
            Frame::Challenge { nonce: u64::MAX },
            Frame::Hello { node: NodeId(3), thread: 1, proof: 9 },
            Frame::Inward { number: 1, view: 2, shard: Shard::of(4095), bytes: b"INVITE".to_vec() },
            Frame::Outward { view: 2, wire, of: Some((Shard::of(3), Epoch(2))), bytes: vec![0; 70_000] },
            Frame::Outward {
                view: 3,
                wire: Wire { cell: CellId(2), ..wire },
                of: None,
                bytes: b"INVITE".to_vec(),
            },
            Frame::Bus { view: 3, envelope: Envelope { id: 9, body: vec![7; 300], ..Envelope::default() } },
            Frame::Begin { view: 3, shards: vec![(Shard::of(1), Epoch(2))] },
            Frame::Changes { number: 2, view: 3, changes: vec![changed.clone()] },
            Frame::Estate { number: 2, view: 3, are_copies: true, things: vec![changed] },
            Frame::Whole { number: 3, view: 3, shards: vec![(Shard::of(1), Epoch(2))] },
            Frame::Ack { number: 3 },
        ]
    }

    #[test]
    fn frames_come_out_however_the_stream_was_cut() {
        let mut stream = Vec::new();
        frames().iter().for_each(|frame| frame.write(&mut stream));
        for cut in [1, 5, 4096, stream.len()] {
            let (mut reader, mut got) = (Reader::default(), Vec::new());
            for piece in stream.chunks(cut) {
                reader.push(piece);
                while let Some(frame) = reader.next_frame().unwrap() {
                    got.push(frame);
                }
            }
            assert_eq!(got, frames(), "cut every {cut} bytes");
        }
    }

    #[test]
    fn a_frame_of_a_later_release_is_passed_over_and_a_monstrous_length_is_an_error() {
        #[derive(Serialize)]
        enum Later {
            #[serde(rename = "z")]
            New { number: u64 },
        }
        let body = contract::encode(&Later::New { number: 1 });
        let mut stream = (body.len() as u32).to_le_bytes().to_vec();
        stream.extend(body);
        Frame::Ack { number: 5 }.write(&mut stream);
        stream.extend(u32::MAX.to_le_bytes());
        let mut reader = Reader::default();
        reader.push(&stream);
        assert_eq!(reader.next_frame(), Ok(Some(Frame::Ack { number: 5 })));
        assert_eq!(reader.next_frame(), Err(Garbled(u32::MAX as usize)));
    }

    #[test]
    fn only_who_knows_the_secret_can_prove_it() {
        let (ours, theirs) = (KeyedHash::new(Secret::new([1; 16])), KeyedHash::new(Secret::new([2; 16])));
        let said = proof(&ours, 7, NodeId(1), 0);
        assert_eq!(said, proof(&ours, 7, NodeId(1), 0));
        for other in [
            proof(&theirs, 7, NodeId(1), 0),
            proof(&ours, 8, NodeId(1), 0),
            proof(&ours, 7, NodeId(2), 0),
            proof(&ours, 7, NodeId(1), 1),
        ] {
            assert_ne!(said, other);
        }
    }

    #[test]
    fn without_cells_the_way_out_is_written_as_before_there_were_any() {
        #[derive(Serialize)]
        struct Before {
            #[serde(rename = "l")]
            listener: u8,
            #[serde(rename = "t")]
            thread: u8,
            #[serde(rename = "r")]
            remote: SocketAddr,
        }
        let remote = "192.0.2.7:5062".parse().unwrap();
        let wire = Wire { listener: 3, thread: 2, remote, otherwise: None, cell: CellId::HOME };
        let before = contract::encode(&Before { listener: 3, thread: 2, remote });
        assert_eq!(contract::encode(&wire), before);
        assert_eq!(contract::decode::<Wire>(&before).unwrap(), wire);
    }
}
