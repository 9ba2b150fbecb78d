//! Bodies and queries whose errors are [`Problem`]s.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use store::Page;
use utoipa::IntoParams;

use crate::problem::Problem;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let wrong = |rejection: JsonRejection| Problem::new(rejection.status(), rejection.body_text());
        Json::from_request(request, state).await.map(|Json(value)| Body(value)).map_err(wrong)
    }
}

/// What stands behind the question mark.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let wrong = |rejection: QueryRejection| Problem::unprocessable(rejection.body_text());
        Query::from_request_parts(parts, state).await.map(|Query(value)| Params(value)).map_err(wrong)
    }
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// What the page before said as `next`.
    after: Option<String>,
    /// At most so many, 1 to 1000; 100 if it is not said.
    limit: Option<u32>,
}

/// Which part of a list, and whose.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TenantPageQuery {
    /// The tenant's name; all tenants if it is not said.
    pub(crate) tenant: Option<String>,
    /// What the page before said as `next`.
    after: Option<String>,
    /// At most so many, 1 to 1000; 100 if it is not said.
    limit: Option<u32>,
}

impl PageQuery {
    pub(crate) fn page(self) -> Page {
        page(self.after, self.limit)
    }
}

impl TenantPageQuery {
    pub(crate) fn page(&self) -> Page {
        page(self.after.clone(), self.limit)
    }
}

/// A page as the store wants it.
pub(crate) fn page(after: Option<String>, limit: Option<u32>) -> Page {
    Page { after, limit: limit.unwrap_or(100).clamp(1, store::MOST) }
}
