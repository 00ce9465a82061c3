//! Histories as streams.

use super::*;

#[test]
fn a_history_is_watched_to_its_end() {
    run(|node| async move {
        let ann = node.customer("ann").await;
        let product = node.product("TEE", 1).await;
        let placed = node.order(&ann, new_order(product, 1, None)).await.unwrap();
        let id = placed.order.unwrap().id;
        let watch = v1::WatchOrderEventsRequest { id, after_seq: 1 };
        let stream = node
            .orders()
            .watch_order_events(with_token(&ann, watch))
            .await;
        let mut stream = stream.unwrap().into_inner();
        let confirmed = stream.next().await.unwrap().unwrap().event.unwrap();
        assert_eq!(
            (confirmed.seq, confirmed.r#type.as_str()),
            (2, "order.confirmed.v1")
        );
        let event = proto::decode(&confirmed.r#type, &confirmed.payload).unwrap();
        assert!(matches!(
            event,
            Event::Order(OrderEvent::OrderConfirmed { .. })
        ));

        // A confirmed order can still be cancelled, and then nothing more can come.
        let cancel = with_token(&ann, v1::CancelOrderRequest { id });
        let cancelled = node.orders().cancel_order(cancel).await.unwrap();
        let cancelled = cancelled.into_inner().order.unwrap();
        assert_eq!(cancelled.cancelled_by(), v1::CancelledBy::Customer);
        let last = stream.next().await.unwrap().unwrap().event.unwrap();
        assert_eq!((last.seq, last.r#type.as_str()), (3, "order.cancelled.v1"));
        assert!(stream.next().await.is_none(), "it ends without an error");

        let events = with_token(&ann, v1::ListOrderEventsRequest { id });
        let events = node.orders().list_order_events(events).await.unwrap();
        let seqs: Vec<_> = events.into_inner().events.iter().map(|e| e.seq).collect();
        assert_eq!(seqs, [1, 2, 3]);
        node
    });
}

#[test]
fn a_stream_ends_with_its_deadline_and_with_the_node() {
    run(|node| async move {
        let ann = node.customer("ann").await;
        let product = node.product("TEE", 1).await;
        let placed = node.order(&ann, new_order(product, 1, None)).await.unwrap();
        let id = placed.order.unwrap().id;
        let watch = v1::WatchOrderEventsRequest { id, after_seq: 2 };
        let mut request = with_token(&ann, watch);
        // By hand, so that only the server knows of it.
        let timeout = "300m".parse().unwrap();
        request.metadata_mut().insert("grpc-timeout", timeout);
        let stream = node.orders().watch_order_events(request).await.unwrap();
        let ended = stream.into_inner().next().await.unwrap().unwrap_err();
        assert_eq!(ended.code(), Code::DeadlineExceeded);

        let stream = node
            .orders()
            .watch_order_events(with_token(&ann, watch))
            .await;
        let mut stream = stream.unwrap().into_inner();
        node.running.announce_stop();
        let ended = stream.next().await.unwrap().unwrap_err();
        assert_eq!(ended.code(), Code::Unavailable);
        assert!(ended.get_details_retry_info().is_some());
        node
    });
}
