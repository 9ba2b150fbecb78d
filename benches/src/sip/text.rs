//! The little of SIP that a generator must read, found without parsing the rest.

use memchr::{memchr, memmem};

/// What begins every branch of ours.
const COOKIE: &[u8] = b"branch=z9hG4bK";

/// The header lines of a message, each without its line end, the start line left out.
pub(crate) fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = message;
    let mut next = move || {
        let end = memchr(b'\n', rest)?;
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        rest = &rest[end + 1..];
        (!line.is_empty()).then_some(line)
    };
    next();
    std::iter::from_fn(next)
}

/// The value of a header line if it is `name`'s; `name` in the form `Via`, `Contact`.
pub(crate) fn value<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (head, rest) = line.split_at_checked(name.len())?;
    if !head.eq_ignore_ascii_case(name.as_bytes()) {
        return None;
    }
    let value = rest.strip_prefix(b":")?;
    Some(value.trim_ascii_start())
}

/// The status of a response; `None` if it is a request.
pub(crate) fn status(message: &[u8]) -> Option<u16> {
    let digits = message.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
    Some(digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit.wrapping_sub(b'0'))))
}

/// Numbers that were written behind `mark`, in hexadecimal, each ended by any other character.
pub(crate) fn numbers<const N: usize>(message: &[u8], mark: &[u8]) -> Option<[u32; N]> {
    let mut rest = &message[memmem::find(message, mark)? + mark.len()..];
    let mut numbers = [0; N];
    for number in &mut numbers {
        let end = rest.iter().position(|byte| !byte.is_ascii_hexdigit())?;
        if end == 0 {
            return None;
        }
        *number = rest[..end].iter().fold(0u32, |sum, byte| sum << 4 | nibble(*byte));
        rest = &rest[end + 1..];
    }
    Some(numbers)
}

/// The numbers in the branch of the first Via.
pub(crate) fn branch<const N: usize>(message: &[u8]) -> Option<[u32; N]> {
    numbers(message, COOKIE)
}

fn nibble(byte: u8) -> u32 {
    u32::from(if byte.is_ascii_digit() { byte - b'0' } else { (byte | 0x20) - b'a' + 10 })
}

/// Writes a number in hexadecimal.
pub(crate) fn put_hex(out: &mut Vec<u8>, number: u32) {
    let digits = (32 - number.leading_zeros()).div_ceil(4).max(1);
    out.extend((0..digits).rev().map(|at| b"0123456789abcdef"[(number >> (4 * at) & 15) as usize]));
}

/// Writes a number in decimal.
pub(crate) fn put_decimal(out: &mut Vec<u8>, number: u32) {
    let mut digits = [0; 10];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break out.extend_from_slice(&digits[at..]);
        }
    }
}

/// What stands between quotes behind `mark`, as in `nonce="..."`.
pub(crate) fn quoted<'a>(message: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let rest = message[memmem::find(message, mark)? + mark.len()..].strip_prefix(b"=\"")?;
    Some(&rest[..memchr(b'"', rest)?])
}

/// The URI between angle brackets.
pub(crate) fn bracketed(value: &[u8]) -> Option<&[u8]> {
    let rest = &value[memchr(b'<', value)? + 1..];
    Some(&rest[..memchr(b'>', rest)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] =
        b"SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 127.0.0.2:5;branch=z9hG4bK1fx0x7;rport=5\r\n\
        to:<sip:u1@x>;tag=s2ax3\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"abc\"\r\n\r\nbody: no\r\n";

    #[test]
    fn a_response_is_read() {
        assert_eq!(status(RESPONSE), Some(401));
        assert_eq!(branch::<3>(RESPONSE), Some([0x1f, 0, 7]));
        assert_eq!(numbers::<2>(RESPONSE, b"tag=s"), Some([0x2a, 3]));
        assert_eq!(quoted(RESPONSE, b"nonce"), Some(&b"abc"[..]));
        let to = lines(RESPONSE).find_map(|line| value(line, "To")).unwrap();
        assert_eq!(bracketed(to), Some(&b"sip:u1@x"[..]));
        assert_eq!(lines(RESPONSE).count(), 3);
        assert_eq!(status(b"BYE sip:x SIP/2.0\r\n\r\n"), None);
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for number in [0, 9, 10, 0xdead, u32::MAX] {
            let mut out = b"branch=z9hG4bK".to_vec();
            put_hex(&mut out, number);
            out.push(b';');
            assert_eq!(branch::<1>(&out), Some([number]));
            let mut out = Vec::new();
            put_decimal(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}
