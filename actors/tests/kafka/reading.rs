//! What the public topics remember.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use actors::transport::{
    Feed,
    kafka::{last_records, read_after},
};

use super::support::{LIFE, SOON, Shop, products};

#[actix::test]
async fn the_topics_know_how_far_a_journal_had_come() {
    let shop = Shop::new().await;
    let feed = shop.feed();
    let mut pen = shop.pen(products(0)).await;
    feed.opened(products(0), 0);
    pen.publish(&feed, 250, 0).await;
    assert!(feed.flush(SOON).await);

    let last = last_records(&shop.config, &[products(0), products(1)])
        .await
        .unwrap();
    assert_eq!(last, [(products(0), LIFE.to_owned(), 250)]);

    let read = Arc::new(Mutex::new(Vec::new()));
    let into = read.clone();
    read_after(&shop.config, products(0), 240, move |record| {
        into.lock().unwrap().push(record);
        ControlFlow::Continue(())
    })
    .await
    .unwrap();
    let read = read.lock().unwrap();
    let positions: Vec<u64> = read.iter().map(|record| record.address.position).collect();
    assert_eq!(positions, (241..=250).collect::<Vec<_>>());
    let content = read[0].content.clone().unwrap();
    assert_eq!(content.event_type, "stock.refused.v1");
    assert!(proto::decode(&content.event_type, &content.payload).is_ok());
}
