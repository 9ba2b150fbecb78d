//! Who is registered.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::{Extension, Json};
use contract::query::ListRegistrations;
use contract::registration::Contact;
use contract::{Aor, TenantId};

use crate::access::Caller;
use crate::api::Shared;
use crate::extract::{Params, TenantPageQuery};
use crate::gather::gather;
use crate::problem::Problem;
use crate::tenants::name_of;
use crate::view::{ContactView, PageView, RegistrationView};

/// The registered phones, in order of tenant and user.
#[utoipa::path(get, path = "/v1/registrations", tag = "calls", params(TenantPageQuery),
    responses((status = 200, body = PageView<RegistrationView>), (status = "4XX", body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<TenantPageQuery>,
) -> Result<Json<PageView<RegistrationView>>, Problem> {
    let page = query.page();
    let tenant = caller.scope(&shared, query.tenant.as_deref()).await?;
    let after = page.after.as_deref().map(read_cursor).transpose()?;
    let limit = page.limit as usize;
    let question = ListRegistrations { tenant, after, limit: page.limit + 1 };
    let gathered = gather(&shared.bus, &question).await?;
    let mut phones: BTreeMap<Aor, Vec<Contact>> = BTreeMap::new();
    for registration in gathered.answers.into_iter().flat_map(|answer| answer.registrations) {
        // Whatever a thread says: what is another's is not shown.
        if tenant.is_none_or(|tenant| tenant == registration.aor.tenant) {
            phones.entry(registration.aor).or_default().extend(registration.contacts);
        }
    }
    let more = phones.len() > limit;
    let next = phones.keys().nth(limit - 1).filter(|_| more).map(cursor);
    let names = crate::tenants::names(&shared).await?;
    let show = |(aor, contacts): (Aor, Vec<Contact>)| RegistrationView {
        tenant: name_of(&names, aor.tenant),
        user: aor.user,
        contacts: contacts.into_iter().map(ContactView::from).collect(),
    };
    let items = phones.into_iter().take(limit).map(show).collect();
    Ok(Json(PageView { items, next, missing: gathered.missing }))
}

fn cursor(aor: &Aor) -> String {
    format!("{}-{}", aor.tenant, aor.user)
}

fn read_cursor(text: &str) -> Result<Aor, Problem> {
    let read = || {
        let (tenant, user) = text.split_once('-')?;
        Some(Aor { tenant: TenantId(tenant.parse().ok()?), user: user.to_owned() })
    };
    read().ok_or_else(|| Problem::unprocessable(format!("{text:?} is no cursor of this list")))
}
