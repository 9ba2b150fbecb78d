//! Which path leads to which handler; the OpenAPI document is made of the same list.

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::{Json, Router, middleware, routing};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Shared;
use crate::problem::Problem;
use crate::{
    access, calls, cells, health, ladder, metrics, nodes, numbers, record_imports, records, registrations,
    tenants, tokens, users,
};

/// No body is longer.
const LONGEST_BODY: usize = 64 << 10;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Strowger",
        description = "A telephone exchange: calls, registrations, records and accounts. Lists come in pages: \
                       give a page's `next` as `after` to get the one behind it."
    ),
    components(schemas(Problem)),
    modifiers(&Bearer),
    security(("token" = [])),
    tags(
        (name = "calls", description = "What goes on"),
        (name = "records", description = "What was"),
        (name = "accounts", description = "Tenants, their users and numbers"),
        (name = "operation", description = "How the platform does"),
    )
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", scheme);
    }
}

fn guarded() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(calls::list))
        .routes(routes!(calls::show, calls::hang_up))
        .routes(routes!(nodes::move_call))
        .routes(routes!(nodes::list))
        .routes(routes!(cells::noun::list))
        .routes(routes!(cells::noun::conflicts))
        .routes(routes!(cells::account::show))
        .routes(routes!(cells::account::relocate))
        .routes(routes!(nodes::drain))
        .routes(routes!(ladder::show))
        .routes(routes!(registrations::list))
        .routes(routes!(records::list))
        .routes(routes!(records::show))
        .merge(importing())
        .routes(routes!(tenants::list, tenants::add))
        .routes(routes!(tenants::show, tenants::change, tenants::remove))
        .routes(routes!(users::list, users::add))
        .routes(routes!(users::show, users::change, users::remove))
        .routes(routes!(numbers::list, numbers::add))
        .routes(routes!(numbers::show, numbers::remove))
        .routes(routes!(tokens::list, tokens::add))
        .routes(routes!(tokens::remove))
}

/// What offices of other cells say.
fn between_cells(shared: &Shared) -> Router<Shared> {
    let guard = middleware::from_fn_with_state(shared.clone(), cells::inbox::guard);
    Router::new()
        .route("/v1/cells/inbox", routing::post(cells::inbox::take))
        .route("/v1/cells/arrivals", routing::post(cells::inbox::arrive))
        .route("/v1/cells/bindings", routing::post(cells::inbox::bind))
        .route_layer(guard)
        .layer(DefaultBodyLimit::max(cells::inbox::LONGEST))
}

/// What takes longer bodies.
fn importing() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(record_imports::import))
        .layer(DefaultBodyLimit::max(record_imports::LONGEST_PART))
}

fn open() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(health::show)).routes(routes!(metrics::show))
}

/// The OpenAPI document of this API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, document) =
        OpenApiRouter::with_openapi(Document::openapi()).merge(guarded()).merge(open()).split_for_parts();
    document
}

pub(crate) fn router(shared: Shared) -> Router {
    let (guarded, _) = guarded().split_for_parts();
    let (open, _) = open().split_for_parts();
    let document = openapi();
    let guard = middleware::from_fn_with_state(shared.clone(), access::guard);
    guarded
        .route_layer(guard)
        .merge(open)
        .merge(between_cells(&shared))
        .route("/v1/openapi.json", routing::get(move || async move { Json(document) }))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(shared)
}

async fn nowhere(uri: Uri) -> Problem {
    Problem::missing(format!("resource {:?}; /v1/openapi.json lists what there is", uri.path()))
}

async fn not_so(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{:?} takes no {method}", uri.path()))
}
