//! RFC 3550 6: reports, several in one datagram.

use serde::{Deserialize, Serialize};

use crate::invalid::{part, word};
use crate::{Invalid, Ntp};

/// Packet types.
const SENDER: u8 = 200;
const RECEIVER: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// One packet of a compound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// SR: how much one side sent, and how it hears others.
    Sender {
        /// About itself.
        info: SenderInfo,
        /// About those it hears, at most 31.
        blocks: Vec<Block>,
    },
    /// RR: how one side that sends nothing hears others.
    Receiver {
        /// Who says it.
        ssrc: u32,
        /// About those it hears, at most 31.
        blocks: Vec<Block>,
    },
    /// SDES: who the sources are; at most 31.
    Description(Vec<Source>),
    /// BYE: sources that leave.
    Goodbye {
        /// Which ones, at most 31.
        sources: Vec<u32>,
        /// Why, if it was said.
        reason: Vec<u8>,
    },
}

/// What a sender says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderInfo {
    /// Who says it.
    pub ssrc: u32,
    /// When.
    pub ntp: Ntp,
    /// The same moment on the clock of its packets.
    pub timestamp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Bytes of payload sent so far.
    pub octets: u32,
}

/// How one side hears one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The source.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost so far (24 bits); negative with duplicates.
    pub lost: i32,
    /// Highest sequence number, extended by the count of its cycles.
    pub highest: u32,
    /// Variation of arrival, in units of the source's clock.
    pub jitter: u32,
    /// Middle of the NTP time of the last sender report; 0 if there was none.
    pub last_report: u32,
    /// How long ago that arrived, in 1/65536 s.
    pub since_last_report: u32,
}

/// What is said about one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Which one.
    pub ssrc: u32,
    /// Kind and text; kind 1 is the canonical name.
    pub items: Vec<(u8, Vec<u8>)>,
}

impl Source {
    /// A source with a canonical name.
    pub fn named(ssrc: u32, name: &str) -> Self {
        Source { ssrc, items: vec![(1, name.as_bytes().to_vec())] }
    }

    /// The canonical name.
    pub fn name(&self) -> Option<&[u8]> {
        self.items.iter().find(|item| item.0 == 1).map(|item| item.1.as_slice())
    }
}

impl Report {
    /// What is said about those heard.
    pub fn blocks(&self) -> &[Block] {
        match self {
            Report::Sender { blocks, .. } | Report::Receiver { blocks, .. } => blocks,
            Report::Description(_) | Report::Goodbye { .. } => &[],
        }
    }
}

/// Reads a datagram. Packets of unknown types are skipped; compounds of reduced size (RFC 5506) are taken.
pub fn parse(bytes: &[u8]) -> Result<Vec<Report>, Invalid> {
    let mut reports = Vec::new();
    let mut at = 0;
    while at < bytes.len() || at == 0 {
        let head = part(bytes, at, 4)?;
        if head[0] >> 6 != 2 {
            return Err(Invalid::Version { at, found: head[0] >> 6 });
        }
        let length = (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1) * 4;
        let whole = part(bytes, at, length)?;
        let body = unpad(&whole[4..], head[0] & 0x20 != 0)?;
        let count = usize::from(head[0] & 0x1f);
        let unfit = |what| move |_| Invalid::Unfit { at, what };
        match head[1] {
            SENDER => reports.push(read_sender(body, count).map_err(unfit("sender report"))?),
            RECEIVER => reports.push(read_receiver(body, count).map_err(unfit("receiver report"))?),
            DESCRIPTION => reports.push(read_description(body, count).map_err(unfit("description"))?),
            GOODBYE => reports.push(read_goodbye(body, count).map_err(unfit("goodbye"))?),
            _ => {}
        }
        at += length;
    }
    Ok(reports)
}

/// Writes `reports` as one datagram after what is in `out`. What the formats can't count is cut: 31 blocks
/// or sources, texts of 255 bytes.
pub fn write(reports: &[Report], out: &mut Vec<u8>) {
    for report in reports {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        let (kind, count) = match report {
            Report::Sender { info, blocks } => {
                write_info(info, out);
                (SENDER, write_blocks(blocks, out))
            }
            Report::Receiver { ssrc, blocks } => {
                out.extend_from_slice(&ssrc.to_be_bytes());
                (RECEIVER, write_blocks(blocks, out))
            }
            Report::Description(sources) => {
                sources.iter().take(31).for_each(|source| write_source(source, start, out));
                (DESCRIPTION, sources.len().min(31))
            }
            Report::Goodbye { sources, reason } => {
                sources.iter().take(31).for_each(|ssrc| out.extend_from_slice(&ssrc.to_be_bytes()));
                if !reason.is_empty() {
                    write_text(reason, out);
                }
                (GOODBYE, sources.len().min(31))
            }
        };
        while !(out.len() - start).is_multiple_of(4) {
            out.push(0);
        }
        let words = ((out.len() - start) / 4 - 1) as u16;
        out[start] = 0x80 | count as u8;
        out[start + 1] = kind;
        out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
    }
}

fn unpad(body: &[u8], padded: bool) -> Result<&[u8], Invalid> {
    if !padded {
        return Ok(body);
    }
    let said = body.last().copied().unwrap_or(0);
    let length = body.len().checked_sub(usize::from(said)).filter(|_| said != 0);
    length.map(|length| &body[..length]).ok_or(Invalid::Padding { said, had: body.len() })
}

