//! The filter of a search.

use mongodb::bson::{DateTime, Document, doc};

use crate::ActivityQuery;

/// What entries must be like to be listed.
pub(super) fn filter(query: &ActivityQuery) -> Document {
    let mut filter = doc! {};
    if let Some(level) = query.level {
        filter.insert("level", level.as_str());
    }
    if let Some(service) = &query.service {
        filter.insert("service", service);
    }
    if let Some(event_type) = &query.event_type {
        filter.insert("event_type", event_type);
    }
    if let Some(order) = query.order_id {
        filter.insert("order_id", order.get().cast_signed());
    }
    let mut time = doc! {};
    if let Some(since) = query.since {
        time.insert("$gte", DateTime::from_millis(since.as_millis()));
    }
    if let Some(until) = query.until {
        time.insert("$lt", DateTime::from_millis(until.as_millis()));
    }
    if !time.is_empty() {
        filter.insert("time", time);
    }
    if let Some(text) = &query.text {
        filter.insert("folded", doc! { "$regex": literal(&text.to_lowercase()) });
    }
    if let Some(before) = query.before {
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        filter.insert("id", doc! { "$lt": before });
    }
    filter
}

/// A regular expression that finds this text and nothing else.
fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        // No pattern can hold this one itself.
        if character == '\0' {
            escaped.push_str("\\x00");
            continue;
        }
        if character.is_ascii_punctuation() {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_as_it_is_written() {
        assert_eq!(literal("a.b (c)\0ü 1"), "a\\.b \\(c\\)\\x00ü 1");
    }
}
