//! What is remembered of users and numbers, so that a restart and an absent office need no answer.
//!
//! A user's hashes and whether it is blocked stand in front with fixed places, for that is all that a
//! REGISTER needs:
//!
//! ```text
//! format 1 | kind | flags | cell | realm u64 (little endian) | MD5 16 | SHA-256 32 | MessagePack
//! ```

use contract::account::{Found, LookUp, Number, User};
use contract::{CellId, TenantId, sharding};
use machine::{KeyedHash, Moment};
use sip::digest::{Algorithm, Ha1};

use crate::hashes;
use crate::memory::Memory;
use crate::settings;

const FORMAT: u8 = 1;
const USER: u8 = 1;
const NUMBER: u8 = 2;
/// It lives in another cell: of it only that is known, and behind it stands what was asked.
const ELSEWHERE: u8 = 3;
const BLOCKED: u8 = 1;
const HAS_MD5: u8 = 2;
const HAS_SHA256: u8 = 4;
const MD5_AT: usize = 12;
const SHA256_AT: usize = 28;
const HEAD: usize = 60;
/// What was confirmed no longer ago is no news, seconds.
const JUST_NOW: u64 = 1;

/// What is known of a name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known<'a> {
    /// It is a user or a number.
    Account(Account<'a>),
    /// Nobody has that name (as of a moment ago).
    Nobody,
    /// It must be asked.
    Unknown,
}

/// A user or a number, as bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account<'a> {
    head: &'a [u8; HEAD],
    rest: &'a [u8],
}

impl<'a> Account<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let (head, rest) = body.split_first_chunk::<HEAD>()?;
        (head[0] == FORMAT).then_some(Account { head, rest })
    }

    /// May not register or call.
    pub(crate) fn is_blocked(&self) -> bool {
        self.head[2] & BLOCKED != 0
    }

    /// What is kept of the password, if it was made for the realm of this hash.
    pub(crate) fn ha1(&self, algorithm: Algorithm, realm: u64) -> Option<Ha1> {
        let (flag, raw) = match algorithm {
            Algorithm::Md5 => (HAS_MD5, &self.head[MD5_AT..SHA256_AT]),
            Algorithm::Sha256 => (HAS_SHA256, &self.head[SHA256_AT..]),
        };
        let made_for = self.head[4..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        if self.head[2] & flag == 0 || made_for != Some(realm) {
            return None;
        }
        let mut digits = [0; 64];
        let digits = digits.get_mut(..raw.len() * 2)?;
        for (pair, byte) in digits.chunks_exact_mut(2).zip(raw) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        Ha1::kept(algorithm, std::str::from_utf8(digits).ok()?)
    }

    /// The cell that it lives in, if that is another.
    pub(crate) fn cell(&self) -> Option<CellId> {
        (self.head[1] == ELSEWHERE).then_some(CellId(self.head[3]))
    }

    /// All of it; of a user without the hashes.
    pub(crate) fn found(&self) -> Found {
        if let Some(cell) = self.cell() {
            return Found::Elsewhere { cell };
        }
        contract::decode(self.rest).unwrap_or_default()
    }

    /// The user.
    pub(crate) fn user(&self) -> Option<User> {
        if self.head[1] != USER {
            return None;
        }
        match self.found() {
            Found::User(user) => Some(user),
            Found::Number(_) | Found::Elsewhere { .. } | Found::Nobody | Found::Unknown => None,
        }
    }
}

/// All that is remembered.
#[derive(Debug)]
pub(crate) struct Accounts {
    settings: settings::Accounts,
    hash: KeyedHash,
    known: Memory<Remembered>,
    absent: Memory<Moment>,
    /// What was confirmed before this second must be confirmed again.
    doubted: u32,
}

#[derive(Debug)]
struct Remembered {
    body: Box<[u8]>,
    /// The second at which it was last confirmed.
    confirmed: u32,
}

/// What an answer changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Learned {
    pub(crate) key: u128,
    /// To be kept; empty if there is nothing any more.
    pub(crate) body: Vec<u8>,
}

impl Accounts {
    /// Nothing remembered yet.
    pub(crate) fn new(settings: settings::Accounts, hash: KeyedHash) -> Self {
        Accounts {
            settings,
            hash,
            known: Memory::new(settings.room),
            absent: Memory::new(settings.absent_room),
            doubted: 0,
        }
    }

