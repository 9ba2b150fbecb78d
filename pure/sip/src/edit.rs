//! Rewriting a received message: what is not touched stays byte for byte, in its order.

use smallvec::SmallVec;

use crate::message::{Header, Message, Start};
use crate::name::Name;
use crate::scan::offset;
use crate::values::value_end;
use crate::write::{push_clean, push_line, push_number};

/// How many edits find place without an allocation.
const INLINE: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Prepend,
    Append,
    RemoveFirstValue,
    RemoveAll,
    ReplaceFirst,
    ReplaceFirstValue,
}

impl Action {
    #[inline]
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

#[derive(Debug, Clone, Copy)]
struct Op<'e> {
    action: Action,
    name: Name,
    /// The name's text if it is [`Name::Other`].
    other: &'e str,
    value: &'e [u8],
    done: bool,
    /// Prepended to a header that the message doesn't have.
    stray: bool,
}

impl Op<'_> {
    fn text(&self) -> &[u8] {
        if self.name == Name::Other { self.other.as_bytes() } else { self.name.as_str().as_bytes() }
    }

    fn concerns(&self, line: &Header, bytes: &[u8]) -> bool {
        self.name == line.name
            && (self.name != Name::Other || line.name_in(bytes).eq_ignore_ascii_case(self.other.as_bytes()))
    }
}

/// Changes to a message, written in one pass into a buffer of the caller's.
///
/// "First" means the message as it was received: prepended values don't count. Removals of values take
/// effect before a replacement of the first value. Line ends in new values become spaces.
#[must_use = "nothing happens before `write`"]
#[derive(Clone)]
pub struct Edit<'e, B = Vec<u8>> {
    message: &'e Message<B>,
    ops: SmallVec<[Op<'e>; INLINE]>,
    /// Which names have edits; several names share a bit.
    touched: u64,
    /// Which actions there are, so that the others need not be looked for.
    actions: u8,
    uri: Option<&'e [u8]>,
    body: Option<&'e [u8]>,
    content_type: &'e str,
    with_length: bool,
}

impl<'e, B: AsRef<[u8]>> Edit<'e, B> {
    /// No changes yet.
    #[inline]
    pub fn new(message: &'e Message<B>) -> Self {
        Self {
            message,
            ops: SmallVec::new(),
            touched: 0,
            actions: 0,
            uri: None,
            body: None,
            content_type: "",
            with_length: false,
        }
    }

    #[inline]
    fn push(mut self, action: Action, name: Name, other: &'e str, value: &'e [u8]) -> Self {
        self.ops.push(Op { action, name, other, value, done: false, stray: false });
        self.touched |= name.bit();
        self.actions |= action.bit();
        self
    }

    #[inline]
    const fn has(&self, action: Action) -> bool {
        self.actions & action.bit() != 0
    }

    /// Gives a request another target.
    #[inline]
    pub fn set_request_uri(mut self, uri: &'e (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.uri = Some(uri.as_ref());
        self
    }

    /// Puts a line above all of this header's lines; below Via if there are none. The last one prepended
    /// is on top.
    #[inline]
    pub fn prepend(self, name: Name, value: &'e (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.push(Action::Prepend, name, "", value.as_ref())
    }

    /// Puts a line below all of this header's lines; at the end if there are none.
    #[inline]
    pub fn append(self, name: Name, value: &'e (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.push(Action::Append, name, "", value.as_ref())
    }

    /// Like `append`, for a header of any name.
    #[inline]
    pub fn append_other(self, name: &'e str, value: &'e (impl AsRef<[u8]> + ?Sized)) -> Self {
        let known = Name::of(name.as_bytes());
        self.push(Action::Append, known, name, value.as_ref())
    }

    /// Takes the first comma-separated value away; called twice, the first two.
    #[inline]
    pub fn remove_first_value(self, name: Name) -> Self {
        self.push(Action::RemoveFirstValue, name, "", &[])
    }

    /// Puts another value in the place of the first line's value.
    #[inline]
    pub fn replace_first(self, name: Name, value: &'e (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.push(Action::ReplaceFirst, name, "", value.as_ref())
    }

