//! Who says so? Digest authentication (RFC 3261 22, RFC 7616, RFC 8760) without state but for replays.

use contract::account::LookUp;
use contract::sharding;
use machine::Moment;
use sip::digest::{self, Algorithm, Checked, Given, Seen};
use sip::{Method, Name, Status};

use crate::accounts::{Account, Known};
use crate::cells;
use crate::decide::{Decision, Question, Reply};
use crate::hashes;
use crate::replays::Use;
use crate::request::{Home, Request};
use crate::view::View;

/// Somebody who knows the password.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proven<'v, 'm> {
    /// The user's name within the tenant, as it stands in the credentials.
    pub(crate) user: &'m [u8],
    /// Under which the account is remembered.
    pub(crate) key: u128,
    pub(crate) account: Account<'v>,
    pub(crate) checked: Checked,
    /// These credentials were seen before: only a retransmission may have them.
    pub(crate) again: bool,
}

/// Asks for a proof, or looks at it: 401 to a REGISTER, 407 to all others (RFC 3261 22.2, 22.3), 403 to who
/// does not know the password, whether there is such a user or not; 400 to credentials that were made for another
/// request (RFC 7616 3.4.6).
pub(crate) fn challenge<'v, 'm>(
    request: &Request<'m>,
    home: Home<'v>,
    view: &'v View,
    now: Moment,
) -> Result<Proven<'v, 'm>, Decision> {
    let again = |stale| Decision::from(ask(request, home, view, now, stale));
    let Some(credentials) = given(request, home)? else { return Err(again(false)) };
    if !credentials.is_for(request.method, &request.uri) {
        return Err(Reply::new(Status::BAD_REQUEST).because("Credentials For Another Request").into());
    }
    let is_foreign = || view.nonces.read(now, credentials.nonce.unwrap_or_default()) == Seen::Foreign;
    let user = credentials.username.unwrap_or_default();
    let key = view.accounts.key(home.id, user);
    let account = match view.accounts.find(key, now) {
        Known::Account(account) => match account.cell() {
            None => account,
            Some(_) if is_foreign() => return Err(again(false)),
            Some(cell) => return Err(cells::hand_on(request, home, (cell, key), view, now)),
        },
        // Nobody is asked on behalf of who was never here.
        Known::Nobody | Known::Unknown if is_foreign() => return Err(again(false)),
        Known::Nobody => return Err(forbidden()),
        Known::Unknown => {
            let name = String::from_utf8_lossy(&sharding::user_name(user)).into_owned();
            return Err(Decision::Ask(Question::Account(LookUp { tenant: home.id, name })));
        }
    };
    let ha1 = Algorithm::named(credentials.algorithm)
        .and_then(|algorithm| account.ha1(algorithm, view.accounts.realm(home.realm.as_bytes())));
    let checked = ha1.and_then(|ha1| credentials.check(request.method, &ha1, &view.nonces, now));
    let Some(checked) = checked.filter(|_| !account.is_blocked()) else {
        return Err(if is_foreign() { again(false) } else { forbidden() });
    };
    let seen_again = match view.replays.look(&checked, request.cseq.number, now) {
        Use::First => false,
        // A REGISTER is in the order of its CSeq, or it is refused.
        Use::Unsure if request.method == Method::Register => false,
        Use::Again if request.method == Method::Register => true,
        Use::Again => return Err(replayed(request, home, view, now)),
        Use::Unsure | Use::Over => return Err(again(true)),
    };
    Ok(Proven { user, key, account, checked, again: seen_again })
}

/// The credentials for our realm.
fn given<'m>(request: &Request<'m>, home: Home<'_>) -> Result<Option<Given<'m>>, Decision> {
    for credentials in request.message.credentials(header(request)) {
        let credentials =
            credentials.map_err(|error| Reply::new(Status::BAD_REQUEST).because(error.to_string()))?;
        let given = Given::of(&credentials);
        if credentials.is_digest()
            && given.realm == Some(home.realm.as_bytes())
            && Algorithm::named(given.algorithm).is_some()
        {
            return Ok(Some(given));
        }
    }
    Ok(None)
}

/// Whether a request has a nonce of ours: its sender was here before.
pub(crate) fn has_nonce(request: &Request<'_>, view: &View, now: Moment) -> bool {
    request.message.credentials(header(request)).filter_map(Result::ok).any(|credentials| {
        let nonce = credentials.nonce().unwrap_or_default();
        matches!(view.nonces.read(now, nonce), Seen::Ours { .. })
    })
}

fn header(request: &Request<'_>) -> Name {
    if request.method == Method::Register { Name::Authorization } else { Name::ProxyAuthorization }
}

/// A challenge for each algorithm that we offer, the best first.
fn ask(request: &Request<'_>, home: Home<'_>, view: &View, now: Moment, stale: bool) -> Reply {
    let number = request.cseq.number.to_le_bytes();
    let parts = [request.call_id, request.callers_tag(), &number, home.realm.as_bytes()];
    let salt = view.mint.hash().sum64(hashes::NONCE, &parts) as u16;
    let nonce = view.nonces.mint(now, salt);
    let (status, name) = if request.method == Method::Register {
        (Status::UNAUTHORIZED, Name::WwwAuthenticate)
    } else {
        (Status::PROXY_AUTHENTICATION_REQUIRED, Name::ProxyAuthenticate)
    };
    let offered = view.settings.authentication.offered.iter();
    let challenges = offered.map(|&algorithm| digest::challenge(home.realm, &nonce, algorithm, stale));
    challenges.fold(Reply::new(status), |reply, challenge| reply.with(name, challenge))
}

/// A new challenge for who shows credentials that were seen before.
pub(crate) fn replayed(request: &Request<'_>, home: Home<'_>, view: &View, now: Moment) -> Decision {
    Reply { is_replay: true, ..ask(request, home, view, now, true) }.into()
}

fn forbidden() -> Decision {
    Status::FORBIDDEN.into()
}
