//! As much of bencode as rtpengine's `ng` protocol needs here: a dictionary of strings out, and strings back.

/// A dictionary of strings (and lists of one string, where rtpengine wants a list).
pub(crate) fn dictionary(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut entries: Vec<_> = entries.to_vec();
    entries.sort_unstable();
    let mut out = vec![b'd'];
    for (key, value) in entries {
        string(&mut out, key);
        string(&mut out, value);
    }
    out.push(b'e');
    out
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(format!("{}:{text}", text.len()).as_bytes());
}

/// The string behind a key of a dictionary of strings.
pub(crate) fn find<'a>(mut rest: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    rest = rest.strip_prefix(b"d")?;
    while !rest.starts_with(b"e") {
        let (key, behind) = take(rest)?;
        let (value, behind) = take(behind)?;
        if key == wanted.as_bytes() {
            return Some(value);
        }
        rest = behind;
    }
    None
}

fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = bytes.iter().position(|&byte| byte == b':')?;
    let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
    bytes[colon + 1..].split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found() {
        let bytes = dictionary(&[("sdp", "v=0\r\n"), ("command", "offer")]);
        assert_eq!(bytes, b"d7:command5:offer3:sdp5:v=0\r\ne");
        assert_eq!(find(&bytes, "sdp"), Some(&b"v=0\r\n"[..]));
        assert_eq!(find(&bytes, "result"), None);
    }
}
