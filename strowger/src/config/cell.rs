use contract::CellId;
use serde::{Deserialize, Serialize};

use super::cluster::{Cluster, Seat};

/// This platform as a cell of several: each has its own hosts, bus and store, and all share one secret. Needs `[cluster]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cell {
    /// Its number, 1 to 15, no two alike. 0: there are no cells.
    pub(crate) number: u8,
    /// What people call it.
    pub(crate) name: String,
    /// Where its offices are heard by the others: `http://ADDRESS:PORT`.
    pub(crate) offices: Vec<String>,
    /// Brokers of other cells: `NODE@ADDRESS:PORT`. One cell is enough, it knows all others. The first cell names none.
    pub(crate) known: Vec<Seat>,
}

impl Cell {
    /// What its parts say about each other and about `cluster`; each line names the key.
    pub(crate) fn contradictions(&self, cluster: &Cluster) -> Vec<String> {
        let mut found = Vec::new();
        let mut say = |wrong: bool, what: &str| {
            if wrong {
                found.push(what.to_owned());
            }
        };
        let Cell { number, name, offices, known } = self;
        let is_cell = *number != 0;
        say(*number > CellId::MOST.0, "cell.number: expected 1 to 15, or 0 for no cells");
        say(
            !is_cell && (!name.is_empty() || !offices.is_empty() || !known.is_empty()),
            "cell.number: expected this cell's number, as other keys of cell are set",
        );
        say(
            is_cell && !cluster.is_one_of_several(),
            "cell.number: expected cluster.node and cluster.brokers to be set, too (one host is enough)",
        );
        say(is_cell && name.is_empty(), "cell.name: expected the name of the cell");
        say(
            is_cell && offices.is_empty(),
            "cell.offices: expected http://ADDRESS:PORT of at least one office, as others reach it",
        );
        say(
            offices.iter().any(|office| !office.starts_with("http://") && !office.starts_with("https://")),
            "cell.offices: expected http://ADDRESS:PORT",
        );
        say(
            known.iter().any(|seat| cluster.brokers.iter().any(|own| own.address == seat.address)),
            "cell.known: expected brokers of other cells only",
        );
        found
    }

    /// Which cell this is.
    pub(crate) fn id(&self) -> CellId {
        CellId(self.number)
    }
}
