//! The comma-separated values of a header, over all of its lines.

use crate::scan::trim;
use crate::words;

/// Iterates over the values of one line; commas in quoted strings and in angle brackets don't separate.
///
/// A value between two commas may be empty: whether that is allowed is for its reader to say.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Values<'a> {
    /// The values of one line. A line of nothing but white space has none.
    #[must_use]
    pub fn new(line: &'a [u8]) -> Self {
        Self { rest: Some(line).filter(|line| !trim(line).is_empty()) }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let end = value_end(rest);
        self.rest = rest.get(end + 1..);
        Some(trim(&rest[..end]))
    }
}

/// Where the first value ends: at its comma or at the end.
#[inline]
pub(crate) fn value_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(words::find_separator) {
        at += found;
        match bytes[at] {
            b',' => return at,
            b'"' => at = quoted_end(bytes, at),
            _ => at = words::find(&bytes[at..], b'>').map_or(bytes.len(), |length| at + length + 1),
        }
    }
    bytes.len()
}

/// Behind the quoted string that opens at `open`; the end or behind it if it never closes.
#[inline]
fn quoted_end(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(found) = bytes.get(at..).and_then(words::find_quote) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        Values::new(line.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_separate() {
        assert_eq!(split(r#""A, \"B" <sip:a,b@c;x="q>,y"#), [r#""A, \"B" <sip:a,b@c;x="q>"#, "y"],);
        assert_eq!(split("a , b,\r\n c"), ["a", "b", "c"]);
    }

    #[test]
    fn empty_values_are_kept_and_an_empty_line_has_none() {
        assert_eq!(split("a,,b,"), ["a", "", "b", ""]);
        assert!(split(" \t ").is_empty());
        assert!(split("").is_empty());
    }

    #[test]
    fn what_never_closes_reaches_to_the_end() {
        assert_eq!(split(r#"a,"b,c\"#), ["a", r#""b,c\"#]);
        assert_eq!(split("<a,b"), ["<a,b"]);
    }
}
