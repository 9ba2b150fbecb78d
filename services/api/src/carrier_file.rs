//! The file of records that a carrier delivers: one line a call, `id,caller,dialed,start,seconds`. Fields may stand in
//! quotes, a first line may name the columns in another order, and lines that begin with `#` say nothing.

use machine::Moment;

use crate::Time;

/// No call is believed to have lasted longer: a week.
const LONGEST: u64 = 7 * 24 * 3600;
const COLUMNS: [&str; 5] = ["id", "caller", "dialed", "start", "seconds"];

/// One call that a carrier took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Which line of the file it is, from 1 on.
    pub(crate) number: u64,
    /// What the carrier calls it.
    pub(crate) id: String,
    /// Who called: `user@domain`, a SIP URI, or a name or number alone.
    pub(crate) caller: String,
    pub(crate) dialed: String,
    pub(crate) start: Moment,
    pub(crate) seconds: u64,
}

/// A line that can't be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) number: u64,
    pub(crate) reason: String,
}

/// Whether a line names the columns.
pub(crate) fn is_heading(line: &[u8]) -> bool {
    std::str::from_utf8(line)
        .ok()
        .and_then(|text| fields(text.trim_end()))
        .is_some_and(|it| named(&it).is_some())
}

/// What stands in a file, or in a part of it that begins with line `first`.
pub(crate) fn read(bytes: &[u8], first: u64, now: Moment) -> (Vec<Line>, Vec<Bad>) {
    let (mut lines, mut bad) = (Vec::new(), Vec::new());
    let mut order = COLUMNS.map(|column| COLUMNS.iter().position(|it| *it == column).unwrap_or_default());
    for (number, raw) in (first..).zip(bytes.split_inclusive(|&byte| byte == b'\n')) {
        let Ok(text) = std::str::from_utf8(raw) else {
            bad.push(Bad { number, reason: "is not UTF-8".into() });
            continue;
        };
        // What was cut short can look whole: 12 seconds of 120.
        let is_whole = text.ends_with('\n');
        let text = text.trim_end_matches(['\r', '\n']);
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let fields = fields(text);
        if number == first
            && let Some(named) = fields.as_deref().and_then(named)
        {
            order = named;
            continue;
        }
        let line = match fields {
            _ if !is_whole => Err("has no end: the file may be cut short".to_owned()),
            None => Err("has a quote that is not closed".to_owned()),
            Some(fields) => line(number, &fields, order, now),
        };
        match line {
            Ok(line) => lines.push(line),
            Err(reason) => bad.push(Bad { number, reason }),
        }
    }
    (lines, bad)
}

/// Where each column stands, if `fields` are the columns' names.
fn named(fields: &[String]) -> Option<[usize; 5]> {
    let mut order = [0; 5];
    for (place, column) in order.iter_mut().zip(COLUMNS) {
        *place = fields.iter().position(|field| field.trim().eq_ignore_ascii_case(column))?;
    }
    Some(order)
}

fn line(number: u64, fields: &[String], order: [usize; 5], now: Moment) -> Result<Line, String> {
    let most = order.iter().max().map_or(0, |last| last + 1);
    if fields.len() < most || (most == COLUMNS.len() && fields.len() > most) {
        return Err(format!(
            "expected {most} fields (id,caller,dialed,start,seconds), read {}",
            fields.len()
        ));
    }
    let [id, caller, dialed, start, seconds] = order.map(|place| fields[place].trim());
    for (column, text, longest) in [("id", id, 128), ("caller", caller, 256), ("dialed", dialed, 256)] {
        if text.is_empty() || text.len() > longest || text.chars().any(char::is_control) {
            return Err(format!("{column}: expected 1 to {longest} characters, read {text:?}"));
        }
    }
    let start = moment(start)?;
    if start > now.after(std::time::Duration::from_secs(24 * 3600)) {
        return Err(format!("start: {} is yet to come", Time(start)));
    }
    let seconds = seconds.parse().ok().filter(|&seconds| seconds <= LONGEST);
    let seconds = seconds
        .ok_or_else(|| format!("seconds: expected 0 to {LONGEST}, read {:?}", fields[order[4]].trim()))?;
    Ok(Line { number, id: id.into(), caller: caller.into(), dialed: dialed.into(), start, seconds })
}

