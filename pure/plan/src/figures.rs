use serde::{Deserialize, Serialize};

/// One row of `benches/results.json`, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// In which unit.
    pub unit: String,
    /// Our figure.
    pub ours: f64,
}

/// What one of each costs, as it was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Processor time of a call from INVITE to BYE with its books, all processes, microseconds.
    pub call_us: f64,
    /// What it costs more with several signalling threads: a factor.
    pub threads: f64,
    /// Processor time of a REGISTER with digest, microseconds.
    pub register_us: f64,
    /// Processor time of an RTP packet on its way through, microseconds.
    pub packet_us: f64,
    /// Memory of a contact, bytes.
    pub contact_bytes: f64,
    /// Memory of a call, kilobytes.
    pub call_kb: f64,
}

/// A row that a plan needs is not there, or counts in another unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the results have no row {name} in {unit}")]
pub struct Missing {
    /// The row.
    pub name: &'static str,
    /// The unit.
    pub unit: &'static str,
}

impl Figures {
    /// Takes what is needed out of the rows.
    pub fn read(rows: &[Row]) -> Result<Self, Missing> {
        let find = |name: &'static str, unit: &'static str| {
            let row = rows.iter().find(|row| row.name == name && row.unit == unit && row.ours > 0.0);
            row.map(|row| row.ours).ok_or(Missing { name, unit })
        };
        Ok(Figures {
            call_us: find("sip.call_with_tariff", "µs")?,
            // Where two are cheaper than one, that is chance.
            threads: find("shards.call_cpu_2_over_1", "ratio")?.max(1.0),
            register_us: find("sip.register_digest", "µs")?,
            packet_us: find("rtp.relay_packet", "µs")?,
            contact_bytes: find("memory.contact", "bytes")?,
            call_kb: find("memory.call", "kB")?,
        })
    }
}
