//! What operators' tools read and write: JSON with numbers of calls as the API shows them.

use std::time::{Duration, SystemTime};

use bus::durable::Entry;
use contract::command::{Command, Done};
use contract::event::CallEvent;
use contract::record::CallRecord;
use contract::{CallId, Money, TenantId};
use machine::Moment;
use serde::Deserialize;
use serde_json::{Value, json};

/// An event as it goes out: its routing key and its JSON. What this release does not know goes as it is.
pub(crate) fn event(entry: &Entry) -> (String, Value) {
    if let Some(Ok(event)) = entry.read::<CallEvent>() {
        let key = format!("call.{}.{}", event.what.name(), event.tenant);
        return (key, call_event(&event));
    }
    let key = format!("{}.{}", entry.topic, entry.tenant);
    if let Some(Ok(record)) = entry.read::<CallRecord>() {
        return (key, call_record(&record));
    }
    (key, contract::decode::<Value>(&entry.body).unwrap_or(Value::Null))
}

fn call_event(event: &CallEvent) -> Value {
    let mut told = json!({
        "call": event.call.to_string(),
        "tenant": event.tenant.0,
        "serial": event.serial,
        "at": time(event.at),
        "caller": event.caller,
        "dialed": event.dialed,
        "callee": event.callee,
        "what": event.what.name(),
    });
    if let Some(moved) = &event.moved {
        told["moved_to"] = moved.to.0.into();
        told["reason"] = moved.reason.name().into();
    }
    told
}

fn call_record(record: &CallRecord) -> Value {
    json!({
        "call": record.id.to_string(),
        "tenant": record.tenant.0,
        "sip_call_id": record.sip_call_id,
        "caller": record.caller,
        "dialed": record.dialed,
        "callee": record.callee,
        "started": time(record.started),
        "rang": record.rang.map(time),
        "answered": record.answered.map(time),
        "ended": time(record.ended),
        "outcome": record.outcome,
        "status": record.status,
        "cause": record.cause,
        "price": record.price.as_ref().map(money),
        "reserved": record.reserved.as_ref().map(money),
        "released": record.released.as_ref().map(money),
        "quality": record.quality,
    })
}

fn money(money: &Money) -> Value {
    json!({ "micros": money.micros, "currency": money.currency })
}

/// RFC 3339, to the millisecond.
fn time(moment: Moment) -> String {
    let at = SystemTime::UNIX_EPOCH + Duration::from_micros(moment.as_micros());
    humantime::format_rfc3339_millis(at).to_string()
}

/// A command as it comes in.
#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
enum Written {
    HangUp {
        call: String,
        #[serde(default = "by_command")]
        reason: String,
    },
    Forget {
        tenant: u32,
        name: Option<String>,
    },
}

fn by_command() -> String {
    "ended by a command".to_owned()
}

/// Reads a command, or says what is wrong with it.
pub(crate) fn command(bytes: &[u8]) -> Result<Command, String> {
    match serde_json::from_slice(bytes).map_err(|error| error.to_string())? {
        Written::HangUp { call, reason } => {
            let number: Result<CallId, _> = call.parse();
            let call = number.map_err(|_| format!("{call:?} is no call's number"))?;
            Ok(Command::HangUp { call, reason })
        }
        Written::Forget { tenant, name } => Ok(Command::Forget { tenant: TenantId(tenant), name }),
    }
}

/// What is answered to those who want an answer.
pub(crate) fn done(done: &Done) -> Value {
    match done {
        Done::Done => json!({ "result": "done" }),
        Done::NotFound => json!({ "result": "not_found" }),
        Done::Refused { reason } => json!({ "result": "refused", "reason": reason }),
        Done::Unknown => json!({ "result": "unknown" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::event::What;

    #[test]
    fn an_event_is_read_by_anybody() {
        let rang = CallEvent {
            call: CallId(255),
            tenant: TenantId(7),
            at: Moment::from_micros(1_700_000_000_123_456),
            what: What::Rang,
            ..CallEvent::default()
        };
        let (key, json) = event(&Entry::of(&rang));
        assert_eq!(key, "call.rang.7");
        assert_eq!(json["call"], "00000000000000ff");
        assert_eq!(json["at"], "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn an_event_of_a_later_release_goes_as_it_is() {
        let body = contract::encode(&json!({ "mood": "cheerful" }));
        let later = Entry { tenant: TenantId(3), topic: "mood".into(), id: "1".into(), body };
        assert_eq!(event(&later), ("mood.3".into(), json!({ "mood": "cheerful" })));
    }

    #[test]
    fn commands_are_read_and_nonsense_is_not() {
        let hang_up = command(br#"{"command":"hang_up","call":"00000000000000ff","reason":"fraud"}"#);
        assert_eq!(hang_up, Ok(Command::HangUp { call: CallId(255), reason: "fraud".into() }));
        let forget = command(br#"{"command":"forget","tenant":7,"name":"anna"}"#);
        assert_eq!(forget, Ok(Command::Forget { tenant: TenantId(7), name: Some("anna".into()) }));
        for bad in ["", "{}", r#"{"command":"dance"}"#, r#"{"command":"hang_up","call":"x"}"#] {
            assert!(command(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
