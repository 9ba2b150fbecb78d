//! `strowger plan`: what a demand needs, from what was measured.

use std::fmt::Write as _;

use plan::{Demand, Figures, Host, Plan, Row, Step, short};

use crate::cli::PlanArgs;

/// What was measured when this binary was made.
const RESULTS: &str = include_str!("../../benches/results.json");

type Failure = Box<dyn std::error::Error>;

/// Prints the plan.
pub(crate) fn run(args: &PlanArgs) -> Result<(), Failure> {
    let results = match &args.results {
        Some(file) => {
            std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?
        }
        None => RESULTS.to_owned(),
    };
    let figures = Figures::read(&serde_json::from_str::<Vec<Row>>(&results)?)?;
    let demand = Demand::from(args);
    let plan = Plan::of(&demand, &figures)?;
    if args.json {
        let whole = serde_json::json!({"demand": demand, "figures": figures, "plan": plan});
        println!("{}", serde_json::to_string_pretty(&whole)?);
    } else {
        print!("{}", text(&plan));
    }
    Ok(())
}

impl From<&PlanArgs> for Demand {
    fn from(args: &PlanArgs) -> Self {
        Demand {
            subscribers: args.subscribers,
            busy_hour_calls: args.busy_hour_calls.unwrap_or(args.subscribers),
            answered: args.answered,
            talk: args.talk,
            ringing: args.ringing,
            off_net: args.off_net,
            contacts: args.contacts,
            refresh: args.refresh,
            retry: args.retry,
            retry_after: args.retry_after,
            payload: args.payload,
            packets: args.packets,
            most_blocked: args.blocked,
            cell: args.cell,
            host: Host { cores: args.cores, memory: args.memory, network: args.network, usage: args.usage },
        }
    }
}

fn text(plan: &Plan) -> String {
    let mut text = String::new();
    let width = |of: fn(&Step) -> usize| plan.steps.iter().map(of).max().unwrap_or(0);
    let (what, value) = (width(|step| step.what.len()), width(|step| short(step.value).len()));
    for step in &plan.steps {
        let Step { what: name, sum, value: figure, unit } = step;
        let _ = writeln!(text, "{name:what$}  {:>value$} {unit:11} = {sum}", short(*figure));
    }
    let cell = &plan.cell;
    let _ = writeln!(
        text,
        "\n{} cell(s), of which {} may be away, each of {} signalling and {} media hosts (one of each spare),\n\
         {} brokers, {} bus servers, {} store servers: {} hosts, {} processes, {} cores in all\n\
         (each figure is that of the busiest hour; docs/scaling.md tells what was measured and what is not)",
        plan.cells,
        plan.cells_to_lose,
        cell.signalling.hosts,
        cell.media.hosts,
        cell.brokers,
        cell.bus_servers,
        cell.store_servers,
        plan.hosts,
        plan.processes,
        short(plan.cores),
    );
    text
}
