//! `stampede.v1.NotificationService`.

use domain::notifications::Notification;
use proto::v1::{self, notification_service_server::NotificationService};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    edge::{Refusal, cursor::BeforeNotification},
    grpc::{Caller, Edge, PageAsked, page_info, read},
};

/// The service.
pub(crate) struct NotificationGrpc(pub(crate) Edge);

#[async_trait]
impl NotificationService for NotificationGrpc {
    async fn list_notifications(
        &self,
        request: Request<v1::ListNotificationsRequest>,
    ) -> Result<Response<v1::ListNotificationsResponse>, Status> {
        let shop = &self.0.shop;
        let caller = Caller::of(request.metadata(), &shop.auth)?;
        let asked = read(|found| PageAsked::read(found, request.into_inner().page))?;
        let before = asked.position.map(|BeforeNotification(id)| id);
        let page = shop
            .notifications
            .list(caller.lists(), before, asked.limit)
            .await
            .map_err(Refusal::from)?;
        Ok(Response::new(v1::ListNotificationsResponse {
            page: Some(page_info(&page, |notification: &Notification| {
                BeforeNotification(notification.id.get())
            })),
            notifications: page.rows.iter().map(v1::Notification::from).collect(),
        }))
    }
}
