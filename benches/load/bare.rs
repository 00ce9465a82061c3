//! The bare endpoint: actix-web parses an order, and answers as much JSON as the real program, and that is all.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

/// The body of an order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderBody {
    lines: Vec<LineBody>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineBody {
    product_id: u64,
    quantity: u32,
}

/// The endpoint while it runs; dropping it stops it.
pub(crate) struct Endpoint {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Endpoint {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Starts the endpoint on threads of its own, as many workers as there are processors.
pub(crate) fn serve(sample_answer: &Value) -> anyhow::Result<Endpoint> {
    let sample = web::Data::new(sample_answer.clone());
    let (started, start) = mpsc::channel();
    let thread = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = move || {
                App::new()
                    .app_data(sample.clone())
                    .route("/v1/orders", web::post().to(answer))
            };
            let server = HttpServer::new(app)
                .disable_signals()
                .bind(("127.0.0.1", 0))?;
            let address = server.addrs()[0];
            let server = server.run();
            // Fails only when nobody waits for the start any more.
            let _ = started.send((address, server.handle()));
            server.await
        })
    });
    let (address, handle) = start.recv().context("the bare endpoint does not start")?;
    Ok(Endpoint {
        address,
        handle,
        thread: Some(thread),
    })
}

async fn answer(order: web::Json<OrderBody>, sample: web::Data<Value>) -> HttpResponse {
    let valid = order
        .lines
        .iter()
        .all(|line| line.product_id > 0 && line.quantity > 0);
    if valid {
        HttpResponse::Created().json(sample.get_ref())
    } else {
        HttpResponse::UnprocessableEntity().finish()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // The command is on its way with the call; the future only waits for the end, as the thread does.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
