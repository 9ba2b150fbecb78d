/// How an edge brings a message to the exchange of its own thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hop {
    /// In memory, within one turn.
    #[default]
    Pipe,
    /// By whoever drives the machine, as bytes: as it would to another host's.
    Wire,
}
