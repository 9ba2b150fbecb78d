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
    /// What is left of the capacity when twice as much is offered: a share.
    pub goodput: f64,
    /// What it costs more with eight exchanges than with one, if that was measured: a factor.
    pub exchanges: Option<f64>,
    /// What being several hosts costs more, a call; none if that was not measured.
    pub call_across: Option<Across>,
    /// The same, a REGISTER.
    pub register_across: Option<Across>,
}

/// What being several hosts costs more, microseconds of processor time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Across {
    /// That a buddy knows of each change before the world does: of the owner and the buddy.
    pub buddy: f64,
    /// That there is a bus between hosts, and the store is on servers: of our own processes.
    pub servers: f64,
    /// Of the NATS servers.
    pub nats: f64,
    /// Of PostgreSQL.
    pub postgres: f64,
}

impl Across {
    /// Out of the rows of `cost.call` or `cost.register`: all were measured in the same run.
    fn read(rows: &[Row], unit: &str) -> Option<Self> {
        let find = |part: &str| {
            let name = format!("{unit}.{part}");
            rows.iter().find(|row| row.name == name && row.unit == "µs").map(|row| row.ours)
        };
        let (journal, nats) = (find("journal")?, find("nats")?);
        // Where more is cheaper, that is chance.
        let more = |figure: f64, than: f64| (figure - than).max(0.0);
        Some(Across {
            buddy: more(find("buddy")?, nats),
            servers: more(find("nats_postgres")?, journal),
            nats: find("nats_postgres.nats")?.max(0.0),
            postgres: find("nats_postgres.postgres")?.max(0.0),
        })
    }
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
            goodput: find("overload.goodput", "share")?.min(1.0),
            exchanges: find("scale.call_cpu_8_over_1", "ratio").ok().map(|ratio| ratio.max(1.0)),
            call_across: Across::read(rows, "cost.call"),
            register_across: Across::read(rows, "cost.register"),
        })
    }
}
