//! Several orders and their products, each a shard's own, who know of each other only what the events say.
//!
//! Every event is recorded in its shard's journal and put on the links to the shards that [`inbox_targets`] names. A
//! link is first in, first out; which link moves next is chance. Each record has its effect once: that is the engine's
//! work, and not looked at here.

use std::collections::{BTreeMap, VecDeque};

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{at, euro, line, product};
use crate::{
    Aggregate, Event, OrderId, ProductId, ShardRef, Topology, UserId,
    orders::{
        CancelledBy, LineOutcome, Order, OrderCommand, OrderEvent, OrderStatus, RequestedLine,
    },
    products::{Product, ProductCommand, ProductEvent},
    routing::inbox_targets,
    saga,
};

/// Products in the catalogue; orders may name one more, which does not exist.
const PRODUCTS: u64 = 4;

proptest! {
    #[test]
    fn nothing_is_oversold_and_nothing_stays_held(play in play()) {
        let mut shop = Shop::open(&play);
        for move_ in &play.moves {
            shop.make(move_);
            shop.check_counts()?;
        }
        while let Some(link) = shop.busy_links().first().copied() {
            shop.deliver(link);
            shop.check_counts()?;
        }
        shop.check_at_quiescence()?;
    }

    #[test]
    fn the_same_orders_end_alike_where_stock_is_plenty(play in play()) {
        // Nobody competes and nobody calls off: chance decides nothing.
        let plenty = Play { stocks: vec![1_000; play.stocks.len()], ..play };
        let mut shop = Shop::open(&plenty);
        for move_ in &plenty.moves {
            if !matches!(move_, Move::Cancel(_) | Move::Expire(_) | Move::Adjust(..)) {
                shop.make(move_);
            }
        }
        while let Some(link) = shop.busy_links().last().copied() {
            shop.deliver(link);
        }
        for order in shop.orders.values() {
            let all_exist = order.lines.iter().all(|line| line.product_id.get() <= PRODUCTS);
            let expected = if all_exist { OrderStatus::Confirmed } else { OrderStatus::Rejected };
            prop_assert_eq!(order.status, expected);
        }
    }
}

#[test]
fn two_lines_of_one_product_are_checked_as_one() {
    let play = Play {
        topology: Topology {
            orders: 1, // so that ids grow from order to order
            ..Topology::uniform(2)
        },
        stocks: vec![3, 4, 0, 0],
        carts: vec![
            vec![line(1, 2), line(1, 2)],
            vec![line(2, 2), line(2, 2)],
            vec![line(2, 1)],
        ],
        moves: Vec::new(),
    };
    let mut shop = Shop::open(&play);
    for _ in 0..play.carts.len() {
        shop.make(&Move::Place);
        while let Some(link) = shop.busy_links().first().copied() {
            shop.deliver(link);
        }
    }
    let statuses: Vec<OrderStatus> = shop.orders.values().map(|order| order.status).collect();
    assert_eq!(
        statuses,
        [
            OrderStatus::Rejected, // 2 pieces fit twice, 4 do not
            OrderStatus::Confirmed,
            OrderStatus::Rejected, // the last four are sold
        ]
    );
    assert_eq!(shop.products[&product(1)].stock.available, 3);
    assert_eq!(shop.products[&product(2)].stock.allocated, 4);
}

/// A shop, what customers want, and what happens.
#[derive(Clone, Debug)]
struct Play {
    topology: Topology,
    stocks: Vec<u64>,
    carts: Vec<Vec<RequestedLine>>,
    moves: Vec<Move>,
}

#[derive(Clone, Debug)]
enum Move {
    /// The next order is placed.
    Place,
    /// The oldest record of some link reaches its target.
    Deliver(Index),
    Cancel(Index),
    Expire(Index),
    /// Stock comes in or is taken out.
    Adjust(u64, i64),
}

type Link = (ShardRef, ShardRef);

/// A record on its way: which aggregate it is about, and what happened.
#[derive(Clone, Debug)]
enum Record {
    Order(OrderId, OrderEvent),
    Product(ProductEvent),
}

