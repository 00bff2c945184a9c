// SPDX-License-Identifier: GPL-2.0

//! A set of numbers, as ranges for fast lookup.

/// Inclusive ranges, sorted and disjoint. At most `N`.
pub(super) struct Ranges<T, const N: usize> {
    items: [(T, T); N],
    len: usize,
}

impl<T: Copy, const N: usize> Ranges<T, N> {
    /// Creates an empty set, in memory initialised with `zero`.
    pub(super) const fn empty(zero: T) -> Self {
        Self {
            items: [(zero, zero); N],
            len: 0,
        }
    }
}

impl<T: Copy + Ord, const N: usize> Ranges<T, N> {
    /// Adds a range, and merges those that it overlaps. `None` if there is no room.
    pub(super) fn insert(&mut self, first: T, last: T) -> Option<()> {
        let (mut first, mut last) = (first, last);
        let mut kept = 0;

        // Merged ranges are absorbed; the others move up.
        for index in 0..self.len {
            let range = *self.items.get(index)?;
            if range.0 <= last && first <= range.1 {
                first = first.min(range.0);
                last = last.max(range.1);
            } else {
                *self.items.get_mut(kept)? = range;
                kept += 1;
            }
        }
        // Insert it at its position, and move each one behind it up by one.
        let mut carried = (first, last);
        for (index, item) in self.items.get_mut(..=kept)?.iter_mut().enumerate() {
            if index == kept || carried < *item {
                core::mem::swap(item, &mut carried);
            }
        }
        self.len = kept + 1;
        Some(())
    }

    /// Returns whether `number` is in one of the ranges.
    #[inline]
    pub(super) fn contain(&self, number: T) -> bool {
        let before = self.iter().as_slice();
        let after = before.partition_point(|range| range.0 <= number);

        after
            .checked_sub(1)
            .and_then(|index| before.get(index))
            .is_some_and(|range| number <= range.1)
    }

    /// Returns an iterator over the ranges, in ascending order.
    pub(super) fn iter(&self) -> core::slice::Iter<'_, (T, T)> {
        self.items.get(..self.len).unwrap_or_default().iter()
    }
}
