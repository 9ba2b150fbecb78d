//! Figures for Prometheus.

use std::collections::BTreeMap;
use std::fmt;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bus::Member;
use contract::billing;
use contract::query::Gauges;
use contract::{cluster, media, query};
use host::supervisor::{State as WorkerState, Status};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::api::Shared;
use crate::problem::Problem;

/// What Prometheus calls its newer text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Ticks of /proc/PID/stat in a second: the same on every Linux.
const TICKS: f64 = 100.0;
const PAGE: f64 = 4096.0;

/// Figures of all workers, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", security(()),
    responses((status = 200, content_type = "application/openmetrics-text", body = String)))]
pub(crate) async fn show(State(shared): State<Shared>) -> Result<Response, Problem> {
    let mut figures = Figures::default();
    let members: Vec<_> = shared
        .host
        .topology()
        .members()
        .map(|member| (member, tokio::spawn(ask(shared.clone(), member))))
        .collect();
    for (member, answer) in members {
        let gauges = answer.await.unwrap_or_default();
        figures.add("member_answers", &member.to_string(), f64::from(u8::from(gauges.is_some())));
        for (name, value) in gauges.unwrap_or_default().values {
            figures.add(&name, &member.to_string(), value);
        }
    }
    figures.add_workers(&shared);
    let text = figures.encode().map_err(|error| {
        tracing::error!(%error, "figures cannot be written");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the figures could not be written; the log says why")
    })?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

async fn ask(shared: Shared, member: Member) -> Option<Gauges> {
    let answer = match member {
        Member::Signalling(_) => shared.host.ask_member(member, &query::Gauge::default()).await,
        Member::Media => shared.host.ask_member(member, &media::Gauge::default()).await,
        Member::Broker => shared.host.ask_member(member, &cluster::Gauge::default()).await,
        Member::Office => {
            let billing = shared.host.ask_member(member, &billing::Gauge::default()).await;
            return Some(office(&shared, billing.unwrap_or_default()).await);
        }
    };
    answer.ok()
}

async fn office(shared: &Shared, mut gauges: Gauges) -> Gauges {
    let mut add = |name: &str, value: f64| gauges.values.push((name.to_owned(), value));
    for (name, value) in shared.keeper.gauges().into_iter().chain(shared.outlet.gauges()) {
        add(name, value);
    }
    for (name, value) in crate::cells::noun::gauges(shared).await {
        add(name, value);
    }
    for (name, value) in shared.figures.look() {
        add(&name, value);
    }
    let store = shared.store.state();
    add("store_away_seconds", store.away.map_or(0.0, |away| away.as_secs_f64()));
    add("store_failovers_total", store.failovers as f64);
    if let Some(lag) = store.lag {
        add("store_replica_lag_seconds", lag.as_secs_f64());
    }
    if let Some(served) = shared.served.get() {
        add("bus_answered_total", served.answered() as f64);
        add("bus_unanswered_total", served.unanswered() as f64);
    }
    gauges
}

/// Figures by name, each with its labels: the worker that it is of, and what else it says.
#[derive(Debug, Default)]
struct Figures(BTreeMap<String, BTreeMap<Labels, f64>>);

type Labels = Vec<(String, String)>;

/// Reads `name{label="value",...}`, or a name alone.
fn labelled(text: &str) -> Option<(&str, Labels)> {
    let Some((name, rest)) = text.split_once('{') else { return Some((text, Labels::new())) };
    let pairs = rest.strip_suffix('}')?.split(',').map(|pair| {
        let (label, value) = pair.split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        is_name(label).then(|| (label.to_owned(), value.to_owned()))
    });
    Some((name, pairs.collect::<Option<Labels>>()?))
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(allowed) && !name.starts_with(|c: char| c.is_ascii_digit())
}

impl Figures {
    fn add(&mut self, name: &str, worker: &str, value: f64) {
        let Some((name, more)) = labelled(name).filter(|(name, _)| is_name(name)) else {
            tracing::debug!(name, worker, "a figure has no name that Prometheus takes");
            return;
        };
        let labels = [("worker".to_owned(), worker.to_owned())].into_iter().chain(more).collect();
        self.0.entry(name.to_owned()).or_default().insert(labels, value);
    }

    /// What the supervisor and the kernel say about the processes.
    fn add_workers(&mut self, shared: &Shared) {
        let Some(path) = &shared.status else {
            self.add_process("office", std::process::id());
            return;
        };
        let status = match Status::read(path) {
            Ok(status) => status,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the supervisor's status cannot be read");
                return;
            }
        };
        self.add_process("supervisor", status.pid);
        for worker in status.workers {
            let running = worker.state == WorkerState::Running;
            self.add("worker_up", &worker.name, f64::from(u8::from(running)));
            self.add("worker_restarts_total", &worker.name, worker.restarts as f64);
            if let Some(gap) = worker.last_gap {
                self.add("worker_last_gap_seconds", &worker.name, gap as f64 / 1e6);
            }
            if let Some(pid) = worker.pid {
                self.add_process(&worker.name, pid);
            }
        }
    }

    fn add_process(&mut self, name: &str, pid: u32) {
        let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return };
        // The name in parentheses may hold anything; what follows it is numbers, beginning with the third field.
        let Some((_, rest)) = text.rsplit_once(')') else { return };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<f64>().ok());
        if let (Some(user), Some(system)) = (field(14), field(15)) {
            self.add("process_cpu_seconds_total", name, (user + system) / TICKS);
        }
        for (what, number, unit) in
            [("process_threads", 20, 1.0), ("process_resident_memory_bytes", 24, PAGE)]
        {
            if let Some(value) = field(number) {
                self.add(what, name, value * unit);
            }
        }
        if let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) {
            self.add("process_open_fds", name, open.count() as f64);
        }
    }

    fn encode(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("strowger");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for (name, values) in &self.0 {
            let (base, kind) = match name.strip_suffix("_total") {
                Some(base) => (base, MetricType::Counter),
                None => (name.as_str(), MetricType::Gauge),
            };
            let help = base.replace('_', " ");
            let mut family = encoder.encode_descriptor(base, &help, None, kind)?;
            for (labels, &value) in values {
                let one: MetricEncoder = family.encode_family(labels)?;
                match kind {
                    MetricType::Counter => ConstCounter::new(value).encode(one)?,
                    _ => ConstGauge::new(value).encode(one)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_with_labels_are_told_with_them() {
        let mut figures = Figures::default();
        figures.add("path_mos{to=\"2\"}", "media", 4.25);
        figures.add("moved_total{reason=\"path\",way=\"there\"}", "signalling-0", 3.0);
        figures.add("calls", "signalling-0", 7.0);
        for wrong in ["", "1st", "a-b", "path{to=2}", "path{to=\"2\"", "path{=\"2\"}"] {
            figures.add(wrong, "media", 1.0);
        }
        let text = figures.encode().unwrap();
        let values: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            values,
            [
                "strowger_calls{worker=\"signalling-0\"} 7.0",
                "strowger_moved_total{worker=\"signalling-0\",reason=\"path\",way=\"there\"} 3.0",
                "strowger_path_mos{worker=\"media\",to=\"2\"} 4.25",
            ]
        );
    }
}
