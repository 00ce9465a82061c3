//! A map for ids that lie close together, as the ids of products and users do: a few bytes for each.
//!
//! A hash map of a million entries keeps room for two million, and for three while it grows.

use std::collections::BTreeMap;

/// Entries of one block.
const BLOCK: usize = 32;

type Block<T> = Box<[Option<T>; BLOCK]>;

/// A map from ids to values.
#[derive(Debug)]
pub(super) struct Dense<T> {
    blocks: BTreeMap<u64, Block<T>>,
    len: usize,
}

impl<T> Default for Dense<T> {
    fn default() -> Self {
        Self {
            blocks: BTreeMap::new(),
            len: 0,
        }
    }
}

impl<T> Dense<T> {
    /// The value of an id.
    pub(super) fn get(&self, id: u64) -> Option<&T> {
        let (block, index) = place(id);
        self.blocks.get(&block)?[index].as_ref()
    }

    /// Gives an id a value, and returns the one it had.
    pub(super) fn insert(&mut self, id: u64, value: T) -> Option<T> {
        let (block, index) = place(id);
        let block = self
            .blocks
            .entry(block)
            .or_insert_with(|| Box::new(std::array::from_fn(|_| None)));
        let before = block[index].replace(value);
        self.len += usize::from(before.is_none());
        before
    }

    /// The value of an id, to be changed.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let (block, index) = place(id);
        self.blocks.get_mut(&block)?[index].as_mut()
    }

    /// Every id that has a value, in order.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.blocks.iter().flat_map(|(&block, values)| {
            let with_value = values
                .iter()
                .enumerate()
                .filter(|(_, value)| value.is_some());
            with_value.map(move |(index, _)| block * BLOCK as u64 + index as u64)
        })
    }

    /// How many ids have a value.
    pub(super) const fn len(&self) -> usize {
        self.len
    }
}

impl Dense<u64> {
    /// Adds to the number of an id, which is zero at first.
    pub(super) fn add(&mut self, id: u64, number: u64) {
        let sum = self.get(id).copied().unwrap_or(0).saturating_add(number);
        self.insert(id, sum);
    }
}

fn place(id: u64) -> (u64, usize) {
    let index = id % BLOCK as u64;
    (id / BLOCK as u64, usize::try_from(index).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map() {
        let mut map = Dense::default();
        for id in [7, 8, 70_000, 0, u64::MAX] {
            assert_eq!(map.insert(id, id), None);
        }
        assert_eq!(map.insert(8, 80), Some(8));
        assert_eq!((map.get(8), map.get(9), map.len()), (Some(&80), None, 5));
        *map.get_mut(7).expect("it has a value") = 70;
        assert_eq!(map.ids().collect::<Vec<_>>(), [0, 7, 8, 70_000, u64::MAX]);
        map.add(1, 2);
        map.add(1, 3);
        assert_eq!(
            (map.get(1), map.get(7), map.len()),
            (Some(&5), Some(&70), 6)
        );
    }
}
