//! The demo catalogue.

/// A demo product: SKU, name, description, price in cents of EUR, pieces.
pub(crate) type DemoProduct = (&'static str, &'static str, &'static str, i64, u64);

/// What the demo shop sells.
pub(crate) const PRODUCTS: [DemoProduct; 6] = [
    (
        "DROP-TEE-BLK",
        "Drop tee, black",
        "Heavy cotton, boxy cut. The one that sold out in four minutes.",
        3_500,
        1_000,
    ),
    (
        "DROP-HOOD-GRY",
        "Drop hoodie, grey",
        "Brushed fleece, double hood.",
        8_900,
        400,
    ),
    (
        "CAP-NAVY",
        "Cap, navy",
        "Six panels, brass buckle.",
        2_400,
        2_500,
    ),
    (
        "SNEAKER-01-42",
        "Sneaker 01, size 42",
        "Numbered pairs, one colour.",
        14_900,
        150,
    ),
    (
        "POSTER-A2",
        "Poster, A2",
        "Risograph, two colours.",
        1_800,
        500,
    ),
    (
        "SIGNED-PRINT",
        "Signed print",
        "There is exactly one.",
        25_000,
        1,
    ),
];
