/// How well a call was heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// The codec agreed on.
    pub codec: String,
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets heard.
    pub received: u64,
    /// Packets that were sent to us and never came.
    pub lost: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Frames that had to be made up.
    pub concealed: u64,
    /// Interarrival jitter (RFC 3550), milliseconds.
    pub jitter_ms: f64,
    /// The highest there was.
    pub worst_jitter_ms: f64,
    /// How long the playout buffer holds back what it plays, milliseconds.
    pub buffer_ms: f64,
    /// Round trip by RTCP, milliseconds.
    pub round_trip_ms: Option<f64>,
    /// Mean opinion score (ITU-T G.107); none if nothing was heard.
    pub mos: Option<f64>,
    /// The longest time between two packets heard, milliseconds, while the line was open.
    pub longest_gap_ms: f64,
    /// How the other side hears us, as it says by RTCP.
    pub far: Option<Far>,
}

/// How the other side hears us.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Far {
    /// Packets of ours that never came.
    pub lost: i32,
    /// The share of those since its last report but one, 0 to 1.
    pub loss: f64,
    /// Interarrival jitter, milliseconds.
    pub jitter_ms: f64,
}
