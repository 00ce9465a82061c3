//! The OpenAPI document: collected from the routes, and completed with what all of them have in common.
//!
//! A route states what is its own. The answers that follow from what it is (401 where a token is asked for, 403 where
//! an administrator's, 422 where something is read, and so on) are added here, so that none can be forgotten.

use actix_web::{App, http::StatusCode};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, Content, HttpMethod, Info, License, OpenApi, OpenApiBuilder, Ref, RefOr,
        Response, ResponseBuilder,
        path::{Operation, ParameterIn, PathItem},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
        tag::{Tag, TagBuilder},
    },
};
use utoipa_actix_web::AppExt;

use crate::{
    dto,
    problem::{Code, Form, HttpCode, PROBLEM_JSON, ProblemBody},
    routes,
};

/// The areas of the API.
const TAGS: [(&str, &str); 9] = [
    ("auth", "Accounts and tokens."),
    ("products", "The catalogue and its stock."),
    ("orders", "Orders: placed, read, cancelled, followed."),
    ("notifications", "What customers were told."),
    ("logs", "What has happened, for administrators."),
    ("system", "The shop itself, for administrators."),
    ("health", "Whether the program lives and serves."),
    ("docs", "This description."),
    (
        "legacy",
        "The routes of the demo that this project replaces, for its clients. Errors are `{status,error}`.",
    ),
];

const DESCRIPTION: &str = "An order backend for the moment when everybody buys at once.

Ids are integers below 2^53. Money is `{amount,currency}`: integer minor units and an ISO 4217 code. Times are RFC 3339 \
in UTC. Lists are `{data,has_more,next_cursor}`, newest first.

Errors are `application/problem+json` (RFC 9457) whatever `Accept` says, with a stable `code`. What is wrong with the \
content of a request is told all at once in `errors`: `pointer` is a JSON pointer into the body such as \
`/lines/0/product_id`, `?limit` for a query parameter, `header:Idempotency-Key` for a header. `retryable` says whether \
the same request may succeed later.";

/// The OpenAPI document of all routes that are part of the API.
#[must_use]
pub fn openapi() -> OpenApi {
    let (_, mut document) = App::new()
        .into_utoipa_app()
        .openapi(foundation())
        .configure(routes::register)
        .split_for_parts();
    if let Some(components) = document.components.as_mut() {
        complete_components(components);
    }
    for (path, item) in &mut document.paths.paths {
        for (_, operation) in operations(item) {
            complete(path, operation);
        }
    }
    document
}

