use std::fmt;
use std::io::Write as _;
use std::net::IpAddr;

use memchr::memchr;

use crate::{Connection, Direction};

/// One line: a letter, `=`, and a value whose bytes are kept as they came (bodies in Latin-1 exist).
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    kind: u8,
    value: Vec<u8>,
}

/// The two parts of an `a=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Before the colon.
    pub name: &'a str,
    /// After it; `None` for a property such as `a=sendrecv`.
    pub value: Option<&'a str>,
}

impl Line {
    /// A line of our own. What would break the line (CR, LF, NUL) is left out.
    pub fn new(kind: char, value: &str) -> Self {
        let kind = u8::try_from(kind).unwrap_or(b'x');
        let value = value.bytes().filter(|&byte| !breaks(byte)).collect();
        Line { kind, value }
    }

    /// `a=name:value`, or `a=name` if `value` is empty.
    pub fn attribute(name: &str, value: &str) -> Self {
        if value.is_empty() { Line::new('a', name) } else { Line::new('a', &format!("{name}:{value}")) }
    }

    pub(crate) fn raw(kind: u8, value: &[u8]) -> Self {
        Line { kind, value: value.to_vec() }
    }

    /// The letter.
    pub fn kind(&self) -> char {
        char::from(self.kind)
    }

    /// The value as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.value
    }

    /// The value, as far as it is UTF-8.
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.value) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&self.value[..error.valid_up_to()]).unwrap_or_default(),
        }
    }

    /// Whether this is the attribute `name`.
    pub fn is_attribute(&self, name: &str) -> bool {
        self.kind == b'a' && self.after(name).is_some()
    }

    /// What follows the attribute's name: nothing, or a colon and the value.
    fn after(&self, name: &str) -> Option<&[u8]> {
        let rest = self.value.strip_prefix(name.as_bytes())?.trim_ascii();
        matches!(rest.first(), None | Some(b':')).then_some(rest)
    }

    /// Its value, if this is the attribute `name` and has one.
    pub fn value_of(&self, name: &str) -> Option<&str> {
        let value = self.after(name).filter(|_| self.kind == b'a')?.strip_prefix(b":")?;
        std::str::from_utf8(value.trim_ascii_start()).ok()
    }

    /// Name and value, if this is an `a=` line.
    pub fn as_attribute(&self) -> Option<Attribute<'_>> {
        if self.kind != b'a' {
            return None;
        }
        let text = self.text();
        Some(match text.split_once(':') {
            Some((name, value)) => Attribute { name: name.trim(), value: Some(value.trim()) },
            None => Attribute { name: text.trim(), value: None },
        })
    }

    fn as_direction(&self) -> Option<Direction> {
        if self.kind != b'a' {
            return None;
        }
        std::str::from_utf8(self.value.trim_ascii()).ok()?.parse().ok()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.value.len() + 4);
        out.extend_from_slice(&[self.kind, b'=']);
        out.extend_from_slice(&self.value);
        out.extend_from_slice(b"\r\n");
    }

    /// The name of the attribute, if it is one.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        let end = memchr(b':', &self.value).unwrap_or(self.value.len());
        (self.kind == b'a').then(|| self.value[..end].trim_ascii_end())
    }
}

/// Writes a line from something that is kept in parts.
pub(crate) fn write(kind: u8, value: &impl fmt::Display, out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind, b'=']);
    let start = out.len();
    // Writing to a vector does not fail.
    let _ = write!(out, "{value}");
    if out[start..].iter().any(|&byte| breaks(byte)) {
        let clean: Vec<u8> = out.drain(start..).filter(|&byte| !breaks(byte)).collect();
        out.extend_from_slice(&clean);
    }
    out.extend_from_slice(b"\r\n");
}

/// What may not stand in a line.
pub(crate) const fn breaks(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind(), String::from_utf8_lossy(&self.value))
    }
}

/// The lines of the session level or of one media description, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(Vec<Line>);

impl Lines {
    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Line> {
        self.0.iter()
    }

    /// Adds one at the end.
    pub fn push(&mut self, line: Line) {
        self.0.push(line);
    }

    /// Keeps only those that `wanted` approves.
    pub fn retain(&mut self, wanted: impl FnMut(&Line) -> bool) {
        self.0.retain(wanted);
    }

    /// Takes all of them away.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The first line of a kind.
    pub fn first(&self, kind: char) -> Option<&Line> {
        self.0.iter().find(|line| line.kind() == kind)
    }

