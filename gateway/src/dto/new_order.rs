//! An order to be placed. Its route is the busiest, so a good body is read without a tree.

use std::{fmt, marker::PhantomData};

use domain::{
    ProductId, Quantity,
    orders::{LINES_MAX, RequestedLine},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use utoipa::ToSchema;

use crate::input::{Field, FromBody};

/// An order to be placed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewOrder {
    /// What is asked for.
    pub(crate) lines: Vec<RequestedLine>,
}

/// An order to be placed.
// As it is written: the body of the busiest route, which is read without a tree.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOrder, example = json!({"lines": [{"product_id": 4, "quantity": 2}]}))]
pub(crate) struct WrittenOrder {
    /// What is asked for. A product may be named twice.
    #[schema(value_type = Vec<WrittenLine>, min_items = 1, max_items = 100)]
    lines: Vec<OnlyMap<WrittenLine>>,
}

/// One line of an order to be placed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOrderLine)]
pub(crate) struct WrittenLine {
    /// Which product.
    #[schema(minimum = 1, maximum = 9007199254740991_u64)]
    product_id: u64,
    /// How many pieces.
    #[schema(minimum = 1, maximum = 10000)]
    quantity: u64,
}

impl WrittenLine {
    fn checked(&self) -> Option<RequestedLine> {
        Some(RequestedLine {
            product_id: ProductId::new(self.product_id)?,
            quantity: Quantity::new(self.quantity).ok()?,
        })
    }
}

/// A struct that is read from a JSON object only. Derived readers take arrays as well.
struct OnlyMap<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for OnlyMap<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMapVisitor<T>(PhantomData<T>);

        impl<'de, T: DeserializeOwned> Visitor<'de> for OnlyMapVisitor<T> {
            type Value = OnlyMap<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OnlyMap<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OnlyMap)
            }
        }

        deserializer.deserialize_map(OnlyMapVisitor(PhantomData))
    }
}

impl FromBody for NewOrder {
    fn read_fast(body: &[u8]) -> Option<Self> {
        let OnlyMap(written) = serde_json::from_slice::<OnlyMap<WrittenOrder>>(body).ok()?;
        if !(1..=LINES_MAX).contains(&written.lines.len()) {
            return None;
        }
        let lines = written.lines.iter().map(|OnlyMap(line)| line.checked());
        Some(Self {
            lines: lines.collect::<Option<_>>()?,
        })
    }

    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let lines = object.required("lines", |field| {
            let lines: Vec<_> = field.array(1..=LINES_MAX)?.into_iter().map(line).collect();
            lines.into_iter().collect::<Option<_>>()
        });
        object.close();
        Some(Self { lines: lines? })
    }
}

fn line(field: Field<'_>) -> Option<RequestedLine> {
    let mut object = field.object()?;
    let product_id = object.required("product_id", product_id);
    let quantity = object.required("quantity", quantity);
    object.close();
    Some(RequestedLine {
        product_id: product_id?,
        quantity: quantity?,
    })
}

/// The id of a product that may exist.
pub(super) fn product_id(field: Field<'_>) -> Option<ProductId> {
    let most = domain::ids::ID_BOUND.cast_signed() - 1;
    ProductId::new(field.integer(1..=most)?.unsigned_abs())
}

/// Pieces of one line.
pub(super) fn quantity(field: Field<'_>) -> Option<Quantity> {
    let pieces = field.integer(1..=Quantity::MAX.into())?;
    Quantity::new(pieces.unsigned_abs()).ok()
}