    /// Puts another value in the place of the first comma-separated value.
    #[inline]
    pub fn replace_first_value(self, name: Name, value: &'e (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.push(Action::ReplaceFirstValue, name, "", value.as_ref())
    }

    /// Takes all lines of this header away.
    #[inline]
    pub fn remove_all(self, name: Name) -> Self {
        self.push(Action::RemoveAll, name, "", &[])
    }

    /// Like `remove_all`, for a header of any name.
    #[inline]
    pub fn remove_all_other(self, name: &'e str) -> Self {
        let known = Name::of(name.as_bytes());
        self.push(Action::RemoveAll, known, name, &[])
    }

    /// Takes all lines of this header away and puts one at the end instead.
    #[inline]
    pub fn set(self, name: Name, value: &'e (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.remove_all(name).append(name, value)
    }

    /// Gives the message another body; an empty one takes Content-Type away.
    pub fn set_body(mut self, content_type: &'e str, body: &'e (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.body = Some(body.as_ref());
        self.content_type = content_type;
        self.remove_all(Name::ContentType)
            .remove_all(Name::ContentLength)
            .remove_all(Name::ContentEncoding)
            .remove_all(Name::ContentLanguage)
    }

    /// Adds a Content-Length if the message has none: a stream needs one, a datagram doesn't.
    #[inline]
    pub fn with_content_length(mut self) -> Self {
        self.with_length = true;
        self
    }

    /// Appends the changed message to `out`.
    pub fn write(mut self, out: &mut Vec<u8>) {
        let bytes = self.message.all();
        self.write_start(out);
        let index = self.message.index();
        let (from, to) = (index.headers_at as usize, index.headers_end as usize);
        if self.touched == 0 {
            out.extend_from_slice(&bytes[from..to]);
        } else {
            self.write_headers(out);
        }
        if !out.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
        self.write_body(out);
    }

    fn write_start(&self, out: &mut Vec<u8>) {
        let bytes = self.message.all();
        let index = self.message.index();
        let (start, end) = (index.whole.start as usize, index.headers_at as usize);
        match (index.start, self.uri) {
            (Start::Request { uri, .. }, Some(new)) => {
                out.extend_from_slice(&bytes[start..uri.start as usize]);
                push_clean(out, new);
                out.extend_from_slice(&bytes[uri.end as usize..end]);
            }
            _ => out.extend_from_slice(&bytes[start..end]),
        }
    }

    fn write_body(&self, out: &mut Vec<u8>) {
        let body = self.body.unwrap_or(self.message.body());
        if self.body.is_some() && !body.is_empty() {
            push_line(out, Name::ContentType.as_str().as_bytes(), self.content_type.as_bytes());
        }
        if self.body.is_some() || (self.with_length && self.message.line(Name::ContentLength).is_none()) {
            out.extend_from_slice(b"Content-Length: ");
            push_number(out, body.len() as u64);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
    }

    fn write_headers(&mut self, out: &mut Vec<u8>) {
        let message = self.message;
        let bytes = message.all();
        let lines = message.lines();
        let strays = self.find_strays();
        // Untouched lines are copied in runs.
        let mut run = message.index().headers_at as usize;
        for (at, line) in lines.iter().enumerate() {
            let touched = self.touched & line.name.bit() != 0;
            let stray = strays.is_some_and(|below_via| at == 0 || at == below_via);
            if !touched && !stray {
                continue;
            }
            let start = line.start as usize;
            let end = lines.get(at + 1).map_or(message.index().headers_end, |next| next.start) as usize;
            out.extend_from_slice(&bytes[run..start]);
            run = start;
            self.write_prepended(out, line, at == 0, strays == Some(at));
            if touched && self.write_touched(out, line, end) {
                run = end;
            }
            if touched && self.appends_below(line, &lines[at + 1..]) {
                out.extend_from_slice(&bytes[run..end]);
                run = end;
                self.write_appended(out, Some(line));
            }
        }
        out.extend_from_slice(&bytes[run..message.index().headers_end as usize]);
        if !out.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
        self.write_stranded(out);
        self.write_appended(out, None);
    }

    /// Marks what is prepended to headers that the message doesn't have; gives the place below Via if
    /// there is any such.
    fn find_strays(&mut self) -> Option<usize> {
        if !self.has(Action::Prepend) {
            return None;
        }
        let message = self.message;
        let mut any = false;
        for op in self.ops.iter_mut().filter(|op| op.action == Action::Prepend) {
            op.stray = message.line(op.name).is_none();
            any |= op.stray;
        }
        let last = || message.lines().iter().rposition(|line| line.name == Name::Via);
        any.then(|| last().map_or(0, |last| last + 1))
    }

    /// Prepended lines that belong above this line.
    fn write_prepended(&mut self, out: &mut Vec<u8>, line: &Header, top: bool, below_via: bool) {
        let message = self.message;
        for op in self.ops.iter_mut().rev().filter(|op| op.action == Action::Prepend && !op.done) {
            let here = match op.stray {
                false => op.concerns(line, message.all()),
                true if op.name == Name::Via => top,
                true => below_via,
            };
            if here {
                push_line(out, op.text(), op.value);
                op.done = true;
            }
        }
    }

    /// Prepended lines that found no place: below the last line, which is a Via, or there were no lines.
    fn write_stranded(&mut self, out: &mut Vec<u8>) {
        for op in self.ops.iter_mut().rev().filter(|op| op.action == Action::Prepend && !op.done) {
            push_line(out, op.text(), op.value);
            op.done = true;
        }
    }

    /// Appended lines that belong below this line, or all that are left.
    fn write_appended(&mut self, out: &mut Vec<u8>, line: Option<&Header>) {
        let message = self.message;
        for op in self.ops.iter_mut().filter(|op| op.action == Action::Append && !op.done) {
            if line.is_none_or(|line| op.concerns(line, message.all())) {
                push_line(out, op.text(), op.value);
                op.done = true;
            }
        }
    }

    /// Whether lines wait to be appended below this one, the last of its name.
    fn appends_below(&mut self, line: &Header, later: &[Header]) -> bool {
        let bytes = self.message.all();
        self.has(Action::Append)
            && self.ops.iter().any(|op| op.action == Action::Append && !op.done && op.concerns(line, bytes))
            && !later.iter().any(|later| same_name(line, later, bytes))
    }

    /// Writes a line as its edits want it; false if they leave it as it was.
    fn write_touched(&mut self, out: &mut Vec<u8>, line: &Header, end: usize) -> bool {
        let message = self.message;
        let bytes = message.all();
        let value = line.value_in(bytes);
        let value_at = offset(bytes, value);
        let mut rest = value;
        let mut changed = false;
        let mut replaced: Option<&[u8]> = None;
        let removes = self.has(Action::RemoveAll) || self.has(Action::RemoveFirstValue);
        let wanted = if removes { &mut self.ops[..] } else { &mut [] };
        for op in wanted.iter_mut().filter(|op| !op.done && op.concerns(line, bytes)) {
            match op.action {
                Action::RemoveAll => return true,
                Action::RemoveFirstValue => {
                    op.done = true;
                    let Some(left) = rest.get(value_end(rest) + 1..) else { return true };
                    (rest, changed) = (left, true);
                }
                Action::Prepend | Action::Append | Action::ReplaceFirst | Action::ReplaceFirstValue => {}
            }
        }
        for op in self.ops.iter_mut().filter(|op| !op.done && op.concerns(line, bytes)) {
            rest = match op.action {
                Action::ReplaceFirst => &[],
                Action::ReplaceFirstValue => &rest[value_end(rest)..],
                _ => continue,
            };
            (replaced, op.done, changed) = (Some(op.value), true, true);
        }
        if changed {
            out.extend_from_slice(&bytes[line.start as usize..value_at]);
            push_clean(out, replaced.unwrap_or_default());
            out.extend_from_slice(if replaced.is_some() { rest } else { rest.trim_ascii_start() });
            out.extend_from_slice(&bytes[value_at + value.len()..end]);
        }
        changed
    }
}

fn same_name(a: &Header, b: &Header, bytes: &[u8]) -> bool {
    a.name == b.name && (a.name != Name::Other || a.name_in(bytes).eq_ignore_ascii_case(b.name_in(bytes)))
}