fn read_sender(body: &[u8], count: usize) -> Result<Report, Invalid> {
    let info = SenderInfo {
        ssrc: word(body, 0)?,
        ntp: Ntp(u64::from(word(body, 4)?) << 32 | u64::from(word(body, 8)?)),
        timestamp: word(body, 12)?,
        packets: word(body, 16)?,
        octets: word(body, 20)?,
    };
    Ok(Report::Sender { info, blocks: read_blocks(&body[24..], count)? })
}

fn read_receiver(body: &[u8], count: usize) -> Result<Report, Invalid> {
    Ok(Report::Receiver { ssrc: word(body, 0)?, blocks: read_blocks(&body[4..], count)? })
}

fn read_blocks(body: &[u8], count: usize) -> Result<Vec<Block>, Invalid> {
    (0..count).map(|index| read_block(part(body, index * 24, 24)?)).collect()
}

fn read_block(bytes: &[u8]) -> Result<Block, Invalid> {
    let loss = word(bytes, 4)?;
    Ok(Block {
        ssrc: word(bytes, 0)?,
        fraction_lost: (loss >> 24) as u8,
        // The sign is that of 24 bits.
        lost: (loss << 8) as i32 >> 8,
        highest: word(bytes, 8)?,
        jitter: word(bytes, 12)?,
        last_report: word(bytes, 16)?,
        since_last_report: word(bytes, 20)?,
    })
}

fn read_description(body: &[u8], count: usize) -> Result<Report, Invalid> {
    let mut sources = Vec::with_capacity(count);
    let mut at = 0;
    for _ in 0..count {
        let mut source = Source { ssrc: word(body, at)?, items: Vec::new() };
        at += 4;
        loop {
            let kind = part(body, at, 1)?[0];
            if kind == 0 {
                break;
            }
            let length = usize::from(part(body, at + 1, 1)?[0]);
            source.items.push((kind, part(body, at + 2, length)?.to_vec()));
            at += 2 + length;
        }
        // At least one zero, and as many as fill the word.
        at = (at / 4 + 1) * 4;
        sources.push(source);
    }
    Ok(Report::Description(sources))
}

fn read_goodbye(body: &[u8], count: usize) -> Result<Report, Invalid> {
    let sources = (0..count).map(|index| word(body, index * 4)).collect::<Result<_, _>>()?;
    let at = count * 4;
    let reason = match body.get(at) {
        Some(&length) => part(body, at + 1, usize::from(length))?.to_vec(),
        None => Vec::new(),
    };
    Ok(Report::Goodbye { sources, reason })
}

fn write_info(info: &SenderInfo, out: &mut Vec<u8>) {
    out.extend_from_slice(&info.ssrc.to_be_bytes());
    out.extend_from_slice(&info.ntp.0.to_be_bytes());
    for word in [info.timestamp, info.packets, info.octets] {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

fn write_blocks(blocks: &[Block], out: &mut Vec<u8>) -> usize {
    for block in blocks.iter().take(31) {
        let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        let loss = u32::from(block.fraction_lost) << 24 | lost;
        let words = [block.ssrc, loss, block.highest, block.jitter];
        for word in words.into_iter().chain([block.last_report, block.since_last_report]) {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    blocks.len().min(31)
}

fn write_source(source: &Source, start: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&source.ssrc.to_be_bytes());
    for (kind, text) in source.items.iter().filter(|item| item.0 != 0) {
        out.push(*kind);
        write_text(text, out);
    }
    out.push(0);
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    let text = &text[..text.len().min(255)];
    out.push(text.len() as u8);
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compound() -> Vec<Report> {
        let block = Block {
            ssrc: 2,
            fraction_lost: 64,
            lost: -3,
            highest: 0x1_0005,
            jitter: 12,
            last_report: 0xb705_2000,
            since_last_report: 0x0005_4000,
        };
        let info = SenderInfo { ssrc: 1, ntp: Ntp(7 << 32 | 9), timestamp: 160, packets: 10, octets: 1600 };
        vec![
            Report::Sender { info, blocks: vec![block, Block { lost: 0x7f_ffff, ..block }] },
            Report::Receiver { ssrc: 1, blocks: vec![block] },
            Report::Description(vec![Source::named(1, "alice@example.org"), Source::named(2, "bob")]),
            Report::Goodbye { sources: vec![1, 2], reason: b"teardown".to_vec() },
        ]
    }

    #[test]
    fn a_compound_is_written_and_read() {
        let mut bytes = Vec::new();
        write(&compound(), &mut bytes);
        assert_eq!(&bytes[..8], &[0x82, 200, 0, 18, 0, 0, 0, 1]);
        assert_eq!(parse(&bytes), Ok(compound()));
    }

    #[test]
    fn unknown_types_are_skipped_and_padding_taken_off() {
        let mut bytes = vec![0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        bytes.extend_from_slice(&[0xa1, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4]);
        assert_eq!(parse(&bytes), Ok(vec![Report::Goodbye { sources: vec![1], reason: vec![] }]));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(parse(&[]), Err(Invalid::Short { at: 0, needed: 4, had: 0 }));
        let cut = [0x80, 201, 0, 2, 0, 0, 0, 1];
        assert_eq!(parse(&cut), Err(Invalid::Short { at: 0, needed: 12, had: 8 }));
        let hollow = [0x81, 201, 0, 1, 0, 0, 0, 1];
        assert_eq!(parse(&hollow), Err(Invalid::Unfit { at: 0, what: "receiver report" }));
        let endless = [0x81, 202, 0, 2, 0, 0, 0, 1, 1, 200, b'a', b'b'];
        assert_eq!(parse(&endless), Err(Invalid::Unfit { at: 0, what: "description" }));
    }
}
