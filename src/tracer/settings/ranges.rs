// SPDX-License-Identifier: GPL-2.0

//! A set of numbers, as ranges that are looked up quickly.

/// Ranges with both ends included, sorted, none touching another. At most `N`.
pub(super) struct Ranges<T, const N: usize> {
    items: [(T, T); N],
    len: usize,
}

impl<T: Copy, const N: usize> Ranges<T, N> {
    /// No range, with memory that holds `zero` until it is used.
    pub(super) const fn empty(zero: T) -> Self {
        Self {
            items: [(zero, zero); N],
            len: 0,
        }
    }
}

impl<T: Copy + Ord, const N: usize> Ranges<T, N> {
    /// Adds a range, and merges those that it meets. `None` if there is no room.
    pub(super) fn insert(&mut self, first: T, last: T) -> Option<()> {
        let (mut first, mut last) = (first, last);
        let mut kept = 0;

        // What it meets goes into it; the others move up.
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
        // It goes in where it belongs, and each one behind it a place further.
        let mut carried = (first, last);
        for (index, item) in self.items.get_mut(..=kept)?.iter_mut().enumerate() {
            if index == kept || carried < *item {
                core::mem::swap(item, &mut carried);
            }
        }
        self.len = kept + 1;
        Some(())
    }

    /// Whether `number` is in one of the ranges.
    #[inline]
    pub(super) fn contain(&self, number: T) -> bool {
        let before = self.iter().as_slice();
        let after = before.partition_point(|range| range.0 <= number);

        after
            .checked_sub(1)
            .and_then(|index| before.get(index))
            .is_some_and(|range| number <= range.1)
    }

    pub(super) fn iter(&self) -> core::slice::Iter<'_, (T, T)> {
        self.items.get(..self.len).unwrap_or_default().iter()
    }
}