struct Shop {
    topology: Topology,
    orders: BTreeMap<OrderId, Order>,
    products: BTreeMap<ProductId, Product>,
    links: BTreeMap<Link, VecDeque<Record>>,
    /// Pieces that were put in, less those taken out.
    put_in: BTreeMap<ProductId, u64>,
    carts: VecDeque<Vec<RequestedLine>>,
    last_order: Option<OrderId>,
}

impl Shop {
    fn open(play: &Play) -> Self {
        let mut shop = Self {
            topology: play.topology,
            orders: BTreeMap::new(),
            products: BTreeMap::new(),
            links: BTreeMap::new(),
            put_in: BTreeMap::new(),
            carts: play.carts.clone().into(),
            last_order: None,
        };
        for (number, stock) in (1..).zip(&play.stocks) {
            shop.put_in.insert(product(number), *stock);
            shop.command_product(
                product(number),
                &ProductCommand::CreateProduct {
                    product_id: product(number),
                    sku: "TEE".parse().unwrap(),
                    name: "T-Shirt".into(),
                    description: "".into(),
                    price: euro(5),
                    stock: *stock,
                },
            );
        }
        shop
    }

    fn make(&mut self, move_: &Move) {
        match move_ {
            Move::Place => self.place(),
            Move::Deliver(which) => {
                let busy = self.busy_links();
                if !busy.is_empty() {
                    self.deliver(busy[which.index(busy.len())]);
                }
            }
            Move::Cancel(which) => {
                self.command_some_order(which, &OrderCommand::CancelOrder(CancelledBy::Customer));
            }
            Move::Expire(which) => self.command_some_order(which, &OrderCommand::ExpireOrder),
            Move::Adjust(number, delta) => self.adjust(product(*number), *delta),
        }
    }

    fn place(&mut self) {
        let Some(lines) = self.carts.pop_front() else {
            return;
        };
        let user_id = UserId::new(self.orders.len() as u64 + 1).unwrap();
        let shard = self.topology.order_shard(user_id);
        let order_id = OrderId::next(self.last_order, shard, at(1_750_000_000));
        self.last_order = Some(order_id);
        self.command_order(
            order_id,
            &OrderCommand::CreateOrder {
                order_id,
                user_id,
                lines,
                deadline: at(1_750_000_060),
                idempotency: None,
            },
        );
    }

    fn adjust(&mut self, id: ProductId, delta: i64) {
        let command = ProductCommand::AdjustStock {
            delta,
            reason: "counted".into(),
        };
        if self.command_product(id, &command) {
            let put_in = self.put_in.get_mut(&id).unwrap();
            *put_in = put_in.checked_add_signed(delta).unwrap();
        }
    }

    fn command_some_order(&mut self, which: &Index, command: &OrderCommand) {
        if !self.orders.is_empty() {
            let nth = which.index(self.orders.len());
            let id = *self.orders.keys().nth(nth).unwrap();
            self.command_order(id, command);
        }
    }

    fn command_order(&mut self, id: OrderId, command: &OrderCommand) {
        let state = self.orders.remove(&id);
        let events = Order::decide(state.as_ref(), command, at(0)).unwrap_or_default();
        if let Some(order) = Order::evolve_all(state, &events, at(0)) {
            self.orders.insert(id, order);
        }
        let source = self.topology.owner_of_order(id).unwrap();
        for event in events {
            self.send(source, &event.clone().into(), Record::Order(id, event));
        }
    }

    /// Whether the product took the command.
    fn command_product(&mut self, id: ProductId, command: &ProductCommand) -> bool {
        let state = self.products.remove(&id);
        let decided = Product::decide(state.as_ref(), command, at(0));
        let is_taken = decided.is_ok();
        let events = decided.unwrap_or_default();
        if let Some(product) = Product::evolve_all(state, &events, at(0)) {
            self.products.insert(id, product);
        }
        let source = self.topology.owner_of_product(id);
        for event in events {
            self.send(source, &event.clone().into(), Record::Product(event));
        }
        is_taken
    }

    fn send(&mut self, source: ShardRef, event: &Event, record: Record) {
        for target in inbox_targets(event, &self.topology) {
            self.links
                .entry((source, target))
                .or_default()
                .push_back(record.clone());
        }
    }

