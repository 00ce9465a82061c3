//! Products and their stock.

use super::*;

#[test]
fn the_catalogue_is_read_by_anyone_and_changed_by_admins() {
    run(|node| async move {
        let customer = node.customer("ann").await;
        let refused = with_token(&customer, new_product("TEE", 5));
        let refused = node.products().create_product(refused).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        let ids = [
            node.product("TEE", 5).await,
            node.product("CUP", 5).await,
            node.product("HAT", 5).await,
        ];
        let taken = with_token(&node.admin, new_product("TEE", 5));
        let taken = node.products().create_product(taken).await.unwrap_err();
        assert_eq!(reason(&taken), "sku_taken");

        // Without a token, page by page.
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let request = v1::ListProductsRequest {
                page: Some(v1::PageRequest {
                    limit: Some(2),
                    cursor,
                }),
                query: None,
            };
            let page = node.products().list_products(request).await.unwrap();
            let page = page.into_inner();
            seen.extend(page.products.iter().map(|product| product.id));
            let info = page.page.unwrap();
            assert_eq!(info.has_more, info.next_cursor.is_some());
            cursor = info.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        seen.sort_unstable();
        let mut expected = ids.to_vec();
        expected.sort_unstable();
        assert_eq!(seen, expected);

        let gone = node
            .products()
            .get_product(v1::GetProductRequest { id: 0 })
            .await;
        assert_eq!(gone.unwrap_err().code(), Code::NotFound);
        node
    });
}

#[test]
fn stock_is_adjusted_once_per_key() {
    run(|node| async move {
        let id = node.product("TEE", 5).await;
        let adjust = |delta, key: Option<&str>| {
            let request = v1::AdjustStockRequest {
                id,
                delta,
                reason: "delivery".to_owned(),
                idempotency_key: key.map(str::to_owned),
            };
            let request = with_token(&node.admin, request);
            let mut products = node.products();
            async move { products.adjust_stock(request).await }
        };
        let first = adjust(3, Some("k")).await.unwrap().into_inner();
        let again = adjust(3, Some("k")).await.unwrap().into_inner();
        assert_eq!((first.replayed, again.replayed), (false, true));
        assert_eq!(again.product.unwrap().stock.unwrap().available, 8);
        let other = adjust(4, Some("k")).await.unwrap_err();
        assert_eq!(reason(&other), "idempotency_key_reused");
        let short = adjust(-9, None).await.unwrap_err();
        assert_eq!(
            (short.code(), reason(&short).as_str()),
            (Code::FailedPrecondition, "insufficient_stock")
        );
        let large = adjust(1_000_000_000, None).await.unwrap_err();
        assert_eq!(violations(&large)[0].0, "delta");
        node
    });
}
