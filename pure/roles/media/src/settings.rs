use std::time::Duration;

/// What an operator can turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long ports rest after a call, so that late packets of an old call are not heard in a new one.
    pub rest: Duration,
    /// How long a released call is remembered: a repeated release is answered alike.
    pub remember: Duration,
    /// How often it is asked whether a call is still wanted of which nobody spoke, and in which nobody spoke.
    pub ask_every: Duration,
    /// A call of which nobody spoke, and in which nobody spoke, for so long is let go.
    pub forget: Duration,
    /// How often running counts are kept: a death costs at most so much of them.
    pub count_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            rest: Duration::from_secs(5),
            remember: Duration::from_secs(120),
            ask_every: Duration::from_secs(60),
            forget: Duration::from_secs(4 * 3600),
            count_every: Duration::from_secs(1),
        }
    }
}
