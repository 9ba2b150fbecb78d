/// Something that is wrong with the platform on purpose, to see that it is found, and found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What goes out is not in the journal when it goes.
    SaysBeforeItKeeps,
    /// A call's record comes a second time, and says something else.
    RecordsTwice,
    /// Two records of one attempt, as of two calls.
    RecordsAsTwoCalls,
    /// What was reserved and is not charged stays where it is.
    ReleasesNothing,
    /// Phones never hear that a call is over.
    NobodyIsTold,
    /// Callees whose answer was slower than another's never hear of that.
    LosersAreNotTold,
    /// Nobody hears that a media host died.
    DeadHostsStayOnTheRoll,
    /// Media hosts keep what was left on them.
    LeftSessionsStay,
    /// No follower brings anything to the disk.
    DiskIsNotWritten,
    /// Owners tell their buddies nothing, and speak.
    SpeaksBeforeTheBuddyKnows,
    /// The ends of calls are told the office before others know of them.
    EndsAreSaidAtOnce,
    /// Whoever was taken for lost and comes back is heard as if nothing had happened.
    GhostsAreHeard,
    /// What a former owner had is not forgotten.
    CopiesStay,
    /// Whoever slept takes it that nobody missed it.
    SleepersAreSure,
    /// Whoever was taken for lost keeps to itself what nobody else knows.
    GhostsGiveNothing,
}
