/// No page is longer.
pub const MOST: u32 = 1_000;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// What the page before said as `next`; none: from the beginning.
    pub after: Option<String>,
    /// At most so many, and never more than [`MOST`].
    pub limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Page { after: None, limit: 100 }
    }
}

impl Page {
    /// One more than wanted is read, to know whether there is a page behind this one.
    pub(crate) fn rows(&self) -> i64 {
        self.limit() as i64 + 1
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.clamp(1, MOST) as usize
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Paged<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<String>,
}

impl<T> Paged<T> {
    /// From `rows` that may be one more than fit; `cursor` names a row for who comes back for more.
    pub(crate) fn cut(mut rows: Vec<T>, page: &Page, cursor: impl Fn(&T) -> String) -> Self {
        let more = rows.len() > page.limit();
        rows.truncate(page.limit());
        let next = rows.last().filter(|_| more).map(cursor);
        Paged { items: rows, next }
    }
}
