//! Tenants, users and numbers from the command line: the same nouns as the API's, over the API.

use std::io::Read as _;

use api_service::client::{Client, ClientError};
use api_service::view::{NewNumber, NewTenant, NewUser, To};

use crate::cli::{NumberCommand, RecordsCommand, TenantCommand, UserCommand};

pub(crate) fn tenant(client: &Client, command: &TenantCommand) -> Result<(), ClientError> {
    match command {
        TenantCommand::Add { name, domain, fallback } => {
            let new = NewTenant { name: name.clone(), domains: domain.clone(), fallback: *fallback };
            let added = client.add_tenant(&new)?;
            println!("tenant {} ({})", added.name, added.domains.join(", "));
        }
        TenantCommand::List => {
            for tenant in client.tenants()? {
                let fallback = if tenant.fallback { "  takes unknown domains" } else { "" };
                println!("{:<20} {}{fallback}", tenant.name, tenant.domains.join(", "));
            }
        }
        TenantCommand::Remove { name } => client.remove_tenant(name)?,
    }
    Ok(())
}

pub(crate) fn user(client: &Client, command: &UserCommand) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        UserCommand::Add { tenant, name, password, display_name, number, direct_media } => {
            let password = match password {
                Some(password) => password.clone(),
                None => read_password()?,
            };
            let new = NewUser {
                name: name.clone(),
                password,
                display_name: display_name.clone(),
                number: number.clone(),
                direct_media: *direct_media,
                ..NewUser::default()
            };
            let added = client.add_user(tenant, &new)?;
            println!("user {} of {tenant} (realm {})", added.name, added.realm);
        }
        UserCommand::List { tenant } => {
            for user in client.users(tenant)? {
                println!("{:<20} {:<20} {}", user.name, user.number.unwrap_or_default(), user.display_name);
            }
        }
        UserCommand::Remove { tenant, name } => client.remove_user(tenant, name)?,
    }
    Ok(())
}

fn read_password() -> std::io::Result<String> {
    eprintln!("password, then end of input:");
    let mut password = String::new();
    std::io::stdin().read_to_string(&mut password)?;
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}

pub(crate) fn number(client: &Client, command: &NumberCommand) -> Result<(), ClientError> {
    match command {
        NumberCommand::Add { tenant, number, user, app } => {
            let to = match (user, app) {
                (Some(user), _) => To::User(user.clone()),
                (None, app) => To::App(app.clone().unwrap_or_default()),
            };
            let added = client.add_number(tenant, &NewNumber { number: number.clone(), to })?;
            println!("number {} leads to {}", added.number, destination(&added.to));
        }
        NumberCommand::List { tenant } => {
            for number in client.numbers(tenant)? {
                println!("{:<20} {}", number.number, destination(&number.to));
            }
        }
        NumberCommand::Remove { tenant, number } => client.remove_number(tenant, number)?,
    }
    Ok(())
}

/// Whether all lines were taken.
pub(crate) fn records(client: &Client, command: &RecordsCommand) -> Result<bool, Box<dyn std::error::Error>> {
    let RecordsCommand::Import { file, carrier, rate, step, tenant } = command;
    let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let (mut imported, mut repeated, mut refused) = (0, 0, 0);
    let (mut micros, mut currency) = (0, String::new());
    client.import_records(&bytes, (carrier, tenant.as_deref()), (*rate, *step), |part| {
        for bad in &part.refused {
            eprintln!("{}:{}: {}", file.display(), bad.line, bad.reason);
        }
        imported += part.imported;
        repeated += part.repeated;
        refused += part.refused.len();
        micros += part.price.micros;
        currency = part.price.currency;
    })?;
    let price = format!("{}.{:06} {currency}", micros / 1_000_000, micros % 1_000_000);
    println!("{imported} imported for {price}, {repeated} were here already, {refused} lines refused");
    Ok(refused == 0)
}

/// An amount such as `0.05` in millionths.
pub(crate) fn micros(text: &str) -> Result<i64, String> {
    let (units, parts) = text.split_once('.').unwrap_or((text, ""));
    let is_good = !units.is_empty()
        && parts.len() <= 6
        && [units, parts].concat().bytes().all(|it| it.is_ascii_digit());
    let read = || format!("{units}{parts:0<6}").parse().ok().filter(|_| is_good);
    read().ok_or_else(|| format!("expected an amount like 0.05 with at most six decimals, read {text:?}"))
}

fn destination(to: &To) -> String {
    match to {
        To::User(name) => format!("user {name}"),
        To::App(name) => format!("app {name}"),
        To::Unknown => "something that a later release knows".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_to_the_millionth() {
        assert_eq!(micros("0.05"), Ok(50_000));
        assert_eq!((micros("12"), micros("1.000001")), (Ok(12_000_000), Ok(1_000_001)));
        for text in ["", ".5", "-1", "0,05", "1.0000001", "+1", "1e3", "99999999999999"] {
            micros(text).unwrap_err();
        }
    }
}
