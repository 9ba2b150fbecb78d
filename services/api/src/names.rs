//! What tenants, users, domains and numbers may be called.

use crate::problem::Problem;

/// A tenant's short name.
pub(crate) fn check_tenant(name: &str) -> Result<(), Problem> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let good = (1..=63).contains(&name.len())
        && name.chars().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    refuse_unless(good, || {
        format!(
            "name: expected 1 to 63 of a-z, 0-9, - and _, beginning with a letter or a digit, read {name:?}"
        )
    })
}

/// A user's name within its tenant: what may stand in the user part of a SIP URI without escapes.
pub(crate) fn check_user(name: &str) -> Result<(), Problem> {
    let good = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte));
    refuse_unless(good, || format!("name: expected 1 to 64 of a-z, A-Z, 0-9, -, _, . and +, read {name:?}"))
}

/// What a carrier is called.
pub(crate) fn check_carrier(name: &str) -> Result<(), Problem> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let good = (1..=63).contains(&name.len()) && name.bytes().all(allowed);
    refuse_unless(good, || format!("carrier: expected 1 to 63 of a-z, 0-9, -, _ and ., read {name:?}"))
}

/// A SIP domain, as it is kept: lower case.
pub(crate) fn domain(text: &str) -> Result<String, Problem> {
    let domain = text.trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let bracketed = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let good = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => domain.len() <= 253 && domain.split('.').all(label),
    };
    refuse_unless(good, || format!("domains: expected a host name like sip.example.com, read {text:?}"))?;
    Ok(domain)
}

/// The SIP domains of a tenant.
pub(crate) fn domains(texts: &[String]) -> Result<Vec<String>, Problem> {
    let domains = texts.iter().map(|text| domain(text)).collect::<Result<Vec<_>, _>>()?;
    refuse_unless(!domains.is_empty(), || {
        "domains: expected at least one; the first is the digest realm".into()
    })?;
    for (at, domain) in domains.iter().enumerate() {
        refuse_unless(!domains[..at].contains(domain), || format!("domains: {domain:?} stands there twice"))?;
    }
    Ok(domains)
}

/// A number, as it is kept: without the plus sign in front.
pub(crate) fn number(text: &str) -> Result<String, Problem> {
    let number = plain(text);
    let good = (1..=32).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*' || byte == b'#');
    refuse_unless(good, || {
        format!("number: expected 1 to 32 digits, * or #, with or without + in front, read {text:?}")
    })?;
    Ok(number.to_owned())
}

/// The same number with and without the plus sign in front.
pub(crate) fn plain(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

/// A password.
pub(crate) fn check_password(password: &str) -> Result<(), Problem> {
    let good = (1..=256).contains(&password.len()) && !password.chars().any(char::is_control);
    refuse_unless(good, || "password: expected 1 to 256 characters, none of them a control character".into())
}

/// Text that is shown to those who are called.
pub(crate) fn check_display_name(name: &str) -> Result<(), Problem> {
    let good = name.len() <= 128 && !name.chars().any(char::is_control);
    refuse_unless(good, || "display_name: expected at most 128 bytes, and no control characters".into())
}

fn refuse_unless(good: bool, why: impl FnOnce() -> String) -> Result<(), Problem> {
    if good { Ok(()) } else { Err(Problem::unprocessable(why())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_sip_can_carry_are_taken() {
        for name in ["demo", "a1-b_c", "7"] {
            check_tenant(name).unwrap();
        }
        for name in ["", "Demo", "-a", "a b", "a/b", "ä"] {
            check_tenant(name).unwrap_err();
        }
        for name in ["1001", "anna.b+home", "X_y-z"] {
            check_user(name).unwrap();
        }
        for name in ["", "a@b", "a b", "a:b", "a;b", "\u{e4}"] {
            check_user(name).unwrap_err();
        }
    }

    #[test]
    fn domains_are_kept_in_lower_case() {
        assert_eq!(domain("SIP.Example.com.").unwrap(), "sip.example.com");
        assert_eq!(domain("192.0.2.1").unwrap(), "192.0.2.1");
        assert_eq!(domain("[2001:DB8::1]").unwrap(), "[2001:db8::1]");
        for text in ["", "a..b", "-a.b", "a b", "a/b", "sip:a", "[::x]"] {
            domain(text).unwrap_err();
        }
        let twice = domains(&["a.b".into(), "A.b".into()]).unwrap_err();
        assert_eq!(twice.detail, r#"domains: "a.b" stands there twice"#);
    }

    #[test]
    fn numbers_are_kept_without_their_plus() {
        assert_eq!(number("+4930123").unwrap(), "4930123");
        assert_eq!(number("*99#").unwrap(), "*99#");
        let error = number("12 34").unwrap_err();
        assert_eq!((error.status, error.title.as_str()), (422, "Unprocessable Entity"));
    }
}
