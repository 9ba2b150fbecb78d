//! The cells of a platform, and accounts that move between them, from the command line, over the API.

use std::thread::sleep;
use std::time::{Duration, Instant};

use api_service::client::{Client, ClientError};
use api_service::view::HomeView;

use crate::cli::AccountCommand;

/// Prints which cells there are, what waits for them, and what waits for a person.
pub(crate) fn list(client: &Client) -> Result<(), ClientError> {
    let cells = client.cells()?;
    if cells.is_empty() {
        println!("there are no cells");
    }
    for cell in cells {
        let own = if cell.own { "this one" } else { "" };
        let waits = match cell.waiting {
            0 => String::new(),
            count => format!("  {count} messages wait, the oldest for {:.0} s", cell.oldest_seconds),
        };
        let failing = cell.failing.map(|why| format!("  can't be told: {why}")).unwrap_or_default();
        let (number, name, accounts) = (cell.cell, cell.name, cell.accounts);
        println!("{number:<3} {name:<12} {own:<9} {accounts:>9} accounts{waits}{failing}");
    }
    for conflict in client.conflicts()? {
        println!(
            "{} {:?} of {} was given in cell {}, too, which counts: remove it here, and add it under another name",
            conflict.what, conflict.name, conflict.tenant, conflict.cell
        );
    }
    Ok(())
}

/// Shows where an account is at home, or moves accounts. Whether all have moved.
pub(crate) fn account(client: &Client, command: &AccountCommand) -> Result<bool, Box<dyn std::error::Error>> {
    match command {
        AccountCommand::Show { tenant, name } => {
            println!("{}", text(&client.home(tenant, name)?));
            Ok(true)
        }
        AccountCommand::Move { tenant, names, share, to, rate } => {
            let names = match share {
                Some(share) => share_of(client.users(tenant)?.into_iter().map(|user| user.name), *share),
                None => names.clone(),
            };
            relocate(client, (tenant, &names), *to, *rate)
        }
    }
}

fn relocate(
    client: &Client,
    (tenant, names): (&str, &[String]),
    to: u8,
    rate: f64,
) -> Result<bool, Box<dyn std::error::Error>> {
    let pause = Duration::from_secs_f64(1.0 / rate.clamp(0.001, 10_000.0));
    let (mut moved, mut on_their_way, mut refused) = (0, 0, 0);
    let mut next = Instant::now();
    for name in names {
        sleep(next.saturating_duration_since(Instant::now()));
        next = Instant::now() + pause;
        match client.move_account(tenant, name, to) {
            Ok(home) if home.cell == to => moved += 1,
            Ok(_) => on_their_way += 1,
            Err(ClientError::Refused(problem)) => {
                refused += 1;
                eprintln!("{name}: {}", problem.detail);
            }
            Err(error) => return Err(error.into()),
        }
    }
    println!("{moved} moved to cell {to}, {on_their_way} are on their way, {refused} refused");
    Ok(refused == 0 && on_their_way == 0)
}

/// That share of `names`, evenly spread.
fn share_of(names: impl Iterator<Item = String>, share: f64) -> Vec<String> {
    let share = share.clamp(0.0, 1.0);
    let before = |place: usize| (place as f64 * share).round();
    names.enumerate().filter(|(place, _)| before(place + 1) > before(*place)).map(|(_, name)| name).collect()
}

fn text(home: &HomeView) -> String {
    let moving = home.moving_to.map(|to| format!(", on its way to cell {to}")).unwrap_or_default();
    match home.cell {
        0 => format!("{} is here: there are no cells", home.name),
        cell => format!("{} is at home in cell {cell}{moving}", home.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_spread_evenly_over_all() {
        let names = || (0..9).map(|it| it.to_string());
        assert_eq!(share_of(names(), 1.0 / 3.0), ["1", "4", "7"]);
        assert_eq!(share_of(names(), 1.0).len(), 9);
        assert!(share_of(names(), 0.0).is_empty());
    }
}