/// Seconds since 1970, or RFC 3339.
fn moment(text: &str) -> Result<Moment, String> {
    match text.parse::<u64>() {
        Ok(seconds) => Ok(Moment::from_secs(seconds.min(u64::from(u32::MAX) * 2))),
        Err(_) => text.parse::<Time>().map(|time| time.0).map_err(|error| format!("start: {error}")),
    }
}

/// The fields of a line; none: a quote is open at its end.
fn fields(text: &str) -> Option<Vec<String>> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if is_quoted && rest.peek() == Some(&'"') => {
                field.push('"');
                rest.next();
            }
            '"' if is_quoted || field.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    (!is_quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_secs(1_800_000_000);

    fn reasons(text: &str) -> Vec<(u64, String)> {
        read(text.as_bytes(), 1, NOW).1.into_iter().map(|bad| (bad.number, bad.reason)).collect()
    }

    #[test]
    fn a_call_is_read_from_each_line() {
        let text = "# of the night\nm-1,sip:anna@red.example,4930123,2027-01-15T07:00:00Z,61\r\n\
                    \"m,2\",anna,\"say \"\"hello\"\"\",1799996400,0\n";
        let (lines, bad) = read(text.as_bytes(), 1, NOW);
        assert_eq!(bad, []);
        let start = Moment::from_secs(1_799_996_400);
        let one = Line {
            number: 2,
            id: "m-1".into(),
            caller: "sip:anna@red.example".into(),
            dialed: "4930123".into(),
            start,
            seconds: 61,
        };
        let other = Line {
            number: 3,
            id: "m,2".into(),
            caller: "anna".into(),
            dialed: "say \"hello\"".into(),
            start,
            seconds: 0,
        };
        assert_eq!(lines, [one, other]);
    }

    #[test]
    fn the_first_line_may_name_the_columns_in_another_order() {
        let text = "Start,Seconds,Cell,Id,Dialed,Caller\n1799996400,61,c7,m-1,4930123,anna\n";
        let (lines, bad) = read(text.as_bytes(), 1, NOW);
        assert_eq!((lines[0].id.as_str(), lines[0].seconds, lines[0].caller.as_str()), ("m-1", 61, "anna"));
        assert_eq!(bad, []);
    }

    #[test]
    fn a_file_that_is_cut_short_is_not_believed_in_its_last_line() {
        let text = "m-1,anna,1,1799996400,61\nm-2,anna,1,1799996400,12";
        assert_eq!(read(text.as_bytes(), 1, NOW).0.len(), 1);
        assert_eq!(reasons(text), [(2, "has no end: the file may be cut short".into())]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_the_others_count() {
        let text = "m-1,anna,1,1799996400,61\nm-2,anna,1\n,anna,1,1799996400,61\nm-4,anna,1,today,61\n\
                    m-5,anna,1,1799996400,-1\nm-6,anna,1,1900000000,1\nm-7,\"anna,1,1799996400,1\nm-8,anna,1,1799996400,2\n";
        assert_eq!(read(text.as_bytes(), 1, NOW).0.len(), 2);
        let reasons = reasons(text);
        let expected = [
            (2, "expected 5 fields"),
            (3, "id: expected 1 to 128 characters"),
            (4, "start: expected a time like"),
            (5, "seconds: expected 0 to 604800, read \"-1\""),
            (6, "start: 2030-03-17T17:46:40.000000Z is yet to come"),
            (7, "has a quote that is not closed"),
        ];
        assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
        for ((line, reason), (number, begins)) in reasons.iter().zip(expected) {
            assert!(*line == number && reason.starts_with(begins), "{line}: {reason}");
        }
    }
}
