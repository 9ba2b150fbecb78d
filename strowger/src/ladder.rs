//! A call's messages as arrows between columns, for a terminal.

use std::fmt::Write as _;

use contract::query::Rung;
use machine::Moment;
use sip::{Message, Name};

const COLUMN: usize = 34;
const US: &str = "strowger";

/// Draws `rungs` with one column for each party; ours stands between the caller and the others.
pub(crate) fn draw(rungs: &[Rung], full: bool) -> String {
    let Some(first) = rungs.first() else {
        return "no messages are remembered of this call\n".to_owned();
    };
    let columns = columns(rungs);
    let us = columns.iter().position(|name| name == US).unwrap_or(0);
    let mut page = String::new();
    let _ = write!(page, "{:>9}  ", "");
    for name in &columns {
        let _ = write!(page, "{:<COLUMN$}", shorten(name, COLUMN - 2));
    }
    page.push('\n');
    for rung in rungs {
        let party = columns.iter().position(|name| *name == rung.party).unwrap_or(0);
        let (from, to) = if rung.to_us { (party, us) } else { (us, party) };
        let _ = writeln!(
            page,
            "{:>8.3}s {}",
            seconds(first.at, rung.at),
            arrow(from, to, columns.len(), &label(rung))
        );
        if full {
            for line in String::from_utf8_lossy(&rung.message).lines() {
                let _ = writeln!(page, "            {line}");
            }
        }
    }
    page
}

fn seconds(first: Moment, at: Moment) -> f64 {
    at.since(first).as_secs_f64()
}

/// The caller, we, and whoever else took part, in order of appearance.
fn columns(rungs: &[Rung]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for rung in rungs {
        if !columns.contains(&rung.party) {
            columns.push(rung.party.clone());
        }
    }
    columns.insert(1.min(columns.len()), US.to_owned());
    columns
}

/// `INVITE (SDP)`, `180 Ringing`, `200 OK BYE`.
pub(crate) fn label(rung: &Rung) -> String {
    let Ok(message) = Message::parse(&rung.message[..]) else {
        return "?".to_owned();
    };
    let sdp = if message.body().starts_with(b"v=0") { " (SDP)" } else { "" };
    let method = message.cseq().map(|cseq| cseq.method.as_str().to_owned()).unwrap_or_default();
    match message.status() {
        Some(status) => {
            let reason = String::from_utf8_lossy(message.reason()).into_owned();
            let of = if method == "INVITE" { String::new() } else { format!(" {method}") };
            format!("{} {reason}{of}{sdp}", status.code())
        }
        None => {
            let again = if message.raw(Name::Authorization).is_some()
                || message.raw(Name::ProxyAuthorization).is_some()
            {
                " +credentials"
            } else {
                ""
            };
            format!("{method}{again}{sdp}")
        }
    }
}

fn arrow(from: usize, to: usize, columns: usize, label: &str) -> String {
    let (left, right) = (from.min(to), from.max(to));
    let mut line: Vec<char> = vec![' '; columns * COLUMN];
    for column in 0..columns {
        line[column * COLUMN + 2] = '│';
    }
    let (begin, end) = (left * COLUMN + 3, right * COLUMN + 1);
    for place in line.iter_mut().take(end + 1).skip(begin) {
        *place = '─';
    }
    if from < to {
        line[end] = '▶';
    } else {
        line[begin] = '◀';
    }
    let room = end - begin - 3;
    let text: Vec<char> = format!(" {} ", shorten(label, room.saturating_sub(2))).chars().collect();
    let start = begin + 1 + (end - begin - text.len()) / 2;
    for (offset, &symbol) in text.iter().enumerate() {
        line[start + offset] = symbol;
    }
    line.into_iter().collect::<String>().trim_end().to_owned()
}

fn shorten(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(room.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(ms: u64, party: &str, to_us: bool, start: &str, cseq: &str) -> Rung {
        let message = format!("{start}\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n").into_bytes();
        Rung { at: Moment::from_micros(ms * 1000), party: party.into(), to_us, message }
    }

    #[test]
    fn a_ladder_shows_who_said_what_when() {
        let page = draw(
            &[
                rung(0, "alice", true, "INVITE sip:bob@x SIP/2.0", "1 INVITE"),
                rung(2, "bob", false, "INVITE sip:bob@y SIP/2.0", "1 INVITE"),
                rung(150, "bob", true, "SIP/2.0 180 Ringing", "1 INVITE"),
                rung(151, "alice", false, "SIP/2.0 180 Ringing", "1 INVITE"),
                rung(3000, "alice", true, "BYE sip:x SIP/2.0", "2 BYE"),
            ],
            false,
        );
        let lines: Vec<_> = page.lines().collect();
        assert!(
            lines[0].find("alice") < lines[0].find("strowger")
                && lines[0].find("strowger") < lines[0].find("bob")
        );
        assert!(lines[1].contains("INVITE") && lines[1].contains('▶'), "{page}");
        assert!(lines[3].contains("180 Ringing") && lines[3].contains('◀'), "{page}");
        assert!(lines[5].contains("3.000s") && lines[5].contains("BYE"), "{page}");
    }
}