    /// Every attribute, in order.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'_>> {
        self.0.iter().filter_map(Line::as_attribute)
    }

    /// The value of the first attribute of that name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|line| line.value_of(name))
    }

    /// The values of all attributes of that name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(move |line| line.value_of(name))
    }

    /// Whether an attribute of that name stands here.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|line| line.is_attribute(name))
    }

    /// Takes every attribute of these names away.
    pub fn remove(&mut self, names: &[&str]) {
        self.0.retain(|line| !names.iter().any(|name| line.is_attribute(name)));
    }

    /// Sets an attribute (an empty `value` makes it a property) in the place of the first of its name.
    pub fn set(&mut self, name: &str, value: &str) {
        self.replace(Line::attribute(name, value), |line| line.is_attribute(name));
    }

    /// The direction said here; of several the first.
    pub fn direction(&self) -> Option<Direction> {
        self.0.iter().find_map(Line::as_direction)
    }

    /// Says a direction, in the place of one said before.
    pub fn set_direction(&mut self, direction: Direction) {
        let line = Line::attribute(direction.as_str(), "");
        self.replace(line, |line| line.as_direction().is_some());
    }

    /// The `c=` line.
    pub fn connection(&self) -> Option<Connection> {
        self.first('c').and_then(|line| Connection::parse(line.text()))
    }

    /// The address in the `c=` line, if there is one, and in it an address.
    pub(crate) fn connection_ip(&self) -> Option<Option<IpAddr>> {
        self.first('c').and_then(|line| Connection::ip_of(line.text()))
    }

    /// Sets or takes away the `c=` line, where the grammar wants it.
    pub fn set_connection(&mut self, connection: Option<&Connection>) {
        let at = self.0.iter().position(|line| line.kind == b'c');
        self.0.retain(|line| line.kind != b'c');
        let Some(connection) = connection else { return };
        // After everything that RFC 8866 5 puts before c=.
        let usual =
            || self.0.iter().take_while(|line| matches!(line.kind, b's' | b'i' | b'u' | b'e' | b'p')).count();
        let at = at.unwrap_or_else(usual);
        self.0.insert(at.min(self.0.len()), Line::new('c', &connection.to_string()));
    }

    fn replace(&mut self, line: Line, old: impl Fn(&Line) -> bool) {
        match self.0.iter().position(&old) {
            Some(at) => {
                let mut index = 0;
                self.0.retain(|line| {
                    index += 1;
                    index <= at + 1 || !old(line)
                });
                self.0[at] = line;
            }
            None => self.0.push(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[&str]) -> Lines {
        let mut lines = Lines::default();
        text.iter().for_each(|line| lines.push(Line::raw(line.as_bytes()[0], &line.as_bytes()[2..])));
        lines
    }

    fn shown(lines: &Lines) -> Vec<String> {
        lines.iter().map(|line| format!("{line:?}")).collect()
    }

    #[test]
    fn a_line_of_ours_can_not_be_broken() {
        let line = Line::attribute("label", "a\r\na=inactive\0");
        assert_eq!(format!("{line:?}"), "a=label:aa=inactive");
        let mut out = Vec::new();
        write(b'o', &"alice\r\nm=audio", &mut out);
        assert_eq!(out, b"o=alicem=audio\r\n");
    }

    #[test]
    fn attributes_are_found_by_their_whole_name() {
        let lines =
            lines(&["a=rtcp-mux", "a=rtcp: 53020 ", "a=rtcp:2", "a=sendonly ", "b=rtcp:3", "a=ptime"]);
        assert_eq!(lines.value("rtcp").map(str::trim_end), Some("53020"));
        assert_eq!(lines.values("rtcp").count(), 2);
        assert!(lines.has("rtcp-mux") && !lines.has("rtc") && lines.has("ptime"));
        assert_eq!(lines.value("ptime"), None);
        assert_eq!(lines.direction(), Some(Direction::SendOnly));
    }

    #[test]
    fn what_is_set_takes_the_place_of_what_was_there() {
        let mut some = lines(&["a=sendonly", "a=ptime:20", "a=inactive", "a=ptime:30"]);
        some.set_direction(Direction::SendRecv);
        some.set("ptime", "40");
        some.set("rtcp", "9");
        some.remove(&["label"]);
        assert_eq!(shown(&some), ["a=sendrecv", "a=ptime:40", "a=rtcp:9"]);
    }

    #[test]
    fn a_connection_is_put_where_the_grammar_wants_it() {
        let here = Connection::from(std::net::IpAddr::from([192, 0, 2, 1]));
        let mut session = lines(&["s=-", "i=about", "t=0 0"]);
        session.set_connection(Some(&here));
        assert_eq!(shown(&session), ["s=-", "i=about", "c=IN IP4 192.0.2.1", "t=0 0"]);
        session.set_connection(None);
        assert_eq!(shown(&session), ["s=-", "i=about", "t=0 0"]);
    }
}