    /// Under which number a name is remembered.
    pub(crate) fn key(&self, tenant: TenantId, name: &[u8]) -> u128 {
        let name = sharding::user_name(name);
        self.hash.sum128(hashes::ACCOUNT, &[&tenant.0.to_le_bytes(), &name])
    }

    /// The hash that stands for a digest realm.
    pub(crate) fn realm(&self, realm: &[u8]) -> u64 {
        self.hash.sum64(hashes::REALM, &[realm])
    }

    /// What is known of the name under `key`.
    pub(crate) fn find(&self, key: u128, now: Moment) -> Known<'_> {
        match self.known.get(key).and_then(|remembered| Account::read(&remembered.body)) {
            Some(account) => Known::Account(account),
            None if self.absent.get(key).is_some_and(|&until| until > now) => Known::Nobody,
            None => Known::Unknown,
        }
    }

    /// What to ask, if what is known is so old that it should be asked again while it goes on being used.
    /// Says so once, then not for a while.
    pub(crate) fn due(&mut self, key: u128, now: Moment) -> Option<LookUp> {
        let remembered = self.known.get_mut(key)?;
        let is_fresh = now.as_secs() < u64::from(remembered.confirmed) + self.settings.fresh.as_secs();
        if is_fresh && remembered.confirmed >= self.doubted {
            return None;
        }
        remembered.confirmed = second(now);
        let account = Account::read(&remembered.body)?;
        match account.found() {
            Found::Elsewhere { .. } => contract::decode(account.rest).ok(),
            Found::User(user) => Some(LookUp { tenant: user.tenant, name: user.name }),
            Found::Number(number) => Some(LookUp { tenant: number.tenant, name: number.number }),
            Found::Nobody | Found::Unknown => None,
        }
    }

    /// What to ask, if what is known was not confirmed just now.
    pub(crate) fn stale(&self, key: u128, now: Moment) -> Option<LookUp> {
        let remembered = self.known.get(key)?;
        if now.as_secs() <= u64::from(remembered.confirmed) + JUST_NOW {
            return None;
        }
        contract::decode(Account::read(&remembered.body)?.rest).ok()
    }

    /// Whether anything is known of the account under `key`.
    pub(crate) fn has(&self, key: u128) -> bool {
        self.known.get(key).is_some()
    }

    /// Notes an answer. Says what is to be kept: what changed, and what was forgotten for want of room.
    pub(crate) fn learn(&mut self, asked: &LookUp, found: &Found, now: Moment) -> [Option<Learned>; 2] {
        let key = self.key(asked.tenant, asked.name.as_bytes());
        let Some(body) = self.write(asked, found) else {
            if *found == Found::Nobody {
                self.absent.insert(key, now.after(self.settings.absent));
            }
            return [self.forget(key), None];
        };
        self.absent.remove(key);
        if let Some(remembered) = self.known.get_mut(key) {
            remembered.confirmed = second(now);
            if *remembered.body == *body {
                return [None, None];
            }
        }
        let remembered = Remembered { body: body.clone().into_boxed_slice(), confirmed: second(now) };
        let forgotten = self.known.insert(key, remembered);
        [Some(Learned { key, body }), forgotten.map(|(key, _)| Learned { key, body: Vec::new() })]
    }

    /// Any of it may have changed: it is confirmed when it is next needed, and who was nobody is asked for.
    pub(crate) fn doubt(&mut self, now: Moment) {
        // What was confirmed within this second is asked once more than it need be.
        self.doubted = second(now).saturating_add(1);
        self.absent = Memory::new(self.settings.absent_room);
    }

    /// Forgets what is under `key`.
    pub(crate) fn forget(&mut self, key: u128) -> Option<Learned> {
        self.known.remove(key).map(|_| Learned { key, body: Vec::new() })
    }

    /// Forgets that nobody has the name under `key`.
    pub(crate) fn forget_absence(&mut self, key: u128) {
        self.absent.remove(key);
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.known.reserve(more);
    }

    /// Puts back what was kept. It is confirmed when it is next needed. False if it is none of ours.
    pub(crate) fn restore(&mut self, key: u128, body: Vec<u8>) -> bool {
        let ours = Account::read(&body).is_some();
        if ours {
            self.known.insert(key, Remembered { body: body.into_boxed_slice(), confirmed: 0 });
        }
        ours
    }

    /// How many users and numbers are remembered.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    fn write(&self, asked: &LookUp, found: &Found) -> Option<Vec<u8>> {
        let mut body = vec![0; HEAD];
        body[0] = FORMAT;
        match found {
            Found::User(user) => {
                body[1] = USER;
                body[2] = if user.blocked { BLOCKED } else { 0 };
                body[4..MD5_AT].copy_from_slice(&self.realm(user.realm.as_bytes()).to_le_bytes());
                let (md5, sha256) = body[MD5_AT..].split_at_mut(SHA256_AT - MD5_AT);
                let has_md5 = read_hex(&user.ha1_md5, md5);
                let has_sha256 = read_hex(&user.ha1_sha256, sha256);
                body[2] |= if has_md5 { HAS_MD5 } else { 0 } | if has_sha256 { HAS_SHA256 } else { 0 };
                let user = User { ha1_md5: String::new(), ha1_sha256: String::new(), ..user.clone() };
                body.extend_from_slice(&contract::encode(&Found::User(user)));
            }
            Found::Number(_) => {
                body[1] = NUMBER;
                body.extend_from_slice(&contract::encode(found));
            }
            Found::Elsewhere { cell } => {
                body[1] = ELSEWHERE;
                body[3] = cell.0;
                body.extend_from_slice(&contract::encode(asked));
            }
            Found::Nobody | Found::Unknown => return None,
        }
        Some(body)
    }
}

