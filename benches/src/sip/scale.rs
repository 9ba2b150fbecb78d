//! `scale.*`: what a call costs, and how many messages it takes between hosts, with one, two, four and eight exchanges.

use std::path::Path;
use std::time::Duration;

use super::Options;
use super::call::Calls;
use super::calls::{ready, setup};
use super::cost::{Cost, costs};
use super::rig::Rig;
use crate::Trouble;
use crate::hosts::{Hosts, Messages, Shape};
use crate::row::{Row, Rows};

/// How many exchanges share the load.
const SIZES: [u8; 4] = [1, 2, 4, 8];
/// How long a call lasts.
const HOLD: Duration = Duration::from_secs(1);
/// Calls a second in all, of whichever size: so few that not even one exchange lets messages come to take several at
/// a time, as it does under load.
const LIGHT: f64 = 120.0;
/// How much more eight may need than one.
const MOST: f64 = 1.1;

/// Measures, and writes the rows.
pub(crate) fn measure(binary: &Path, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let setup = setup(1, 10, true);
    let start = |&exchanges: &u8| {
        // One exchange is followed by a host that owns nothing, as each of several is followed by another.
        let shape = Shape { net: 20 + exchanges, exchanges, spare: exchanges == 1, postgres: false };
        Hosts::start(binary, shape, &setup)
    };
    let hosts = SIZES.iter().map(start).collect::<Result<Vec<_>, _>>()?;
    let mut rigs = hosts.iter().map(|hosts| ready(hosts, HOLD)).collect::<Result<Vec<_>, _>>()?;
    for (rig, name) in rigs.iter_mut().zip(["1", "2", "4", "8"]) {
        rig.name = name;
    }
    let rate = options.rate.unwrap_or(LIGHT);
    let costs = costs(&mut rigs, rate, options)?;
    let messages = rigs.iter_mut().zip(&hosts).map(|(rig, hosts)| messages(rig, hosts, rate, options));
    let messages = messages.collect::<Result<Vec<_>, _>>()?;
    let all: Vec<Row> = SIZES
        .iter()
        .zip(costs.iter().zip(&messages))
        .flat_map(|(size, (cost, messages))| [of_cpu(*size, cost, rate), of_messages(*size, messages, rate)])
        .chain(over(&costs))
        .collect();
    for row in all {
        if options.alone {
            println!("{row}: {}", row.note);
        } else {
            rows.put(row)?;
        }
    }
    Ok(())
}

/// Messages a call.
fn messages(rig: &mut Rig<Calls>, hosts: &Hosts, rate: f64, options: &Options) -> Result<Messages, Trouble> {
    let a_second = |from: Messages, to: Messages, span: Duration| {
        let of = |figure: fn(&Messages) -> f64| (figure(&to) - figure(&from)) / span.as_secs_f64();
        Messages { inside: of(|it| it.inside), bus: of(|it| it.bus), unprotected: of(|it| it.unprotected) }
    };
    rig.settle(Duration::from_secs(3))?;
    // Gauges are taken once a second.
    let pause = Duration::from_millis(1_100);
    std::thread::sleep(pause);
    let (before, begun) = (hosts.messages()?, std::time::Instant::now());
    rig.rest(options.span())?;
    std::thread::sleep(pause);
    let rest = a_second(before, hosts.messages()?, begun.elapsed());
    let (before, begun) = (hosts.messages()?, std::time::Instant::now());
    let figures = rig.measure(rate, options.span())?;
    std::thread::sleep(pause);
    let (after, span) = (hosts.messages()?, begun.elapsed());
    let busy = a_second(before, after, span);
    let a_call = |of: fn(&Messages) -> f64| {
        (of(&busy) - of(&rest)).max(0.0) * span.as_secs_f64() / figures.done.max(1.0)
    };
    Ok(Messages {
        inside: a_call(|it| it.inside),
        bus: a_call(|it| it.bus),
        unprotected: after.unprotected - before.unprotected,
    })
}

fn of_cpu(size: u8, cost: &Cost, rate: f64) -> Row {
    let exchanges: f64 = cost.apart[1..=usize::from(size.max(2))].iter().sum();
    Row {
        ours: Some(cost.all),
        note: format!(
            "processor time a call as in sip.call of all our processes, on {}, behind one host with edge, office, media and \
             broker ({:.1} µs that one, {exchanges:.1} the exchanges); {rate:.0} calls a second in all, offered to each size \
             in turn, medians; less what the same processes use at rest ({:.1} ms a second); missing {:.2} %; delay p50/p99 \
             {:.2}/{:.2} ms",
            match size {
                1 => "one exchange and a spare one that follows it".to_owned(),
                many => format!("{many} exchanges that follow each other"),
            },
            cost.apart[0],
            cost.at_rest,
            cost.figures.missing * 100.0,
            cost.figures.delay.0,
            cost.figures.delay.1
        ),
        ..Row::new(&format!("scale.call_cpu_{size}"), "µs")
    }
}

fn of_messages(size: u8, messages: &Messages, rate: f64) -> Row {
    Row {
        ours: Some(messages.inside + messages.bus),
        note: format!(
            "messages a call between hosts: {:.1} from signalling thread to signalling thread (SIP, changes for the buddy, \
             acknowledgements), {:.1} to the NATS server (questions to the office, events, records), without those at rest; \
             {rate:.0} calls a second; {:.0} answers left before a buddy knew of them",
            messages.inside, messages.bus, messages.unprotected
        ),
        ..Row::new(&format!("scale.messages_{size}"), "messages")
    }
}

fn over(costs: &[Cost]) -> Option<Row> {
    let all: Vec<f64> = costs.iter().map(|cost| cost.all).collect();
    let ratio = all.last()? / all.first()?;
    let told: Vec<String> = all.iter().map(|cost| format!("{cost:.1}")).collect();
    Some(Row {
        ours: Some(ratio),
        note: format!(
            "processor time a call with eight exchanges over that with one, all of them followed by another \
             (scale.call_cpu_1 to _8: {} µs)",
            told.join(", ")
        ),
        ..Row::new("scale.call_cpu_8_over_1", "ratio").goal("at most 1.1", Some(ratio <= MOST))
    })
}
