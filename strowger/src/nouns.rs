//! Tenants, users and numbers from the command line: the same nouns as the API's, over the API.

use std::io::Read as _;

use api_service::client::{Client, ClientError};
use api_service::view::{NewNumber, NewTenant, NewUser, To};

use crate::cli::{NumberCommand, TenantCommand, UserCommand};

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

fn destination(to: &To) -> String {
    match to {
        To::User(name) => format!("user {name}"),
        To::App(name) => format!("app {name}"),
        To::Unknown => "something that a later release knows".to_owned(),
    }
}