/// The number that a name leads to, if it is one.
pub(crate) fn number(found: Found) -> Option<Number> {
    match found {
        Found::Number(number) => Some(number),
        Found::User(_) | Found::Elsewhere { .. } | Found::Nobody | Found::Unknown => None,
    }
}

fn second(moment: Moment) -> u32 {
    u32::try_from(moment.as_secs()).unwrap_or(u32::MAX)
}

fn read_hex(digits: &str, into: &mut [u8]) -> bool {
    let digits = digits.as_bytes();
    if digits.len() != into.len() * 2 {
        return false;
    }
    for (byte, pair) in into.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| (pair[at] as char).to_digit(16);
        let (Some(high), Some(low)) = (digit(0), digit(1)) else { return false };
        *byte = (high << 4 | low) as u8;
    }
    true
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use contract::account::Destination;
    use machine::Secret;

    const NOW: Moment = Moment::from_secs(1_700_000_000);

    fn accounts(room: usize) -> Accounts {
        let settings = settings::Accounts { room, ..settings::Accounts::default() };
        Accounts::new(settings, KeyedHash::new(Secret::new([5; 16])))
    }

    fn alice() -> User {
        let ha1 =
            |algorithm| Ha1::new(algorithm, b"alice", b"red.example", b"secret").hex().as_str().to_owned();
        User {
            tenant: TenantId(1),
            name: "alice".into(),
            realm: "red.example".into(),
            ha1_md5: ha1(Algorithm::Md5),
            ha1_sha256: ha1(Algorithm::Sha256),
            number: Some("4930123".into()),
            display_name: "Alice".into(),
            blocked: false,
            direct_media: false,
        }
    }

    fn asked(name: &str) -> LookUp {
        LookUp { tenant: TenantId(1), name: name.into() }
    }

    fn known(accounts: &Accounts, name: &str) -> Option<Found> {
        match accounts.find(accounts.key(TenantId(1), name.as_bytes()), NOW) {
            Known::Account(account) => Some(account.found()),
            Known::Nobody => Some(Found::Nobody),
            Known::Unknown => None,
        }
    }

    #[test]
    fn a_user_is_remembered_with_what_proves_its_password() {
        let mut accounts = accounts(10);
        let [kept, None] = accounts.learn(&asked("alice"), &Found::User(alice()), NOW) else { panic!() };
        let Learned { key, body } = kept.unwrap();
        let mut restored = self::accounts(10);
        assert!(restored.restore(key, body));
        let Known::Account(account) = restored.find(key, NOW) else {
            panic!("{:?}", restored.find(key, NOW))
        };
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let expected = Ha1::new(algorithm, b"alice", b"red.example", b"secret");
            assert!(account.ha1(algorithm, restored.realm(b"red.example")) == Some(expected));
            assert!(account.ha1(algorithm, restored.realm(b"blue.example")).is_none());
        }
        assert_eq!(account.user().unwrap().display_name, "Alice");
        assert_eq!(
            restored.due(key, NOW),
            Some(asked("alice")),
            "what was restored is confirmed when needed"
        );
        assert_eq!(restored.due(key, NOW), None, "once");
    }

    #[test]
    fn the_same_answer_again_is_not_kept_again() {
        let mut accounts = accounts(10);
        accounts.learn(&asked("alice"), &Found::User(alice()), NOW);
        assert_eq!(accounts.learn(&asked("alice"), &Found::User(alice()), NOW), [None, None]);
        let blocked = Found::User(User { blocked: true, ..alice() });
        assert!(accounts.learn(&asked("alice"), &blocked, NOW)[0].is_some());
    }

    #[test]
    fn nobody_is_remembered_for_a_moment() {
        let mut accounts = accounts(10);
        accounts.learn(&asked("eve"), &Found::Nobody, NOW);
        assert_eq!(known(&accounts, "eve"), Some(Found::Nobody));
        let key = accounts.key(TenantId(1), b"eve");
        let later = NOW.after(Duration::from_secs(6));
        assert!(matches!(accounts.find(key, later), Known::Unknown));
    }

    #[test]
    fn an_account_that_is_gone_is_forgotten_and_so_is_its_record() {
        let mut accounts = accounts(10);
        accounts.learn(&asked("alice"), &Found::User(alice()), NOW);
        let [gone, None] = accounts.learn(&asked("alice"), &Found::Nobody, NOW) else { panic!() };
        assert!(gone.unwrap().body.is_empty());
        assert_eq!(known(&accounts, "alice"), Some(Found::Nobody));
    }

    #[test]
    fn who_lives_in_another_cell_is_remembered_and_asked_for_again_under_the_same_name() {
        let (mut accounts, there) = (accounts(10), Found::Elsewhere { cell: CellId(2) });
        let [kept, None] = accounts.learn(&asked("alice"), &there, NOW) else { panic!() };
        assert_eq!(known(&accounts, "alice"), Some(there.clone()));
        let Learned { key, body } = kept.unwrap();
        let mut restored = self::accounts(10);
        assert!(restored.restore(key, body));
        assert_eq!(known(&restored, "alice"), Some(there));
        assert_eq!(restored.due(key, NOW), Some(asked("alice")));
        restored.learn(&asked("alice"), &Found::User(alice()), NOW);
        assert_eq!(known(&restored, "alice").map(|found| matches!(found, Found::User(_))), Some(true));
    }

    #[test]
    fn what_does_not_fit_is_forgotten_and_said_so() {
        let mut accounts = accounts(2);
        let number = |digits: &str| Number {
            tenant: TenantId(1),
            number: digits.into(),
            to: Destination::App { name: "echo".into() },
        };
        for digits in ["1", "2"] {
            accounts.learn(&asked(digits), &Found::Number(number(digits)), NOW);
        }
        let [Some(_), Some(forgotten)] = accounts.learn(&asked("3"), &Found::Number(number("3")), NOW) else {
            panic!("one had to go")
        };
        assert_eq!(forgotten, Learned { key: accounts.key(TenantId(1), b"1"), body: Vec::new() });
        assert_eq!(known(&accounts, "1"), None);
        assert_eq!(known(&accounts, "3"), Some(Found::Number(number("3"))));
    }

    /// The bytes of release 0.1, which later releases must read.
    #[test]
    fn the_account_of_the_first_release_is_read() {
        let golden = include_bytes!("../tests/golden/account.v1");
        assert_eq!(accounts(1).write(&asked("alice"), &Found::User(alice())).unwrap(), golden);
        let mut restored = accounts(1);
        let key = restored.key(TenantId(1), b"alice");
        assert!(restored.restore(key, golden.to_vec()));
        let Known::Account(account) = restored.find(key, NOW) else {
            panic!("{:?}", restored.find(key, NOW))
        };
        assert!(account.ha1(Algorithm::Md5, restored.realm(b"red.example")).is_some());
        assert_eq!(account.user().unwrap().number.as_deref(), Some("4930123"));
    }
}
