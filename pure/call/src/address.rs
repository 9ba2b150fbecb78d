use std::fmt::Write;

/// `"Display" <sip:user@host>`, each part escaped as the grammar wants it (RFC 3261 25.1).
pub(crate) fn name_addr(display: &str, user: &str, host: &str) -> String {
    let mut text = String::with_capacity(display.len() + user.len() + host.len() + 12);
    if !display.is_empty() {
        text.push('"');
        for letter in display.chars().filter(|letter| !letter.is_control()) {
            if matches!(letter, '"' | '\\') {
                text.push('\\');
            }
            text.push(letter);
        }
        text.push_str("\" ");
    }
    text.push_str("<sip:");
    push_user(&mut text, user);
    text.push('@');
    text.push_str(host);
    text.push('>');
    text
}

fn push_user(text: &mut String, user: &str) {
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            text.push(byte as char);
        } else {
            // Writing to a String never fails.
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_users_are_escaped() {
        assert_eq!(name_addr("", "alice", "a.example"), "<sip:alice@a.example>");
        assert_eq!(
            name_addr("Al \"Ice\" \\ B\r\n", "a b@c", "a.example"),
            "\"Al \\\"Ice\\\" \\\\ B\" <sip:a%20b%40c@a.example>"
        );
    }
}
