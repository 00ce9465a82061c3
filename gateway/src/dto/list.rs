//! Pages of lists.

use serde::Serialize;
use storage::Page;
use utoipa::ToSchema;

use crate::cursor::{self, Position};

/// A page of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The items.
    pub(crate) data: Vec<T>,
    /// Whether there are more.
    pub(crate) has_more: bool,
    /// Give it as `cursor` to get the next page; null on the last page.
    #[schema(example = "AQKAhB8", required)]
    pub(crate) next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A page, and the position after it.
    pub(crate) fn of<R, P>(page: Page<R>, position: impl FnOnce(&R) -> P) -> Self
    where
        T: From<R>,
        P: Position,
    {
        let last = page.rows.last().filter(|_| page.has_more);
        let next_cursor = last.map(|row| cursor::encode(&position(row)));
        Self {
            data: page.rows.into_iter().map(T::from).collect(),
            has_more: next_cursor.is_some(),
            next_cursor,
        }
    }

    /// Everything there is, in one page.
    pub(crate) fn whole(data: Vec<T>) -> Self {
        Self {
            data,
            has_more: false,
            next_cursor: None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::cursor::BeforeEntry;

    #[test]
    fn only_a_page_that_has_a_next_one_has_a_cursor() {
        let page = |rows: Vec<u64>, has_more| {
            List::<u64>::of(Page { rows, has_more }, |id| BeforeEntry(*id))
        };
        let first = page(vec![9, 8], true);
        let cursor = first.next_cursor.unwrap();
        assert_eq!(cursor::decode(&cursor), Some(BeforeEntry(8)));
        assert!(first.has_more);
        for last in [
            page(vec![7], false),
            page(vec![], false),
            page(vec![], true),
        ] {
            assert_eq!((last.has_more, last.next_cursor), (false, None));
        }
    }
}
