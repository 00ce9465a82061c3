//! Faults on demand, in builds made for tests of the running program. No part of the documented API.

use actix_web::{
    HttpResponse, delete, post,
    web::{Data, ServiceConfig},
};
use actors::Shop;

use crate::{dto::faults::NewFault, identity::Admin, input::Body};

pub(super) fn register(config: &mut ServiceConfig) {
    config.service(inject).service(clear);
}

#[post("/v1/system/faults")]
async fn inject(_: Admin, body: Body<NewFault>, shop: Data<Shop>) -> HttpResponse {
    let Body(NewFault(fault)) = body;
    shop.system.inject(fault).await;
    HttpResponse::NoContent().finish()
}

#[delete("/v1/system/faults")]
async fn clear(_: Admin, shop: Data<Shop>) -> HttpResponse {
    shop.system.clear_faults().await;
    HttpResponse::NoContent().finish()
}
