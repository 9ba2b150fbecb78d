//! Who asks, and what they may.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use contract::TenantId;
use contract::account::Tenant;
use store::StoreError;

use crate::api::Shared;
use crate::problem::Problem;
use crate::token;

/// Who asks, by its token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The only tenant that it may see; none: everything.
    tenant: Option<TenantId>,
}

/// Lets nobody through without a token that we know.
pub(crate) async fn guard(
    State(shared): State<Shared>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let presented = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(presented) = presented else {
        let detail = "expected a header \"Authorization: Bearer TOKEN\"; the first token is in the data folder, in \
                      the file api-token";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
    };
    let Some(token) = shared.recall.token(&shared.store, &token::hash(presented)).await? else {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "this token is not known here"));
    };
    request.extensions_mut().insert(Caller { tenant: token.tenant });
    Ok(next.run(request).await)
}

impl Caller {
    /// Whether it may see everything.
    pub(crate) fn is_operator(&self) -> bool {
        self.tenant.is_none()
    }

    /// Only who may see everything may do this.
    pub(crate) fn must_be_operator(&self) -> Result<(), Problem> {
        if self.is_operator() {
            return Ok(());
        }
        Err(Problem::forbidden("this token is for one tenant; this takes the operator's"))
    }

    /// The tenant of that name, if the caller may see it. Who may see one only is not told whether there are
    /// others.
    pub(crate) async fn tenant(&self, shared: &Shared, name: &str) -> Result<Tenant, Problem> {
        let found = shared.store.tenants().named(name).await;
        match (self.tenant, found) {
            (None, found) => Ok(found?),
            (Some(own), Ok(tenant)) if tenant.id == own => Ok(tenant),
            (Some(_), Ok(_) | Err(StoreError::Missing(_))) => {
                Err(Problem::forbidden(format!("this token is not for tenant {name:?}")))
            }
            (Some(_), Err(error)) => Err(error.into()),
        }
    }

    /// Whose things to list: those of the tenant of that name, or all that the caller may see.
    pub(crate) async fn scope(
        &self,
        shared: &Shared,
        name: Option<&str>,
    ) -> Result<Option<TenantId>, Problem> {
        match name {
            Some(name) => Ok(Some(self.tenant(shared, name).await?.id)),
            None => Ok(self.tenant),
        }
    }

    /// Whether the caller may see what is `tenant`'s.
    pub(crate) fn sees(&self, tenant: TenantId) -> bool {
        self.tenant.is_none_or(|own| own == tenant)
    }
}
