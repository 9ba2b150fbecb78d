use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Time;

/// A cell of the platform, as this one knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CellView {
    /// Its number.
    #[schema(example = 2)]
    pub cell: u8,
    /// What people call it.
    #[schema(example = "north")]
    pub name: String,
    /// It is the one that was asked.
    pub own: bool,
    /// Where its offices are heard by the others.
    pub offices: Vec<String>,
    /// Users that are at home there, as this cell has heard.
    pub accounts: u64,
    /// Messages to it that wait.
    pub waiting: u64,
    /// For how long the oldest of them has waited, seconds.
    pub oldest_seconds: f64,
    /// Why the last delivery to it failed; none: it did not.
    pub failing: Option<String>,
}

/// An account or number of the cell that was asked, whose name another cell has given, too: the other one counts, and this
/// one waits for a person to remove it, or to add it under another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictView {
    /// The tenant's name.
    pub tenant: String,
    /// `user` or `number`.
    pub what: String,
    /// Its name.
    pub name: String,
    /// The cell whose account counts.
    pub cell: u8,
    /// Since when that is known.
    pub since: Time,
}

/// Where an account is at home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HomeView {
    /// The user's name.
    pub name: String,
    /// The number of its home cell.
    pub cell: u8,
    /// The cell that it is on its way to.
    pub moving_to: Option<u8>,
}

/// Where an account shall move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHome {
    /// The number of a cell.
    #[schema(example = 3)]
    pub to: u8,
}
