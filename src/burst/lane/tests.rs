//! One thread before a shop that is made for the test.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant as StdInstant,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    api::{Address, Api},
    burst::{market::Market, plan::tests::plan},
    http_client::Place,
};

const CONFIRMED: &str = "201 Created\r\nContent-Length: ";

/// How the shop answers its nth request: after so long, with this status line and the head and body behind it.
type Answering = fn(u64) -> (Duration, &'static str);

/// A shop on a thread of its own; where it is.
fn shop(answering: Answering) -> String {
    let (started, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            started.send(listener.local_addr().unwrap()).unwrap();
            let answered = Rc::new(Cell::new(0));
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(serve(stream, answering, Rc::clone(&answered)));
            }
        });
    });
    format!("http://{}", address.recv().unwrap())
}

async fn serve(mut stream: TcpStream, answering: Answering, answered: Rc<Cell<u64>>) {
    let mut request = [0; 4096];
    while stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
        let number = answered.get();
        answered.set(number + 1);
        let (after, answer) = answering(number);
        sleep(after).await;
        let answer = if answer == CONFIRMED {
            let body = format!("{{\"id\":{number}}}");
            format!("HTTP/1.1 {CONFIRMED}{}\r\n\r\n{body}", body.len())
        } else {
            format!("HTTP/1.1 {answer}")
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// What one thread sees of such a shop.
fn part(flags: &str, answering: Answering) -> Part {
    let url = shop(answering);
    let address = Address::default();
    address.set(&url);
    let visitor = Api::visitor(address).unwrap();
    let plan = plan(flags).unwrap();
    let market = Market {
        admin: visitor.clone(),
        buyers: vec![visitor; usize::try_from(plan.users).unwrap()],
        products: (1..=u64::from(plan.products)).collect(),
        run: "test".to_owned(),
    };
    let load = Load::new(plan, Place::find(&url).unwrap(), market);
    run(&Arc::new(load), 0).unwrap()
}

/// Two hundred orders a second of a shop that answers at once, but for the 40th, which keeps the only connection half a
/// second: a hundred orders are due meanwhile. Whoever measured from sending would see one slow order of two hundred.
#[test]
fn a_shop_that_stands_still_is_seen_in_the_percentiles() {
    let flags = "--rate 200 --arrivals even --connections 1 --duration 1s --warm-up 0s";
    let part = part(flags, |number| match number {
        40 => (Duration::from_millis(500), CONFIRMED),
        _ => (Duration::ZERO, CONFIRMED),
    });
    let latency_us = part.measure.order_latency_us().unwrap();
    assert_eq!((latency_us.len(), part.measure.unsent), (200, 0));
    assert!(latency_us.value_at_quantile(0.75) > 100_000);
    assert!(latency_us.value_at_quantile(0.99) > 400_000);
    assert!(part.measure.lateness_us.max() > 400_000);
    assert_eq!(part.books.told.len(), 200);
}

#[test]
fn an_order_that_is_put_off_is_sent_again_in_a_closed_loop_only() {
    fn busy(number: u64) -> (Duration, &'static str) {
        match number % 2 {
            0 => (
                Duration::ZERO,
                "503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            ),
            _ => (Duration::ZERO, CONFIRMED),
        }
    }
    let once = "--scenario drop --attempts 4 --duration 20s --connections 1";
    let closed = part(once, busy);
    assert_eq!(closed.measure.count(None, Outcome::Refused), 4);
    assert_eq!(closed.measure.count(None, Outcome::Confirmed), 4);
    assert!(closed.books.in_doubt.is_empty(), "it has its key");
    let open = part(&format!("{once} --rate 100"), busy);
    assert_eq!(open.measure.count(None, Outcome::Refused), 2);
    assert_eq!(open.measure.count(None, Outcome::Confirmed), 2);
    assert_eq!(open.books.in_doubt.values().sum::<u64>(), 2);
    let without_keys = part(&format!("{once} --no-idempotency-key"), busy);
    assert_eq!(without_keys.books.in_doubt.values().sum::<u64>(), 4);
    assert!(closed.measure.errors.is_empty() && open.measure.errors.is_empty());
}

#[test]
fn a_sold_out_order_is_expected_with_and_without_an_id() {
    let part = part(
        "--scenario drop --attempts 4 --connections 2",
        |number| match number % 2 {
            0 => (
                Duration::ZERO,
                "409 Conflict\r\nContent-Length: 39\r\n\r\n{\"code\":\"out_of_stock\",\"order_id\":1234}",
            ),
            _ => (
                Duration::ZERO,
                "409 Conflict\r\nContent-Length: 23\r\n\r\n{\"code\":\"out_of_stock\"}",
            ),
        },
    );
    assert_eq!(part.measure.count(None, Outcome::SoldOut), 2);
    assert_eq!(part.measure.count(None, Outcome::SoldOutAtEdge), 2);
    assert_eq!(part.books.told.len(), 2);
    assert!(part.books.in_doubt.is_empty());
}

#[test]
fn an_answer_that_must_not_be_is_an_error_and_leaves_the_order_in_doubt() {
    static ANSWERS: AtomicU64 = AtomicU64::new(0);
    let begun = StdInstant::now();
    let part = part("--scenario drop --attempts 3 --connections 1", |number| {
        ANSWERS.fetch_add(1, Ordering::Relaxed);
        match number {
            0 => (
                Duration::ZERO,
                "500 Internal Server Error\r\nContent-Length: 19\r\n\r\n{\"code\":\"internal\"}",
            ),
            1 => (Duration::ZERO, "no HTTP at all\r\n\r\n"),
            _ => (Duration::ZERO, CONFIRMED),
        }
    });
    assert!(begun.elapsed() >= PAUSE_AFTER_FAILURE * 2);
    let errors: Vec<&str> = part.measure.errors.keys().map(String::as_str).collect();
    assert_eq!(
        errors,
        [
            "order: 500 internal",
            "order: no answer: not an answer of HTTP/1"
        ]
    );
    assert_eq!(part.measure.count(None, Outcome::Failed), 2);
    assert_eq!(part.measure.count(None, Outcome::Confirmed), 1);
    assert_eq!(part.books.in_doubt.values().sum::<u64>(), 2);
    assert_eq!(ANSWERS.load(Ordering::Relaxed), 3);
}
