use crate::{CellId, KeyedHash, Secret, Shard, base32};

const PURPOSE: u8 = 0xF0;
/// Kind (1), shard (2), call (8), part (2) and seal (4).
const RAW: usize = 17;
/// Characters of a token: 17 bytes in base 32.
const TEXT: usize = 28;

/// What an identifier is used as. A token of one kind does not open as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A From- or To-tag.
    Tag = 1,
    /// The Call-ID of a leg that we started.
    CallId = 2,
    /// A Via branch (behind `z9hG4bK`).
    Branch = 3,
    /// The user part of a Contact.
    Contact = 4,
}

/// What an identifier that we minted says: whose it is, without any look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// What it is used as.
    pub kind: Kind,
    /// The shard that owns the call (or binding), in whichever cell.
    pub shard: Shard,
    /// The call's number within the platform (or a binding's hash).
    pub call: u64,
    /// The leg, or the count of a transaction.
    pub part: u16,
}

/// Mints identifiers that carry their shard, and tells ours from forgeries. Lower case throughout, since
/// tags may be compared without regard to case (RFC 3261 7.3.1).
#[derive(Clone, Debug)]
pub struct Mint {
    hash: KeyedHash,
    /// The cell that we are, for others: our own shards are named with it in what is minted.
    cell: CellId,
}

impl Mint {
    /// Mints under the platform's secret.
    pub fn new(secret: Secret) -> Self {
        Mint { hash: KeyedHash::new(secret), cell: CellId::HOME }
    }

    /// Mints as `cell`. What was minted before there were cells is still ours.
    #[must_use]
    pub fn of_cell(self, cell: CellId) -> Self {
        Mint { cell, ..self }
    }

    /// Which cell it mints as.
    pub fn cell(&self) -> CellId {
        self.cell
    }

    /// The hash that shares this mint's secret.
    pub fn hash(&self) -> &KeyedHash {
        &self.hash
    }

    /// The text of `token`: 28 characters `[0-9a-z]`.
    pub fn write(&self, token: Token) -> String {
        let mut raw = [0; RAW];
        raw[0] = token.kind as u8;
        let cell = if token.shard.cell().is_home() { self.cell } else { token.shard.cell() };
        raw[1..3].copy_from_slice(&token.shard.of_cell(cell).bits().to_be_bytes());
        raw[3..11].copy_from_slice(&token.call.to_be_bytes());
        raw[11..13].copy_from_slice(&token.part.to_be_bytes());
        self.seal(&mut raw);
        base32::encode(&raw)
    }

    /// What `text` says, if it is a token of `kind` that we minted.
    pub fn read(&self, kind: Kind, text: &[u8]) -> Option<Token> {
        let mut raw = [0; RAW];
        if text.len() != TEXT || base32::decode(text, &mut raw) != Some(RAW) {
            return None;
        }
        let mut sealed = raw;
        self.seal(&mut sealed);
        if sealed != raw || raw[0] != kind as u8 {
            return None;
        }
        let shard = Shard::from_bits(u16::from_be_bytes([raw[1], raw[2]]));
        Some(Token {
            kind,
            shard: if shard.cell() == self.cell { shard.at_home() } else { shard },
            call: u64::from_be_bytes(raw[3..11].try_into().ok()?),
            part: u16::from_be_bytes([raw[11], raw[12]]),
        })
    }

    fn seal(&self, raw: &mut [u8; RAW]) {
        let sum = self.hash.sum64(PURPOSE, &[&raw[..RAW - 4]]) as u32;
        raw[RAW - 4..].copy_from_slice(&sum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mint() -> Mint {
        Mint::new(Secret::new([7; 16]))
    }

    #[test]
    fn a_token_says_whose_it_is() {
        for number in [0, 1, 17, 4095] {
            let token = Token { kind: Kind::Tag, shard: Shard::of(number), call: u64::MAX - number, part: 9 };
            let text = mint().write(token);
            assert_eq!(text.len(), TEXT);
            assert_eq!(mint().read(Kind::Tag, text.as_bytes()), Some(token));
            assert_eq!(mint().read(Kind::Tag, text.to_uppercase().as_bytes()), Some(token));
        }
    }

    #[test]
    fn a_forged_or_foreign_token_is_not_ours() {
        let text = mint().write(Token { kind: Kind::Tag, shard: Shard::of(5), call: 1, part: 0 });
        assert_eq!(mint().read(Kind::Branch, text.as_bytes()), None);
        assert_eq!(Mint::new(Secret::new([8; 16])).read(Kind::Tag, text.as_bytes()), None);
        for at in 0..TEXT - 1 {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(mint().read(Kind::Tag, &forged), None, "changed at {at}");
        }
    }

    #[test]
    fn each_cell_knows_its_own_tokens_and_whose_the_others_are() {
        let [first, second] = [1, 2].map(|cell| mint().of_cell(CellId(cell)));
        let token = Token { kind: Kind::Tag, shard: Shard::of(4095), call: 3, part: 1 };
        let text = first.write(token);
        assert_eq!(first.read(Kind::Tag, text.as_bytes()), Some(token));
        let theirs = Token { shard: token.shard.of_cell(CellId(1)), ..token };
        assert_eq!(second.read(Kind::Tag, text.as_bytes()), Some(theirs));
        assert_eq!(second.write(theirs), text, "who passes it on changes nothing");
    }

    #[test]
    fn what_was_minted_before_there_were_cells_is_still_ours() {
        let token = Token { kind: Kind::Branch, shard: Shard::of(17), call: 3, part: 1 };
        let before = mint().write(token);
        assert_eq!(mint().of_cell(CellId(1)).read(Kind::Branch, before.as_bytes()), Some(token));
    }

    /// The text of a platform without cells, as release 0.1 wrote it.
    #[test]
    fn without_cells_every_token_is_as_it_was() {
        let token = Token { kind: Kind::Tag, shard: Shard::of(4095), call: 0x0123_4567_89ab_cdef, part: 9 };
        assert_eq!(mint().write(token), "047zy0938nkrkaydxw00kgdzrhz0");
    }
}
