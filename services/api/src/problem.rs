use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bus::Unanswered;
use serde::{Deserialize, Serialize};
use store::StoreError;
use utoipa::ToSchema;

/// Why a request was not carried out (RFC 9457, `application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of problem; `about:blank`: the status says it all.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    #[schema(example = "Not Found")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    pub status: u16,
    /// What is wrong with this request.
    #[schema(example = "there is no tenant \"red\"")]
    pub detail: String,
}

impl Problem {
    /// A problem whose kind is told by its status.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail: detail.into(),
        }
    }

    pub(crate) fn missing(what: impl std::fmt::Display) -> Self {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no {what}"))
    }

    pub(crate) fn unprocessable(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::FORBIDDEN, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken(_) | StoreError::Contradiction(_) => {
                Problem::new(StatusCode::CONFLICT, error.to_string())
            }
            StoreError::Missing(_) => Problem::new(StatusCode::NOT_FOUND, error.to_string()),
            StoreError::BadCursor(_) => Problem::unprocessable(error.to_string()),
            StoreError::Away(_) => {
                tracing::warn!(%error, "a request could not be answered");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store is away; try again")
            }
            StoreError::Damaged { .. }
            | StoreError::Later { .. }
            | StoreError::Migration(_)
            | StoreError::BadAddress(_)
            | StoreError::Database(_) => {
                tracing::error!(%error, "a request failed in the store");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the store failed; the log says why")
            }
        }
    }
}

impl From<Unanswered> for Problem {
    fn from(error: Unanswered) -> Self {
        tracing::warn!(%error, "a request could not be answered");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}
