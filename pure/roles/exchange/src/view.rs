use contract::domains::Domains;
use machine::{CellId, KeyedHash, Mint, Moment, Secret};
use sip::digest::NonceMint;
use sip::{Message, Method};

use crate::accounts::Accounts;
use crate::bindings::Bindings;
use crate::calls::Calls;
use crate::cells::{self, Cells};
use crate::memory::Memory;
use crate::overload::Pressure;
use crate::replays::Replays;
use crate::request::Request;
use crate::settings::Settings;

/// What decisions are made from.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) settings: Settings,
    pub(crate) mint: Mint,
    pub(crate) nonces: NonceMint,
    /// The tenants, as soon as they are known.
    pub(crate) domains: Option<Domains>,
    /// They have changed, and the answer how is on its way.
    pub(crate) domains_in_doubt: bool,
    pub(crate) accounts: Accounts,
    pub(crate) bindings: Bindings,
    pub(crate) replays: Replays,
    pub(crate) calls: Calls,
    /// How long messages wait at present before they are looked at.
    pub(crate) pressure: Pressure,
    /// Which other cells answer.
    pub(crate) cells: Cells,
    /// To which of them INVITEs were handed on, by their names.
    pub(crate) handed: Memory<CellId>,
}

impl View {
    /// Nothing known yet.
    pub(crate) fn new(settings: Settings, secret: Secret, now: Moment) -> Self {
        let hash = KeyedHash::new(secret.clone());
        View {
            mint: Mint::new(secret).of_cell(settings.cell),
            nonces: NonceMint::new(hash.clone(), settings.authentication.nonce_lifetime),
            domains: None,
            domains_in_doubt: false,
            accounts: Accounts::new(settings.accounts, hash.clone()),
            bindings: Bindings::default(),
            replays: Replays::new(settings.authentication.nonces, now),
            calls: Calls::new(hash),
            pressure: Pressure::default(),
            cells: settings.cells,
            handed: Memory::new(cells::REMEMBERED),
            settings,
        }
    }

    /// The name of an INVITE.
    pub(crate) fn invite_of(&self, message: &Message<&[u8]>) -> Option<u64> {
        Some(self.calls.invite(&Request::read(message, Method::Invite).ok()?))
    }
}
