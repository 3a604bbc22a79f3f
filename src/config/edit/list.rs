//! Items between brackets or braces: one put behind the others, or one taken out.

use std::ops::Range;

use super::layout::{Layout, Splice};

/// `[…]` or `{…}` with the spans of its items, in order.
pub(super) struct List {
    pub(super) whole: Range<usize>,
    pub(super) items: Vec<Range<usize>>,
}

impl List {
    /// Puts `new` behind the others: on a line of its own where the last one has that.
    pub(super) fn add(&self, new: &str, layout: &Layout<'_>) -> Vec<Splice> {
        let inside = self.whole.start + 1..self.whole.end.saturating_sub(1);
        let newline = layout.newline();
        let Some(last) = self.items.last() else {
            let braces = layout.slice(self.whole.clone()).starts_with('{');
            return match layout.is_blank(inside.clone()) {
                true if braces => vec![(inside, format!(" {new} "))],
                true => vec![(inside, new.to_owned())],
                // A comment stands in it, which may end only with its line.
                false => vec![(inside.end..inside.end, format!("{newline}  {new}{newline}"))],
            };
        };
        let comma = comma_after(layout, last.end, inside.end);
        let behind = comma.map_or(last.end, |comma| comma + 1);
        let start = layout.line_start(last.start);
        let indent = start..last.start;
        if start <= self.whole.start || !layout.is_blank(indent.clone()) {
            let text = if comma.is_some() { format!(" {new},") } else { format!(", {new}") };
            return vec![(behind..behind, text)];
        }
        let indent = layout.slice(indent);
        let end = layout.line_end(behind);
        match comma {
            _ if end >= self.whole.end => {
                let text = if comma.is_some() { "" } else { "," };
                vec![(behind..behind, format!("{text}{newline}{indent}{new}"))]
            }
            Some(_) => vec![(end..end, format!("{indent}{new},{newline}"))],
            None => vec![
                (behind..behind, ",".to_owned()),
                (end..end, format!("{indent}{new}{newline}")),
            ],
        }
    }

    /// Takes out the item at `index`, with its line where it is alone on it.
    pub(super) fn remove(&self, index: usize, layout: &Layout<'_>) -> Vec<Splice> {
        let Some(item) = self.items.get(index) else { return Vec::new() };
        let before = index.checked_sub(1).and_then(|before| self.items.get(before));
        let next = self.items.get(index + 1);
        let until = next.map_or(self.whole.end.saturating_sub(1), |next| next.start);
        let comma = comma_after(layout, item.end, until);
        let behind = comma.map_or(item.end, |comma| comma + 1);
        let (start, end) = (layout.line_start(item.start), layout.line_end(behind));
        let nothing = String::new();
        let rest = layout.slice(behind..end).trim();
        let alone = start > self.whole.start
            && layout.is_blank(start..item.start)
            && (rest.is_empty() || rest.starts_with('#'))
            && end < self.whole.end;
        if alone {
            let mut splices = vec![(start..end, nothing.clone())];
            if let (None, Some(before)) = (comma, before)
                && let Some(comma) = comma_after(layout, before.end, item.start)
            {
                splices.push((comma..comma + 1, nothing));
            }
            return splices;
        }
        let on_one_line = |range: &Range<usize>| !layout.slice(range.clone()).contains('\n');
        let from_before = before.map(|before| before.end..item.end).filter(on_one_line);
        let to_next = next.map(|next| item.start..next.start).filter(on_one_line);
        let range = match (from_before, to_next) {
            (Some(range), _) | (None, Some(range)) => range,
            (None, None) => item.start..behind,
        };
        match self.items.len() {
            1 if layout.is_blank(self.whole.start + 1..item.start)
                && layout.is_blank(behind..self.whole.end.saturating_sub(1)) =>
            {
                vec![(self.whole.start + 1..self.whole.end.saturating_sub(1), nothing)]
            }
            _ => vec![(range, nothing)],
        }
    }
}

/// Where the comma behind an item is: only blanks, lines and comments may be between.
fn comma_after(layout: &Layout<'_>, from: usize, until: usize) -> Option<usize> {
    let mut in_comment = false;
    for (offset, character) in layout.slice(from..until).char_indices() {
        match character {
            '\n' => in_comment = false,
            '#' => in_comment = true,
            ',' if !in_comment => return Some(from + offset),
            _ => {}
        }
    }
    None
}
