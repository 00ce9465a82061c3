//! What the crowd was told, order by order, to be held against what the shop says in the end.

use std::collections::{BTreeMap, BTreeSet};

use super::api::Answer;

/// Contradictions that are kept word by word.
const EXAMPLES_MAX: usize = 20;

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By the number of the order, which is also its idempotency key.
    pub(super) told: BTreeMap<usize, Told>,
    /// How often which answer was given, by status and code.
    pub(super) answers: BTreeMap<String, u64>,
    /// Orders of which some attempt got no answer, so that nobody knows what became of it.
    pub(super) unsure: BTreeSet<usize>,
    /// Orders that were never answered.
    pub(super) unanswered: Vec<usize>,
    /// Where the shop contradicted itself, or answered what it must not.
    pub(super) contradictions: u64,
    pub(super) examples: Vec<String>,
    /// Pieces put into stock after the start, by product.
    pub(super) restocked: BTreeMap<u64, u64>,
}

/// What was told of an order at last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    /// Its id, where it was named.
    pub(super) id: Option<u64>,
    pub(super) outcome: Outcome,
    /// Whether its cancellation was confirmed.
    pub(super) is_cancelled: bool,
}

/// How an order was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// 201.
    Confirmed,
    /// 202.
    Accepted,
    /// Refused for good, with this code; there is an order that says so.
    Refused(String),
    /// Refused without an order, because something was known to be sold out.
    SoldOut,
}

impl Ledger {
    /// An attempt at an order got no answer.
    pub(super) fn unanswered(&mut self, number: usize) {
        self.unsure.insert(number);
        self.count("no answer");
    }

    /// Counts an answer that is no answer.
    pub(super) fn count(&mut self, what: &str) {
        *self.answers.entry(what.to_owned()).or_default() += 1;
    }

    /// The shop must not have said this.
    pub(super) fn contradicted(&mut self, what: String) {
        self.contradictions += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(what);
        }
    }

    /// Writes down how an order was answered; `None` if it has to be asked again.
    pub(super) fn record(&mut self, number: usize, answer: &Answer) -> Option<Outcome> {
        let code = answer.code();
        let what = match answer.status {
            201 | 202 => answer.status.to_string(),
            status => format!("{status} {code}"),
        };
        self.count(&what);
        let (id, outcome) = match answer.status {
            201 => (answer.body["id"].as_u64(), Outcome::Confirmed),
            202 => (answer.body["id"].as_u64(), Outcome::Accepted),
            409 => match answer.body["order_id"].as_u64() {
                None if code == "out_of_stock" => (None, Outcome::SoldOut),
                id => (id, Outcome::Refused(code)),
            },
            401 => return None,
            _ if answer.is_for_now() => {
                self.unsure.insert(number);
                return None;
            }
            _ => {
                self.contradicted(format!("order {number} was answered {}", answer.told()));
                return None;
            }
        };
        let is_accepted = matches!(outcome, Outcome::Confirmed | Outcome::Accepted);
        if id.is_none() && is_accepted {
            self.contradicted(format!("order {number} was accepted without an id"));
        }
        let told = Told {
            id,
            outcome: outcome.clone(),
            is_cancelled: false,
        };
        self.note(number, told);
        Some(outcome)
    }

    fn note(&mut self, number: usize, told: Told) {
        let Some(before) = self.told.get(&number).cloned() else {
            self.told.insert(number, told);
            return;
        };
        if let (Some(one), Some(other)) = (before.id, told.id)
            && one != other
        {
            self.contradicted(format!(
                "order {number} was given the ids {one} and {other}"
            ));
        }
        let may_follow = match before.outcome {
            // It is settled later. Its key gives the order again, however little is left.
            Outcome::Accepted => told.outcome != Outcome::SoldOut,
            // There was no order, and the key stayed free.
            Outcome::SoldOut => true,
            Outcome::Confirmed | Outcome::Refused(_) => false,
        };
        let is_the_same = before.outcome == told.outcome || may_follow;
        if !is_the_same {
            let (before, now) = (&before.outcome, &told.outcome);
            self.contradicted(format!("order {number} was {before:?} and then {now:?}"));
        }
        let told = Told {
            is_cancelled: before.is_cancelled,
            id: before.id.or(told.id),
            ..told
        };
        self.told.insert(number, told);
    }

    /// Writes down that an order is cancelled.
    pub(super) fn cancelled(&mut self, number: usize) {
        if let Some(told) = self.told.get_mut(&number) {
            told.is_cancelled = true;
        }
    }

    /// Writes down that pieces have been put into stock.
    pub(super) fn restocked(&mut self, product_id: u64, pieces: u64) {
        *self.restocked.entry(product_id).or_default() += pieces;
    }

    /// How many orders were answered 201 or 202.
    pub(super) fn accepted(&self) -> usize {
        let told = self.told.values();
        told.filter(|told| matches!(told.outcome, Outcome::Confirmed | Outcome::Accepted))
            .count()
    }

    /// How many were answered for good.
    pub(super) fn answered(&self) -> usize {
        self.told.len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status, body }
    }

    #[test]
    fn an_order_may_be_answered_later_but_not_otherwise() {
        let mut ledger = Ledger::default();
        assert_eq!(
            ledger.record(1, &answer(503, json!({"code": "unavailable"}))),
            None
        );
        let accepted = answer(202, json!({"id": 7}));
        assert_eq!(ledger.record(1, &accepted), Some(Outcome::Accepted));
        let confirmed = answer(201, json!({"id": 7}));
        assert_eq!(ledger.record(1, &confirmed), Some(Outcome::Confirmed));
        assert_eq!((ledger.contradictions, ledger.accepted()), (0, 1));
        let refused = answer(409, json!({"code": "out_of_stock", "order_id": 8}));
        ledger.record(1, &refused);
        assert_eq!(ledger.contradictions, 2, "{:?}", ledger.examples);
        assert_eq!(ledger.answers["503 unavailable"], 1);
    }

    #[test]
    fn what_was_accepted_is_not_sold_out_to_who_asks_again() {
        let mut ledger = Ledger::default();
        let sold_out = answer(409, json!({"code": "out_of_stock", "lines": []}));
        assert_eq!(ledger.record(1, &sold_out), Some(Outcome::SoldOut));
        assert_eq!((ledger.contradictions, ledger.accepted()), (0, 0));
        ledger.record(2, &answer(202, json!({"id": 7})));
        ledger.record(2, &sold_out);
        assert_eq!(ledger.contradictions, 1, "{:?}", ledger.examples);
        // Whoever was told so and asks again may be luckier.
        ledger.record(1, &answer(201, json!({"id": 8})));
        assert_eq!(ledger.contradictions, 1, "{:?}", ledger.examples);
    }

    #[test]
    fn an_answer_that_blames_the_program_is_a_contradiction() {
        let mut ledger = Ledger::default();
        let internal = answer(500, json!({"code": "internal"}));
        assert_eq!(ledger.record(1, &internal), None);
        ledger.record(2, &answer(201, json!({})));
        assert_eq!(ledger.contradictions, 2);
    }
}