    fn busy_links(&self) -> Vec<Link> {
        self.links
            .iter()
            .filter(|(_, records)| !records.is_empty())
            .map(|(link, _)| *link)
            .collect()
    }

    fn deliver(&mut self, link: Link) {
        let record = self.links.get_mut(&link).unwrap().pop_front().unwrap();
        match record {
            Record::Order(id, event) => {
                for (product, command) in saga::requests(id, &event) {
                    if self.topology.owner_of_product(product) == link.1 {
                        let is_taken = self.command_product(product, &command);
                        assert!(is_taken, "{command:?} of {product}");
                    }
                }
            }
            Record::Product(event) => {
                let (id, answer) = saga::answer(&event).unwrap();
                assert_eq!(self.topology.owner_of_order(id), Some(link.1));
                self.command_order(id, &OrderCommand::RecordAnswer(answer));
            }
        }
    }

    /// I1, at every moment: what is allocated is held by an order, or on its way to one, or on its way back.
    fn check_counts(&self) -> Result<(), TestCaseError> {
        for (id, product) in &self.products {
            let stock = product.stock;
            prop_assert_eq!(stock.available + stock.allocated, self.put_in[id]);
            let held: u64 = self.orders.values().map(|order| order.held(*id)).sum();
            let on_their_way: u64 = self
                .links
                .iter()
                .flat_map(|(link, records)| records.iter().map(move |record| (link, record)))
                .map(|(link, record)| self.pieces_moving(*link, record, *id))
                .sum();
            prop_assert_eq!(stock.allocated, held + on_their_way, "product {}", id);
        }
        Ok(())
    }

    /// Pieces of a product that a record on a link is about to hand over.
    fn pieces_moving(&self, link: Link, record: &Record, id: ProductId) -> u64 {
        match record {
            Record::Product(event) => match event {
                ProductEvent::StockReserved {
                    product_id,
                    quantity,
                    ..
                } if *product_id == id => *quantity,
                _ => 0,
            },
            Record::Order(..) if self.topology.owner_of_product(id) != link.1 => 0,
            Record::Order(_, event) => saga::releases(event)
                .iter()
                .filter(|release| release.product_id == id)
                .map(|release| release.quantity)
                .sum(),
        }
    }

    /// I1, I2 and I3, once nothing is on its way.
    fn check_at_quiescence(&self) -> Result<(), TestCaseError> {
        for order in self.orders.values() {
            prop_assert!(order.status.is_settled(), "{:?}", order);
            if order.status == OrderStatus::Confirmed {
                for line in &order.lines {
                    prop_assert!(
                        matches!(line.outcome, LineOutcome::Reserved { .. }),
                        "{:?}",
                        order
                    );
                }
            }
        }
        for (id, product) in &self.products {
            let sold: u64 = self
                .orders
                .values()
                .filter(|order| order.status == OrderStatus::Confirmed)
                .map(|order| order.asked(*id))
                .sum();
            prop_assert_eq!(product.stock.allocated, sold, "product {}", id);
        }
        Ok(())
    }
}

fn play() -> BoxedStrategy<Play> {
    let cart = vec(
        (1..=PRODUCTS + 1, 1..=4_u64).prop_map(|(number, pieces)| {
            // The product that does not exist is asked for seldom.
            let number = if number > PRODUCTS && pieces < 4 {
                1
            } else {
                number
            };
            line(number, pieces)
        }),
        1..=4,
    );
    let move_ = prop_oneof![
        6 => Just(Move::Place),
        12 => any::<Index>().prop_map(Move::Deliver),
        2 => any::<Index>().prop_map(Move::Cancel),
        1 => any::<Index>().prop_map(Move::Expire),
        1 => (1..=PRODUCTS, -6..=6_i64).prop_map(|(number, delta)| Move::Adjust(number, delta)),
    ];
    (
        (1..=3_u16, 1..=3_u16),
        vec(0..=12_u64, usize::try_from(PRODUCTS).unwrap()),
        vec(cart, 1..=8),
        vec(move_, 0..60),
    )
        .prop_map(|((orders, products), stocks, carts, moves)| Play {
            topology: Topology {
                orders,
                products,
                ..Topology::uniform(1)
            },
            stocks,
            carts,
            moves,
        })
        .boxed()
}
