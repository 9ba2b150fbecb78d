//! Which shard owns what: every edge and every exchange must come to the same answer without asking. In each cell it
//! is the shard of the same number.

use std::borrow::Cow;

use machine::{KeyedHash, Shard};

use crate::TenantId;

/// Purposes of the platform's keyed hash, so that no two uses collide. The mint has 0xF0.
mod purpose {
    pub(super) const CALL: u8 = 0x01;
    pub(super) const BINDING: u8 = 0x02;
}

/// The shard that owns the call which an INVITE with this Call-ID begins. Requests outside of a dialog that
/// are neither INVITE nor REGISTER go the same way.
pub fn call_shard(hash: &KeyedHash, call_id: &[u8]) -> Shard {
    Shard::of(hash.sum64(purpose::CALL, &[call_id]))
}

/// The shard that owns the bindings of an address-of-record. `user` is the user part of its URI as it stands
/// in the message.
pub fn binding_shard(hash: &KeyedHash, tenant: TenantId, user: &[u8]) -> Shard {
    shard_of_key(binding_key(hash, tenant, user))
}

/// The number under which an address-of-record is known: nobody without the secret can make two collide.
/// `user` is the user part of its URI as it stands in the message.
pub fn binding_key(hash: &KeyedHash, tenant: TenantId, user: &[u8]) -> u128 {
    hash.sum128(purpose::BINDING, &[&tenant.0.to_le_bytes(), &user_name(user)])
}

/// The shard of a [`binding_key`].
pub fn shard_of_key(key: u128) -> Shard {
    Shard::of(key as u64)
}

/// The user's name within its tenant: the user part of a URI without escapes (RFC 3261 19.1.4: `%61lice` is
/// `alice`). Case counts.
pub fn user_name(user: &[u8]) -> Cow<'_, [u8]> {
    if !user.contains(&b'%') {
        return Cow::Borrowed(user);
    }
    let mut name = Vec::with_capacity(user.len());
    let mut rest = user;
    while let Some((&first, behind)) = rest.split_first() {
        match (first, behind) {
            (b'%', [high, low, behind @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                name.push(nibble(*high) << 4 | nibble(*low));
                rest = behind;
            }
            _ => {
                name.push(first);
                rest = behind;
            }
        }
    }
    Cow::Owned(name)
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::Secret;

    #[test]
    fn an_escaped_user_is_the_same_user() {
        let hash = KeyedHash::new(Secret::new([3; 16]));
        let plain = binding_key(&hash, TenantId(1), b"alice");
        assert_eq!(binding_key(&hash, TenantId(1), b"%61lic%65"), plain);
        assert_eq!(binding_shard(&hash, TenantId(1), b"%61lice"), shard_of_key(plain));
        assert_eq!(&*user_name(b"50%"), b"50%");
        assert_eq!(&*user_name(b"a%zz%4"), b"a%zz%4");
    }

    #[test]
    fn two_tenants_with_the_same_extension_have_different_keys() {
        let hash = KeyedHash::new(Secret::new([3; 16]));
        assert_ne!(binding_key(&hash, TenantId(1), b"1001"), binding_key(&hash, TenantId(2), b"1001"));
    }

    #[test]
    fn shards_are_spread_evenly() {
        let hash = KeyedHash::new(Secret::new([3; 16]));
        let mut threads = [0u32; 4];
        for number in 0..4000 {
            let call_id = format!("call-{number}@host");
            threads[usize::from(call_shard(&hash, call_id.as_bytes()).thread(4))] += 1;
        }
        assert!(threads.iter().all(|&n| (850..1150).contains(&n)), "{threads:?}");
    }
}
