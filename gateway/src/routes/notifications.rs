//! What customers were told.

use actix_web::{HttpResponse, get, web::Data};
use actors::Shop;
use utoipa_actix_web::service_config::ServiceConfig;

use super::private;
use crate::{
    cursor::BeforeNotification,
    dto::{
        List,
        notifications::{Notification, NotificationList},
    },
    identity::User,
    input::Params,
    problem::{Problem, ProblemBody},
};

pub(super) fn register(config: &mut ServiceConfig<'_>) {
    config.service(list_notifications);
}

/// List notifications
///
/// What a customer was told; what everybody was told for an administrator.
#[utoipa::path(
    tag = "notifications",
    security(("bearer" = [])),
    params(NotificationList),
    responses(
        (status = 200, description = "A page of notifications, newest first.", body = List<Notification>),
        (status = 403, description = "`forbidden`: a customer asks for another user's.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[get("/v1/notifications")]
async fn list_notifications(
    user: User,
    params: Params<NotificationList>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let Params(params) = params;
    let whose = user.sees(params.user_id)?;
    let before = params.before.map(|BeforeNotification(id)| id);
    let page = shop.notifications.list(whose, before, params.limit).await?;
    let position = |notification: &domain::notifications::Notification| {
        BeforeNotification(notification.id.get())
    };
    Ok(private(&List::<Notification>::of(page, position)))
}
