use std::time::{Duration, Instant};
use actors::transport::Feed;
use super::support::*;

#[actix::test]
async fn adhoc_latency() {
    let shop = Shop::new().await;
    let (consumer, noted) = shop.orders_consumer();
    let feed = shop.feed();
    let mut pen = shop.pen(products(1)).await;
    feed.opened(products(1), 0);
    pen.publish(&feed, 1, 0).await;
    noted.until(orders(0), products(1), 1).await;
    let mut all = vec![];
    for n in 2..100u64 {
        let committed = pen.write(1, 0).await;
        let begun = Instant::now();
        feed.publish(products(1), committed);
        while !noted.positions(orders(0), products(1)).contains(&n) { tokio::time::sleep(Duration::from_micros(300)).await; }
        all.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    all.sort();
    eprintln!("latency p50 {:?} p90 {:?} max {:?}", all[all.len()/2], all[all.len()*9/10], all.last());
    let begun = Instant::now();
    for _ in 0..40 { pen.publish(&feed, 1000, 0).await; }
    eprintln!("written {:?}", begun.elapsed());
    assert!(feed.flush(SOON).await);
    eprintln!("40000 records flushed {:?}", begun.elapsed());
    eventually("x", || consumer.stats().delivered >= 40_099).await;
    eprintln!("delivered {:?}", begun.elapsed());
    consumer.stop(SOON).await;
}

fn signal(name: &str) {
    let pid = std::env::var("KT_PID").unwrap();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
}

#[actix::test]
async fn adhoc_stopped_broker() {
    let mut shop = Shop::new().await;
    let (consumer, noted) = shop.orders_consumer();
    let feed = shop.feed();
    let mut pen = shop.pen(products(0)).await;
    feed.opened(products(0), 0);
    pen.publish(&feed, 100, 0).await;
    noted.until(orders(0), products(0), 100).await;
    signal("-STOP");
    let begun = Instant::now();
    let assignment = consumer.assignment();
    for _ in 0..20 { pen.publish(&feed, 1000, 0).await; }
    eprintln!("20000 published in {:?} with the broker stopped", begun.elapsed());
    while assignment.borrow().is_member && begun.elapsed() < Duration::from_secs(40) { tokio::time::sleep(Duration::from_millis(100)).await; }
    eprintln!("no member after {:?}: {:?}", begun.elapsed(), *assignment.borrow());
    tokio::time::sleep(Duration::from_secs(3)).await;
    signal("-CONT");
    let begun = Instant::now();
    while !assignment.borrow().is_member && begun.elapsed() < Duration::from_secs(40) { tokio::time::sleep(Duration::from_millis(100)).await; }
    eprintln!("member again after {:?}: {:?}", begun.elapsed(), *assignment.borrow());
    let ok = feed.flush(SOON).await;
    eprintln!("flushed {ok} after {:?} {:?}", begun.elapsed(), feed.stats());
    let p = noted.until(orders(0), products(0), 20_100).await;
    eprintln!("all delivered after {:?}, {} records", begun.elapsed(), p.len());
    shop.config.producer.insert("message.timeout.ms".into(), "1000".into());
    feed.closed(products(0));
    let feed = shop.feed_with(shop.config.clone(), Default::default());
    feed.opened(products(0), pen.last);
    signal("-STOP");
    pen.publish(&feed, 500, 0).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    eprintln!("{:?}", feed.stats());
    signal("-CONT");
    eprintln!("flush {}", feed.flush(SOON).await);
    eprintln!("{:?}", feed.stats());
    noted.until(orders(0), products(0), pen.last).await;
    consumer.stop(SOON).await;
}
