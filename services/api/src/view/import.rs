use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::MoneyView;

/// What came of a carrier's file, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportView {
    /// Whose file it was.
    #[schema(example = "mno")]
    pub carrier: String,
    /// Records that are kept and charged now.
    pub imported: u64,
    /// Records that were kept before, and are not charged again.
    pub repeated: u64,
    /// Records on their way to other cells, where their callers are at home; there, too, each counts once.
    #[serde(default)]
    pub sent: u64,
    /// Lines that no record was made of.
    pub refused: Vec<RefusedLine>,
    /// What the imported ones cost together.
    pub price: MoneyView,
}

/// A line that no record was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedLine {
    /// Its number in the file, from 1 on.
    pub line: u64,
    /// What is wrong with it.
    #[schema(example = "seconds: expected 0 to 604800, read \"-1\"")]
    pub reason: String,
}