/// The operations at a path.
pub(crate) fn operations(
    item: &mut PathItem,
) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Patch, &mut item.patch),
        (HttpMethod::Delete, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn foundation() -> OpenApi {
    let mut info = Info::new("Stampede", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    info.license = Some(License::new(env!("CARGO_PKG_LICENSE")));
    let tag = |(name, description): (&str, &str)| -> Tag {
        TagBuilder::new()
            .name(name)
            .description(Some(description))
            .build()
    };
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(TAGS.map(tag)))
        .build()
}

fn complete_components(components: &mut Components) {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The `access_token` of a login."))
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let cookie =
        ApiKeyValue::with_description("Authorization", "The cookie of a login of the old demo.");
    components.add_security_scheme(
        "legacy_cookie",
        SecurityScheme::ApiKey(ApiKey::Cookie(cookie)),
    );

    let mut schemas = vec![
        (ProblemBody::name().into_owned(), ProblemBody::schema()),
        (
            dto::legacy::Error::name().into_owned(),
            dto::legacy::Error::schema(),
        ),
    ];
    ProblemBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    for answer in COMMON {
        let response = RefOr::T(answer.response());
        components
            .responses
            .insert(answer.name.to_owned(), response);
    }
}

/// An answer that many operations have.
struct Common {
    name: &'static str,
    description: &'static str,
    /// The codes that it may have; the first is the example.
    codes: &'static [Code],
}

const BAD_REQUEST: Common = Common {
    name: "BadRequest",
    description: "`invalid_json`, `invalid_utf8`: the body is not JSON, or not UTF-8. `bad_request`: the request is \
                  malformed otherwise.",
    codes: &[Code::InvalidJson, Code::InvalidUtf8, Code::BadRequest],
};
const UNAUTHORIZED: Common = Common {
    name: "Unauthorized",
    description: "`unauthorized`: there is no access token, or none that is ours. `token_expired`: its time is over.",
    codes: &[Code::Unauthorized, Code::TokenExpired],
};
const FORBIDDEN: Common = Common {
    name: "Forbidden",
    description: "`forbidden`: this is for administrators.",
    codes: &[Code::Forbidden],
};
const NOT_FOUND: Common = Common {
    name: "NotFound",
    description: "`not_found`: there is no such thing, or not for this caller.",
    codes: &[Code::NotFound],
};
const REQUEST_TIMEOUT: Common = Common {
    name: "RequestTimeout",
    description: "`request_timeout`: the body took too long to arrive.",
    codes: &[Code::RequestTimeout],
};
const BODY_TOO_LARGE: Common = Common {
    name: "BodyTooLarge",
    description: "`body_too_large`: the body has more than 256 KiB.",
    codes: &[Code::BodyTooLarge],
};
const UNSUPPORTED_MEDIA_TYPE: Common = Common {
    name: "UnsupportedMediaType",
    description: "`unsupported_media_type`: the body is not declared to be `application/json`.",
    codes: &[Code::UnsupportedMediaType],
};
const INVALID: Common = Common {
    name: "Invalid",
    description: "`validation_failed`: the content is wrong, and `errors` says where, all of it at once. \
                  `idempotency_key_reused`: the key was used with another request.",
    codes: &[Code::ValidationFailed, Code::IdempotencyKeyReused],
};
const INTERNAL: Common = Common {
    name: "Internal",
    description: "`internal`: a fault of the program. Its log has more under the `trace_id`.",
    codes: &[Code::Internal],
};
const UNAVAILABLE: Common = Common {
    name: "Unavailable",
    description: "`unavailable`: not now. Try again after `Retry-After` seconds.",
    codes: &[Code::Unavailable],
};
const COMMON: [Common; 10] = [
    BAD_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN,
    NOT_FOUND,
    REQUEST_TIMEOUT,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID,
    INTERNAL,
    UNAVAILABLE,
];

impl Common {
    fn status(&self) -> StatusCode {
        self.codes
            .first()
            .map_or(StatusCode::INTERNAL_SERVER_ERROR, |code| code.status())
    }

    fn response(&self) -> Response {
        let mut content = Content::new(Some(Ref::from_schema_name(ProblemBody::name())));
        content.example = self.codes.first().map(|code| example(*code));
        ResponseBuilder::new()
            .description(self.description)
            .content(PROBLEM_JSON, content)
            .build()
    }
}

fn example(code: Code) -> serde_json::Value {
    let (detail, errors) = match code {
        Code::ValidationFailed => (
            "/lines/0/quantity: must be between 1 and 10000",
            json!([{
                "pointer": "/lines/0/quantity",
                "code": "out_of_range",
                "detail": "must be between 1 and 10000"
            }]),
        ),
        code => (code.title(), json!([])),
    };
    json!({
        "type": format!("urn:stampede:problem:{}", code.as_str()),
        "title": code.title(),
        "status": code.status().as_u16(),
        "code": code.as_str(),
        "detail": detail,
        "errors": errors,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "retryable": code.is_retryable()
    })
}

/// Adds the answers that follow from what an operation is.
fn complete(path: &str, operation: &mut Operation) {
    if routes::form_of(path) == Form::Legacy {
        return add_legacy_error(operation);
    }
    let has = |wanted: ParameterIn| {
        let parameters = operation.parameters.iter().flatten();
        parameters.into_iter().any(|parameter| match parameter {
            RefOr::T(parameter) => parameter.parameter_in == wanted,
            RefOr::Ref(_) => false,
        })
    };
    let has_body = operation.request_body.is_some();
    let is_served_by_shop = path.starts_with("/v1/");
    let answers = [
        (BAD_REQUEST, has_body),
        (UNAUTHORIZED, asks_for_token(operation)),
        (FORBIDDEN, asks_for_admin(operation)),
        (NOT_FOUND, has(ParameterIn::Path)),
        (REQUEST_TIMEOUT, has_body),
        (BODY_TOO_LARGE, has_body),
        (UNSUPPORTED_MEDIA_TYPE, has_body),
        (
            INVALID,
            has_body || has(ParameterIn::Query) || has(ParameterIn::Header),
        ),
        (INTERNAL, is_served_by_shop),
        (UNAVAILABLE, is_served_by_shop),
    ];
    for (answer, _) in answers.into_iter().filter(|(_, applies)| *applies) {
        let response = RefOr::Ref(Ref::from_response_name(answer.name));
        operation
            .responses
            .responses
            .entry(answer.status().as_str().to_owned())
            .or_insert(response);
    }
}

fn add_legacy_error(operation: &mut Operation) {
    operation.deprecated = Some(utoipa::openapi::Deprecated::True);
    let content = Content::new(Some(Ref::from_schema_name(dto::legacy::Error::name())));
    let response = ResponseBuilder::new()
        .description("Any error, with the HTTP status that it deserves.")
        .content("application/json", content)
        .build();
    operation
        .responses
        .responses
        .insert("default".to_owned(), RefOr::T(response));
}

/// Whether an operation asks who is there.
pub(crate) fn asks_for_token(operation: &Operation) -> bool {
    operation.security.iter().flatten().next().is_some()
}

/// Whether it is for administrators.
pub(crate) fn asks_for_admin(operation: &Operation) -> bool {
    let requirements = serde_json::to_value(&operation.security).unwrap_or_default();
    let requirements = requirements.as_array().into_iter().flatten();
    let mut schemes = requirements
        .filter_map(|requirement| requirement.as_object())
        .flatten();
    schemes.any(|(_, roles)| {
        roles
            .as_array()
            .is_some_and(|roles| roles.contains(&json!("admin")))
    })
}
