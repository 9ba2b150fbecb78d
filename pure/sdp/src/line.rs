use std::fmt;

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
        let value = value.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect();
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
        out.extend_from_slice(&[self.kind, b'=']);
        out.extend_from_slice(&self.value);
        out.extend_from_slice(b"\r\n");
    }
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
