use contract::Money;
use contract::media::LegQuality;
use contract::record::{CallRecord, Outcome};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Time;

/// The one record of a call attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecordView {
    /// The call's number.
    #[schema(example = "00000193a2b4c001")]
    pub id: String,
    /// The tenant's name; a number if the tenant is no more.
    pub tenant: String,
    /// Who called.
    pub caller: String,
    /// What was dialed.
    pub dialed: String,
    /// Who answered, or who was rung: a user, or `app:NAME`.
    pub callee: String,
    /// When the INVITE came.
    pub started: Time,
    /// When the callee first rang.
    pub rang: Option<Time>,
    /// When it was answered.
    pub answered: Option<Time>,
    /// When it was over.
    pub ended: Time,
    /// From answer to end, in seconds; 0 if it was not answered.
    pub talked_seconds: f64,
    /// How it ended.
    #[schema(value_type = String, example = "answered")]
    pub outcome: Outcome,
    /// The SIP status that the caller saw at last.
    #[schema(example = 200)]
    pub status: u16,
    /// Why it ended.
    #[schema(example = "caller hung up")]
    pub cause: String,
    /// How each leg sounded.
    pub quality: Vec<QualityView>,
    /// What it cost.
    pub price: Option<MoneyView>,
    /// All that was ever reserved for it.
    pub reserved: Option<MoneyView>,
    /// What of that went back.
    pub released: Option<MoneyView>,
    /// The Call-ID of the caller's leg; of a carrier's record, what the carrier calls it.
    pub sip_call_id: String,
    /// The carrier that took the call while phones did not reach us; none: it was ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "mno")]
    pub carrier: Option<String>,
}

/// An amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MoneyView {
    /// Millionths of the currency's unit.
    #[schema(example = 10000)]
    pub micros: i64,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
}

/// How one leg sounded: what came from that phone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QualityView {
    /// 0 is the caller's, 1 the callee's.
    pub leg: u8,
    /// The codec last heard.
    #[schema(example = "PCMU")]
    pub codec: String,
    /// RTP packets from the phone.
    pub received: u64,
    /// RTP packets to the phone.
    pub sent: u64,
    /// Packets that the phone sent and that never came.
    pub lost: u64,
    /// What the phone reported as lost of ours.
    pub remote_lost: Option<u64>,
    /// Interarrival jitter (RFC 3550), milliseconds.
    pub jitter_ms: f32,
    /// Round trip by RTCP, milliseconds.
    pub round_trip_ms: Option<f32>,
    /// Mean opinion score by the E-model (ITU-T G.107), 1 to 4.5.
    pub mos: Option<f32>,
}

impl RecordView {
    pub(crate) fn of(record: CallRecord, tenant: String) -> Self {
        let talked = record.answered.map(|answered| record.ended.since(answered)).unwrap_or_default();
        RecordView {
            id: record.id.to_string(),
            tenant,
            caller: record.caller,
            dialed: record.dialed,
            callee: record.callee,
            started: Time(record.started),
            rang: record.rang.map(Time),
            answered: record.answered.map(Time),
            ended: Time(record.ended),
            talked_seconds: talked.as_secs_f64(),
            outcome: record.outcome,
            status: record.status,
            cause: record.cause,
            quality: record.quality.into_iter().map(QualityView::from).collect(),
            price: record.price.map(MoneyView::from),
            reserved: record.reserved.map(MoneyView::from),
            released: record.released.map(MoneyView::from),
            sip_call_id: record.sip_call_id,
            carrier: record.carrier,
        }
    }
}

impl From<Money> for MoneyView {
    fn from(money: Money) -> Self {
        MoneyView { micros: money.micros, currency: money.currency }
    }
}

impl From<LegQuality> for QualityView {
    fn from(quality: LegQuality) -> Self {
        let LegQuality { leg, codec, received, sent, lost, remote_lost, jitter_ms, round_trip_ms, mos } =
            quality;
        QualityView { leg, codec, received, sent, lost, remote_lost, jitter_ms, round_trip_ms, mos }
    }
}
