//! `strowger trace`: the calls, and the ladder of one.

use api_service::client::{Client, ClientError};

use crate::cli::TraceArgs;
use crate::ladder;

pub(crate) fn run(client: &Client, args: &TraceArgs) -> Result<(), Box<dyn std::error::Error>> {
    let Some(call) = &args.call else {
        return Ok(list(client)?);
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&client.ladder(call)?)?);
    } else {
        print!("{}", ladder::draw(&client.ladder(call)?.rungs(), args.full));
    }
    Ok(())
}

fn list(client: &Client) -> Result<(), ClientError> {
    for call in client.calls()? {
        println!("{}  {:<10} {} -> {} ({})", call.id, call.state, call.caller, call.dialed, call.callee);
    }
    for record in client.records(20)? {
        println!(
            "{}  over       {} -> {} ({}): {} {}, {:.1} s",
            record.id,
            record.caller,
            record.dialed,
            record.callee,
            record.status,
            record.cause,
            record.talked_seconds
        );
    }
    println!("strowger trace CALL draws one of them");
    Ok(())
}
