//! Which of one list is which of another, by id.

use crate::policy::snapshot::Map;

/// So many records ahead are looked at for the place where two lists go on alike.
const AHEAD: usize = 4;

/// Each of `was` with its like in `is`, then what is left of either. An id stands once in a list.
///
/// Lists that are alike but for a few, in the same order, are walked side by side; what that does
/// not find is looked up.
pub(super) fn pairs<'a, W: Copy, I: Copy>(
    was: &[(&'a str, W)],
    is: &[(&'a str, I)],
    mut pair: impl FnMut(Option<W>, Option<I>),
) {
    let (mut lone_was, mut lone_is) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (was, is);
    while let (Some(((one, before), left_rest)), Some(((other, after), right_rest))) =
        (left.split_first(), right.split_first())
    {
        if one == other {
            pair(Some(*before), Some(*after));
            (left, right) = (left_rest, right_rest);
        } else if right_rest.iter().take(AHEAD).any(|(id, _)| id == one) {
            lone_is.push((*other, *after));
            right = right_rest;
        } else {
            lone_was.push((*one, *before));
            if !left_rest.iter().take(AHEAD).any(|(id, _)| id == other) {
                lone_is.push((*other, *after));
                right = right_rest;
            }
            left = left_rest;
        }
    }
    lone_was.extend(left);
    lone_is.extend(right);
    let mut by_id: Map<&str, I> = Map::default();
    by_id.extend(lone_is);
    for (id, before) in lone_was {
        pair(Some(before), by_id.remove(id));
    }
    by_id.into_values().for_each(|after| pair(None, Some(after)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_are_found_in_any_order(
            was in proptest::sample::subsequence((0..24_usize).collect::<Vec<_>>(), 0..24),
            is in proptest::sample::subsequence((0..24_usize).collect::<Vec<_>>(), 0..24)
                .prop_shuffle(),
        ) {
            let names: Vec<String> = (0..24).map(|n| n.to_string()).collect();
            let named = |list: &[usize]| -> Vec<(String, usize)> {
                list.iter().map(|n| (names[*n].clone(), *n)).collect()
            };
            let (old, new) = (named(&was), named(&is));
            let old: Vec<(&str, usize)> = old.iter().map(|(id, n)| (id.as_str(), *n)).collect();
            let new: Vec<(&str, usize)> = new.iter().map(|(id, n)| (id.as_str(), *n)).collect();
            let mut got = Vec::new();
            pairs(&old, &new, |before, after| got.push((before, after)));
            got.sort_unstable();
            let mut expected: Vec<_> = (0..24)
                .map(|n| (was.contains(&n).then_some(n), is.contains(&n).then_some(n)))
                .filter(|pair| *pair != (None, None))
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(got, expected);
        }
    }
}
