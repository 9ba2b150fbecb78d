//! Searching and checking bytes eight at a time.
//!
//! What SIP has to search is short (a line, an address), where a call to `memchr` costs more than the
//! search. Each test makes a mask of the high bits of those bytes of a word that it holds for; above the
//! lowest of them it may show bytes that it doesn't hold for, so only the lowest counts.

/// The same byte in every place of a word.
pub(crate) const fn all(byte: u8) -> u64 {
    0x0101_0101_0101_0101 * byte as u64
}

/// The bytes that are zero.
#[inline]
pub(crate) const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(all(1)) & !word & all(0x80)
}

/// The bytes that are `byte`.
#[inline]
pub(crate) const fn same(word: u64, byte: u8) -> u64 {
    zeros(word ^ all(byte))
}

/// The bytes below `limit`, at most 0x80.
#[inline]
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(all(limit)) & !word & all(0x80)
}

/// Which byte of a word a mask shows first; 8 if none.
#[inline]
pub(crate) const fn first(mask: u64) -> usize {
    mask.trailing_zeros() as usize / 8
}

/// Line ends, tabs and other control bytes are below.
const CONTROL: u8 = 0x0e;

/// The last `count` bytes, fewer than eight, as a word that is filled up with zeros.
#[inline]
fn tail(bytes: &[u8], count: usize) -> u64 {
    if let Some(last) = bytes.last_chunk() {
        return if count == 0 { 0 } else { u64::from_le_bytes(*last) >> (8 * (8 - count)) };
    }
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(low), Some(high)) => {
            u64::from(u32::from_le_bytes(*low)) | u64::from(u32::from_le_bytes(*high)) << (8 * (count - 4))
        }
        _ => bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

/// The first byte that `test` shows; it must not show zeros.
#[inline]
fn search(bytes: &[u8], test: impl Fn(u64) -> u64) -> Option<usize> {
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let found = test(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(bytes.len() - rest.len() + first(found));
        }
        rest = behind;
    }
    let found = first(test(tail(bytes, rest.len())));
    (found < rest.len()).then(|| bytes.len() - rest.len() + found)
}

/// The first `byte`.
#[inline]
pub(crate) fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    search(bytes, |word| same(word, byte))
}

/// The first quote or backslash.
#[inline]
pub(crate) fn find_quote(bytes: &[u8]) -> Option<usize> {
    search(bytes, |word| same(word, b'"') | same(word, b'\\'))
}

/// The first comma, quote or opening angle bracket.
#[inline]
pub(crate) fn find_separator(bytes: &[u8]) -> Option<usize> {
    search(bytes, |word| same(word, b',') | same(word, b'"') | same(word, b'<'))
}

/// The first line end or other control byte, from `at` on; the end if there is none.
#[inline]
pub(crate) fn find_control(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        // Without a branch inside, this becomes four instructions for all 16.
        if block.iter().fold(false, |any, &byte| any | (byte < CONTROL)) {
            let words = u128::from_le_bytes(*block);
            let low = first(below(words as u64, CONTROL));
            return at + if low < 8 { low } else { 8 + first(below((words >> 64) as u64, CONTROL)) };
        }
        at += 16;
    }
    while bytes.get(at).is_some_and(|&byte| byte >= CONTROL) {
        at += 1;
    }
    at.min(bytes.len())
}

/// Whether a test holds for no byte; it must not hold for letters.
#[inline]
fn none(bytes: &[u8], test: impl Fn(u64) -> u64) -> bool {
    let last = match bytes.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => tail(bytes, bytes.len()) | all(b'a') << (8 * bytes.len()),
    };
    let mut shown = test(last);
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        shown |= test(u64::from_le_bytes(*word));
        rest = behind;
    }
    shown == 0
}

/// Whether all bytes are visible ASCII.
#[inline]
pub(crate) fn is_graphic(bytes: &[u8]) -> bool {
    none(bytes, |word| below(word, 0x21) | same(word, 0x7f) | word & all(0x80))
}

/// Bytes that may not stand in a URI: white space, controls, quotes and angle brackets.
#[inline]
const fn not_uri(word: u64) -> u64 {
    let brackets = same(word & all(!0x02), b'<');
    below(word, 0x21) | same(word, 0x7f) | same(word, b'"') | brackets
}

/// Whether all bytes may stand in a URI.
#[inline]
pub(crate) fn is_uri(bytes: &[u8]) -> bool {
    none(bytes, not_uri)
}

/// How many bytes in front may stand in a URI.
#[inline]
pub(crate) fn uri_length(bytes: &[u8]) -> usize {
    // Zeros behind the end are shown too, which is right.
    search(bytes, not_uri).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length up to three words, every place, every byte.
    fn everywhere(check: impl Fn(&[u8], usize, u8)) {
        for length in 1..24 {
            for at in 0..length {
                for byte in 0..=255 {
                    let mut bytes = vec![b'x'; length];
                    bytes[at] = byte;
                    check(&bytes, at, byte);
                    if at + 1 < length {
                        // A byte above that borrows must not hide or show anything.
                        bytes[at + 1] = byte.wrapping_add(1);
                        check(&bytes[..=at], at, byte);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_there_is_found_where_it_is() {
        everywhere(|bytes, at, byte| {
            if byte != b'x' {
                assert_eq!(find(bytes, byte), Some(at), "{bytes:?}");
            }
            let separator = matches!(byte, b',' | b'"' | b'<').then_some(at);
            assert_eq!(find_separator(bytes), separator, "{bytes:?}");
            assert_eq!(find_quote(bytes), matches!(byte, b'"' | b'\\').then_some(at), "{bytes:?}");
            let control = if byte < 0x0e { at } else { bytes.len() };
            assert_eq!(find_control(bytes, 0), control, "{bytes:?}");
            assert_eq!(find_control(bytes, at + 1), bytes.len(), "{bytes:?}");
        });
    }

    #[test]
    fn the_first_of_several_is_found() {
        for bytes in [&b"\x0d\x0a\x0dxxxxxxxxxxxxxxxx"[..], b"\xff\xfe\x80\x0d\x0a\xff\xff\xff", b"\x0e\x0d"]
        {
            let wanted = bytes.iter().position(|&byte| byte < 0x0e).unwrap();
            assert_eq!(find_control(bytes, 0), wanted);
        }
        assert_eq!(find(b"aa-,-,aaa", b','), Some(3));
        assert_eq!(find_separator(b"abcdefg=<,\"klmno"), Some(8));
        assert_eq!(find(b"", b'x'), None);
    }

    #[test]
    fn checks_hold_for_every_byte() {
        everywhere(|bytes, _, byte| {
            assert_eq!(is_graphic(bytes), byte.is_ascii_graphic(), "{bytes:?}");
            let in_uri = byte > b' ' && byte != 0x7f && !matches!(byte, b'"' | b'<' | b'>');
            assert_eq!(is_uri(bytes), in_uri, "{bytes:?}");
        });
        assert!(is_graphic(b"") && is_uri(b""));
    }
}
