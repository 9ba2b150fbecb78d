//! A telephone exchange in one binary.

mod across;
mod addresses;
mod broker;
mod cells;
mod cli;
mod config;
mod dealing;
mod demo;
mod hosts;
mod ladder;
mod nouns;
mod office;
mod phones;
mod places;
mod plan;
mod serve;
mod signalling;
mod streams;
mod trace;
mod upgrade;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use across::{Across, Postbox};
use api_service::client::{Client, ClientError};
use clap::Parser as _;
use cli::{Cli, Command, MoveCommand};
use config::{Config, LogFormat};
use contract::paths::Neighbour;
use contract::{NodeId, Role};
use host::telemetry::{self, Format};
use media_service::{Around, Surroundings};

/// Signalling makes and drops thousands of small things a second: with the system's allocator that was a fifth of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WELCOME: &str = "\
strowger: a telephone exchange that needs no operator. What to do next:
  strowger demo                 start one with a demo tenant, and watch it prove itself with a call
  strowger serve                start the platform (settings: strowger check-config --print);  strowger upgrade: by a newer program
  strowger tenant add acme --domain acme.example; strowger user add acme alice; strowger number add acme 1001 --user alice
  strowger phone --help         be a phone;  strowger trace: see the ladders of calls;  strowger --help: all of it
