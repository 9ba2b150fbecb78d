//! What the exchange keeps in the journal: one tag for each kind of thing. Each body begins with the number
//! of its format; a format that is newer than this release is left alone and counted.

use contract::{CallId, sharding};
use machine::{Key, Shard, Tag};

/// All bindings of one address-of-record; the key is its [`contract::sharding::binding_key`].
pub const BINDINGS: Tag = Tag(0x10);
/// A call in progress; the key is its [`CallId`].
pub const CALL: Tag = Tag(0x11);
/// What is known of a user or a number.
pub const ACCOUNT: Tag = Tag(0x12);
/// All tenants; there is one such record, under [`TENANTS_KEY`].
pub const TENANTS: Tag = Tag(0x13);
/// The record of a call that is over, until the store has it; the key is its [`CallId`].
pub const CALL_RECORD: Tag = Tag(0x14);

/// Which uses of a nonce were seen in calls; the key is spread from its number.
pub const NONCE: Tag = Tag(0x15);
/// Since when all such uses are known, under key 0; each thread has its own.
pub const NONCES_SINCE: Tag = Tag(0x16);

/// The key of the one record of [`TENANTS`].
pub const TENANTS_KEY: Key = Key(0);

/// What must survive a power loss, too: written to disk behind the journal.
pub const DURABLE: [Tag; 4] = [BINDINGS, ACCOUNT, TENANTS, CALL_RECORD];

/// What every thread has for itself, whatever its shard.
pub const EVERYWHERE: [Tag; 3] = [ACCOUNT, TENANTS, NONCE];

/// In which shard a thing lives that whoever goes on with the shard must know; none: it need not be known. `shard` is
/// what its record says, which of bindings it need not do right.
pub fn followed(tag: Tag, shard: Shard, key: Key) -> Option<Shard> {
    match tag {
        BINDINGS => Some(sharding::shard_of_key(key.0)),
        CALL | CALL_RECORD => Some(shard),
        Tag(_) => None,
    }
}

/// The key of a call, or of its record.
pub fn call_key(id: CallId) -> Key {
    Key(u128::from(id.0))
}
