//! What the API shows and takes, as JSON.

mod account;
mod call;
mod cell;
mod import;
mod ladder;
mod node;
mod record;

pub use account::{
    NewNumber, NewTenant, NewToken, NewUser, NumberView, TenantChange, TenantView, To, TokenView, UserChange,
    UserView,
};
pub use call::{CallView, ContactView, RegistrationView};
pub use cell::{CellView, ConflictView, HomeView, NewHome};
pub use import::{ImportView, RefusedLine};
pub use ladder::{LadderView, RungView};
pub use node::{Destination, Draining, NodeView, PathView};
pub use record::{MoneyView, QualityView, RecordView};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PageView<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// To be given as `after` for the next part; none: this was the last.
    pub next: Option<String>,
    /// Workers that did not answer in time: what they know is not in the list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl<T> PageView<T> {
    /// A part of a list in the store.
    pub(crate) fn of<S>(paged: store::Paged<S>, show: impl Fn(S) -> T) -> Self {
        PageView { items: paged.items.into_iter().map(show).collect(), next: paged.next, missing: Vec::new() }
    }
}