";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Some(command) = &cli.command else {
        print!("{WELCOME}");
        return ExitCode::SUCCESS;
    };
    match run(&cli, command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("strowger: {error}");
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error>;

fn run(cli: &Cli, command: &Command) -> Result<ExitCode, Failure> {
    let file = config_file(cli);
    let config = read_config(file.as_deref())?;
    match command {
        Command::Serve(args) => {
            log_as(&config)?;
            let mut config = config;
            if !args.roles.is_empty() {
                config.cluster.roles.clone_from(&args.roles);
                config.cluster.check()?;
            }
            serve::serve(&config, file.as_deref(), args.inherit)?;
        }
        Command::Worker { name } => {
            log_as(&config)?;
            work(&config, name)?;
        }
        Command::CheckConfig { print } => {
            if *print {
                print!("{}", toml::to_string_pretty(&config)?);
            } else {
                println!("the configuration is as it should be");
            }
        }
        Command::Phone(args) => {
            return Ok(if phones::run(args)? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Plan(args) => plan::run(args)?,
        Command::Status { json } => status(&config, *json)?,
        Command::Upgrade { binary } => upgrade::run(&config, file.as_deref(), binary.as_deref())?,
        Command::Demo(args) => {
            return Ok(if demo::run(&config, file.as_deref(), args)? {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Command::Nodes => hosts::list(&client(&config)?)?,
        Command::Drain { node, back } => {
            let empty = hosts::drain(&client(&config)?, *node, *back)?;
            return Ok(if empty { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Move(MoveCommand::Call { id, to }) => client(&config)?.move_call(id, *to)?,
        Command::Trace(args) => trace::run(&client(&config)?, args)?,
        Command::Tenant(command) => nouns::tenant(&client(&config)?, command)?,
        Command::User(command) => nouns::user(&client(&config)?, command)?,
        Command::Number(command) => nouns::number(&client(&config)?, command)?,
        Command::Cells => cells::list(&client(&config)?)?,
        Command::Account(command) => {
            let all = cells::account(&client(&config)?, command)?;
            return Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Records(command) => {
            let all = nouns::records(&client(&config)?, command)?;
            return Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was named, or `strowger.toml` if it is here.
fn config_file(cli: &Cli) -> Option<PathBuf> {
    let usual = PathBuf::from("strowger.toml");
    cli.config.clone().or_else(|| usual.exists().then_some(usual))
}

fn read_config(file: Option<&Path>) -> Result<Config, Failure> {
    let environment = std::env::vars().filter(|(name, _)| !cli::VARIABLES.contains(&name.as_str()));
    let config: Config = host::config::load(file, environment)?;
    let contradictions = config.contradictions();
    if contradictions.is_empty() {
        return Ok(config);
    }
    let text = file.map(std::fs::read_to_string).transpose()?.unwrap_or_default();
    let name = file.map_or_else(|| "configuration".into(), |file| file.display().to_string());
    let told = contradictions.iter().map(|what| {
        let key = what.split(':').next().unwrap_or_default();
        // What the environment says has no line.
        let line = host::config::line_of_key(&text, key).map(|line| format!(":{line}")).unwrap_or_default();
        format!("{name}{line}: {what}")
    });
    Err(told.collect::<Vec<_>>().join("\n          ").into())
}

fn log_as(config: &Config) -> Result<(), Failure> {
    let format = match config.log.format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    Ok(telemetry::start(format, &config.log.level)?)
}

fn work(config: &Config, name: &str) -> Result<(), Failure> {
    let mut worker = host::worker::Worker::join()?;
    match name {
        "signalling" => signalling::run(config, worker)?,
        "media" => media(config, &mut worker)?,
        "office" => office::run(config, worker)?,
        "broker" => broker::run(config, worker)?,
        "standby" => host::standby::run(worker, &places::Places::open(config)?.standby())?,
        other => return Err(format!("no worker is called {other:?}").into()),
    }
    Ok(())
}

/// The media worker, which hears whoever is on the bus.
fn media(config: &Config, worker: &mut host::worker::Worker) -> Result<(), Failure> {
    let places = places::Places::open(config)?;
    let across = Across::start(config, &places)?;
    let join = |near| {
        let postbox = Postbox::open(across.as_ref(), near, "media", &[Role::Media]);
        Ok(Box::new(postbox.map_err(std::io::Error::other)?) as Box<_>)
    };
    let mut media = media_config(config, places)?;
    media.around = across.as_ref().map(|across| around(across, config.cluster.me()));
    Ok(media_service::run(worker, &media, &join)?)
}

/// Who can be probed from here, as the newest view says.
fn around(across: &Across, me: NodeId) -> Around {
    let views = across.views().clone();
    Around::new(move || {
        let view = views.newest();
        let probed = view.nodes.iter().filter_map(|it| Some(Neighbour { node: it.node, at: it.probed? }));
        let draining = view.node(me).is_some_and(|it| it.draining);
        Surroundings { others: probed.filter(|it| it.node != me).collect(), draining }
    })
}

/// What the configuration means to the media worker.
fn media_config(config: &Config, places: places::Places) -> Result<media_service::Config, Failure> {
    let topology = serve::topology(config, &places);
    let mut media = media_service::Config::new(places.secret()?, topology, places.runtime);
    media.node = if config.cluster.is_one_of_several() { config.cluster.me() } else { media.node };
    media.journal = config.media.journal_mb << 20;
    media.threads = usize::from(config.media.threads);
    media.advertised = config.media_public();
    media.prompts = Some(config.media.prompts.clone()).filter(|folder| !folder.as_os_str().is_empty());
    Ok(media)
}

/// Speaks to the platform that this configuration is of.
fn client(config: &Config) -> Result<Client, ClientError> {
    Client::of(config.api.listen, &config.data)
}

/// How the workers do, as their supervisor tells.
fn status(config: &Config, json: bool) -> Result<(), Failure> {
    let places = places::Places::open(config)?;
    let status = host::supervisor::Status::read(&places.status())
        .map_err(|error| format!("no platform runs on {}: {error}", places.data.display()))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&status)?);
        return Ok(());
    }
    println!("supervisor, process {}", status.pid);
    for worker in status.workers.iter().chain(&status.standby) {
        let pid = worker.pid.map_or("-".to_owned(), |pid| pid.to_string());
        let state = format!("{:?}", worker.state).to_lowercase();
        println!("{:<12} {state:<9} process {pid:<8} {} restarts", worker.name, worker.restarts);
        if let Some((death, _)) = &worker.last_death {
            let gap =
                worker.last_gap.map_or(String::new(), |micros| format!("; back after {} ms", micros / 1000));
            println!("{:<12} last death: {death}{gap}", "");
        }
    }
    Ok(())
}
