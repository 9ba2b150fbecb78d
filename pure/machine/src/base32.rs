//! Numbers as text in lower case: 32 symbols without `i`, `l`, `o` and `u`, so that nobody misreads them and
//! comparison without regard to case does no harm.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Eight bits a byte as five bits a symbol, the last symbol padded with zeros.
pub fn encode(raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len() * 8 / 5 + 1);
    let (mut held, mut bits) = (0u32, 0);
    for &byte in raw {
        held = held << 8 | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(ALPHABET[(held >> bits & 31) as usize] as char);
        }
    }
    if bits > 0 {
        text.push(ALPHABET[(held << (5 - bits) & 31) as usize] as char);
    }
    text
}

/// Reads `text` into `raw` and says how many bytes it held; none if a symbol is foreign or `raw` too short.
pub fn decode(text: &[u8], raw: &mut [u8]) -> Option<usize> {
    let (mut held, mut bits, mut at) = (0u32, 0, 0);
    for &symbol in text {
        held = held << 5 | u32::from(value(symbol)?);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            *raw.get_mut(at)? = (held >> bits) as u8;
            at += 1;
        }
    }
    Some(at)
}

fn value(symbol: u8) -> Option<u8> {
    Some(match symbol.to_ascii_lowercase() {
        digit @ b'0'..=b'9' => digit - b'0',
        letter @ b'a'..=b'h' => letter - b'a' + 10,
        letter @ b'j'..=b'k' => letter - b'j' + 18,
        letter @ b'm'..=b'n' => letter - b'm' + 20,
        letter @ b'p'..=b't' => letter - b'p' + 22,
        letter @ b'v'..=b'z' => letter - b'v' + 27,
        _ => return None,
    })
}
