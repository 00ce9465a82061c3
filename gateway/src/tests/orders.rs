//! The body of an order: read fast where it is good, and told in full what is wrong where it is not.

use proptest::{prelude::*, sample::select};
use serde_json::json;

use crate::{
    dto::new_order::NewOrder,
    input::{Field, FromBody, body::parse},
    problem::Fault,
};

/// The same body, never read the fast way.
#[derive(Debug, PartialEq)]
struct Slow(NewOrder);

impl FromBody for Slow {
    fn read(body: Field<'_>) -> Option<Self> {
        NewOrder::read(body).map(Self)
    }
}

/// The places and codes of what is wrong with a body.
fn faults(body: &str) -> Vec<(String, String)> {
    let problem = parse::<NewOrder>(body.as_bytes()).unwrap_err();
    let code = |fault: &Fault| {
        serde_json::to_value(fault.code)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    };
    problem
        .faults()
        .iter()
        .map(|fault| (fault.pointer.clone(), code(fault)))
        .collect()
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let line = |fields: &str| format!(r#"{{"lines":[{{{fields}}}]}}"#);
    for (body, expected) in [
        ("null".to_owned(), vec![("", "wrong_type")]),
        ("[[[4,2]]]".to_owned(), vec![("", "wrong_type")]),
        ("{}".to_owned(), vec![("/lines", "required")]),
        (
            r#"{"lines":null}"#.to_owned(),
            vec![("/lines", "wrong_type")],
        ),
        (
            r#"{"lines":[]}"#.to_owned(),
            vec![("/lines", "out_of_range")],
        ),
        (
            r#"{"lines":[[4,2]]}"#.to_owned(),
            vec![("/lines/0", "wrong_type")],
        ),
        (
            r#"{"lines":[],"payment":"card"}"#.to_owned(),
            vec![("/lines", "out_of_range"), ("/payment", "unknown_field")],
        ),
        (
            line(""),
            vec![
                ("/lines/0/product_id", "required"),
                ("/lines/0/quantity", "required"),
            ],
        ),
        (
            line(r#""product_id":4,"quantity":0"#),
            vec![("/lines/0/quantity", "out_of_range")],
        ),
        (
            line(r#""product_id":4,"quantity":-1"#),
            vec![("/lines/0/quantity", "out_of_range")],
        ),
        (
            line(r#""product_id":4,"quantity":10001"#),
            vec![("/lines/0/quantity", "out_of_range")],
        ),
        (
            line(r#""product_id":4,"quantity":1.0"#),
            vec![("/lines/0/quantity", "wrong_type")],
        ),
        (
            line(r#""product_id":4,"quantity":1e3"#),
            vec![("/lines/0/quantity", "wrong_type")],
        ),
        (
            line(r#""product_id":4,"quantity":"2""#),
            vec![("/lines/0/quantity", "wrong_type")],
        ),
        (
            line(r#""product_id":4,"quantity":true"#),
            vec![("/lines/0/quantity", "wrong_type")],
        ),
        (
            line(r#""product_id":0,"quantity":2"#),
            vec![("/lines/0/product_id", "out_of_range")],
        ),
        (
            line(r#""product_id":9007199254740992,"quantity":2"#),
            vec![("/lines/0/product_id", "out_of_range")],
        ),
        (
            line(r#""product_id":18446744073709551616,"quantity":2"#),
            vec![("/lines/0/product_id", "out_of_range")],
        ),
        (
            line(r#""product_id":null,"quantity":null"#),
            vec![
                ("/lines/0/product_id", "wrong_type"),
                ("/lines/0/quantity", "wrong_type"),
            ],
        ),
        (
            line(r#""product_id":4,"quantity":2,"price":1"#),
            vec![("/lines/0/price", "unknown_field")],
        ),
        (
            line(r#""product_id":4,"product_id":5,"quantity":2"#),
            vec![("/lines/0/product_id", "duplicate")],
        ),
        (
            r#"{"lines":[],"lines":[]}"#.to_owned(),
            vec![("/lines", "out_of_range"), ("/lines", "duplicate")],
        ),
    ] {
        let found = faults(&body);
        let found: Vec<_> = found
            .iter()
            .map(|(place, code)| (place.as_str(), code.as_str()))
            .collect();
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn an_order_has_at_most_a_hundred_lines() {
    let order = |lines| {
        json!({"lines": vec![json!({"product_id": 4, "quantity": 10_000}); lines]}).to_string()
    };
    assert_eq!(
        parse::<NewOrder>(order(100).as_bytes())
            .unwrap()
            .lines
            .len(),
        100
    );
    assert_eq!(
        faults(&order(101)),
        [("/lines".to_owned(), "out_of_range".to_owned())]
    );
}

#[test]
fn all_lines_are_looked_at() {
    let body = json!({"lines": [
        {"product_id": 4, "quantity": 0},
        {"product_id": 4, "quantity": 1},
        {"product_id": "4", "quantity": 1},
    ]});
    let found: Vec<_> = faults(&body.to_string())
        .into_iter()
        .map(|(place, _)| place)
        .collect();
    assert_eq!(found, ["/lines/0/quantity", "/lines/2/product_id"]);
}

/// Bodies that are nearly orders.
fn nearly_an_order() -> impl Strategy<Value = String> {
    let number = select(vec![
        "1",
        "4",
        "0",
        "-1",
        "1.0",
        "1e2",
        "10000",
        "10001",
        "9007199254740991",
        "9007199254740992",
        "\"1\"",
        "null",
        "[1]",
    ]);
    let name = select(vec!["product_id", "quantity", "\\u0071uantity", "price"]);
    let field = (name, number).prop_map(|(name, value)| format!(r#""{name}":{value}"#));
    let line = prop_oneof![
        8 => prop::collection::vec(field, 0..4).prop_map(|fields| format!("{{{}}}", fields.join(" , "))),
        4 => Just(r#"{"quantity":2,"product_id":4}"#.to_owned()),
        1 => select(vec!["[4,2]", "4", "null"]).prop_map(str::to_owned),
    ];
    let lines =
        prop::collection::vec(line, 0..4).prop_map(|lines| format!("[{}]", lines.join(",")));
    let frame = select(vec![
        r#"{"lines":@}"#,
        r#" { "lines" : @ } "#,
        "[@]",
        "@",
        r#"{"lines":@,"lines":@}"#,
        r#"{"lines":@,"x":1}"#,
        r#"{"lines":@}x"#,
        r#"{"lines":@"#,
    ]);
    (frame, lines).prop_map(|(frame, lines)| frame.replace('@', &lines))
}

proptest! {
    #[test]
    fn both_ways_of_reading_an_order_agree(body in nearly_an_order()) {
        let fast = parse::<NewOrder>(body.as_bytes());
        let slow = parse::<Slow>(body.as_bytes());
        match (fast, slow) {
            (Ok(fast), Ok(Slow(slow))) => {
                prop_assert_eq!(&fast, &slow);
                prop_assert_eq!(NewOrder::read_fast(body.as_bytes()), Some(slow));
            }
            (fast, slow) => prop_assert!(fast.is_err() && slow.is_err(), "{}", body),
        }
    }
}
