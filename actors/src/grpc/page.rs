//! Pages of lists, and the cursors between them, which are those of HTTP.

use proto::v1;
use storage::Page;

use super::Violations;
use crate::edge::{
    LIMIT_DEFAULT, LIMIT_MAX,
    cursor::{self, Position},
    rules::{Flaw, FlawCode},
};

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageAsked<P> {
    /// Rows at most.
    pub(crate) limit: usize,
    /// Where the page before ended.
    pub(crate) position: Option<P>,
}

impl<P: Position> PageAsked<P> {
    /// From the `page` of a request.
    pub(crate) fn read(found: &mut Violations, page: Option<v1::PageRequest>) -> Option<Self> {
        let page = page.unwrap_or_default();
        let limit = found.optional("page.limit", page.limit, |limit| {
            match usize::try_from(limit) {
                Ok(limit @ 1..=LIMIT_MAX) => Ok(limit),
                _ => Err(Flaw::new(
                    FlawCode::OutOfRange,
                    format!("must be between 1 and {LIMIT_MAX}"),
                )),
            }
        });
        let position = found.optional("page.cursor", page.cursor, |text| {
            let detail = "must be the next_cursor of a page of this list; begin again without one";
            cursor::decode(&text).ok_or_else(|| Flaw::new(FlawCode::InvalidFormat, detail))
        });
        Some(Self {
            limit: limit?.unwrap_or(LIMIT_DEFAULT),
            position: position?,
        })
    }
}

/// What follows a page.
pub(crate) fn page_info<R, P: Position>(
    page: &Page<R>,
    position: impl FnOnce(&R) -> P,
) -> v1::PageInfo {
    let last = page.rows.last().filter(|_| page.has_more);
    let next_cursor = last.map(|row| cursor::encode(&position(row)));
    v1::PageInfo {
        has_more: next_cursor.is_some(),
        next_cursor,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        edge::cursor::{BeforeEntry, BeforeOrder},
        grpc::read,
    };

    fn ask(limit: Option<u32>, cursor: Option<String>) -> Option<PageAsked<BeforeEntry>> {
        let page = Some(v1::PageRequest { limit, cursor });
        read(|found| PageAsked::read(found, page)).ok()
    }

    #[test]
    fn a_page_goes_on_where_the_one_before_ended() {
        let page = Page {
            rows: vec![9_u64, 8],
            has_more: true,
        };
        let info = page_info(&page, |id| BeforeEntry(*id));
        assert!(info.has_more);
        let next = ask(Some(200), info.next_cursor).unwrap();
        assert_eq!((next.limit, next.position), (200, Some(BeforeEntry(8))));
        let first = read(|found| PageAsked::<BeforeEntry>::read(found, None)).unwrap();
        assert_eq!((first.limit, first.position), (LIMIT_DEFAULT, None));
    }

    #[test]
    fn a_wrong_limit_or_cursor_is_refused() {
        let of_another_list = cursor::encode(&BeforeOrder(domain::OrderId::new(7).unwrap()));
        for (limit, cursor) in [
            (Some(0), None),
            (Some(201), None),
            (None, Some(String::new())),
            (None, Some(of_another_list)),
        ] {
            assert_eq!(ask(limit, cursor.clone()), None, "{limit:?} {cursor:?}");
        }
    }
}
