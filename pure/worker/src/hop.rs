/// How edge and exchange of one thread reach each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hop {
    /// In memory, within one turn.
    #[default]
    Pipe,
    /// By whoever drives the machine, as bytes: what says a message on one side hears it on the other.
    Wire,
}
