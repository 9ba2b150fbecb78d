//! `strowger demo`: a platform with a demo tenant proves itself by a call between two built-in phones.
//!
//! It uses what everybody can use: the `serve` command, the API, and softphones on real sockets.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use api_service::client::Client;
use api_service::view::{NewNumber, NewTenant, NewUser, RecordView, To};
use phone::{Command, Event, OnCall, Quality, Settings, Transport};
use sip::Status;

use crate::cli::DemoArgs;
use crate::config::Config;
use crate::ladder;
use crate::phones::{Desk, Handset, PhoneError, quality_text};

const TENANT: &str = "demo";
const DOMAIN: &str = "demo.strowger.example";
/// Name, password, number.
const USERS: [(&str, &str, &str); 3] =
    [("alice", "wonderland", "1001"), ("bob", "builder", "1002"), ("carol", "christmas", "1003")];
const ECHO: &str = "600";
const TALK: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);
/// Before a phone that was told to come later does.
const PAUSE: Duration = Duration::from_secs(5);

type Failure = Box<dyn std::error::Error>;

/// The platform under proof; it ends with the value.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let child = strowger_io::Pidfd::of_child(self.0.id());
        let _ = child.and_then(|child| child.signal(strowger_io::Signal::Terminate));
        let _ = self.0.wait();
    }
}

/// Starts, proves, and stays up (or not); true if the proof succeeded.
pub(crate) fn run(config: &Config, file: Option<&Path>, args: &DemoArgs) -> Result<bool, Failure> {
    println!("starting the platform (data in {}) ...", config.data.display());
    let mut served = serve(file)?;
    let client = wait_until_up(config, &mut served)?;
    furnish(&client)?;
    let proven = prove(config, &client)?;
    if args.once {
        return Ok(proven);
    }
    welcome(config);
    let status = served.0.wait()?;
    Ok(proven && status.success())
}

fn serve(file: Option<&Path>) -> Result<Served, Failure> {
    let mut command = Process::new("/proc/self/exe");
    if let Some(file) = file {
        command.arg("--config").arg(file);
    }
    let quiet = std::env::var_os("STROWGER_LOG_LEVEL").is_none();
    if quiet {
        command.env("STROWGER_LOG_LEVEL", "warn");
    }
    Ok(Served(command.arg("serve").stdin(Stdio::null()).spawn()?))
}

fn wait_until_up(config: &Config, served: &mut Served) -> Result<Client, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = served.0.try_wait()? {
            return Err(format!("the platform ended at once ({status}); what it said stands above").into());
        }
        if let Ok(client) = Client::of(config.api.listen, &config.data)
            && client.tenants().is_ok()
        {
            return Ok(client);
        }
        if Instant::now() > until {
            return Err(format!("the platform was not up within {PATIENCE:?}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The demo tenant with its users and numbers, as far as they are not there.
fn furnish(client: &Client) -> Result<(), Failure> {
    let tenants = client.tenants()?;
    if !tenants.iter().any(|tenant| tenant.name == TENANT) {
        let fallback = !tenants.iter().any(|tenant| tenant.fallback);
        client.add_tenant(&NewTenant { name: TENANT.into(), domains: vec![DOMAIN.into()], fallback })?;
    }
    let known = client.users(TENANT)?;
    for (name, password, number) in USERS {
        if !known.iter().any(|user| user.name == name) {
            client.add_user(
                TENANT,
                &NewUser {
                    name: name.into(),
                    password: password.into(),
                    number: Some(number.into()),
                    ..NewUser::default()
                },
            )?;
        }
    }
    if !client.numbers(TENANT)?.iter().any(|number| number.number == ECHO) {
        client.add_number(TENANT, &NewNumber { number: ECHO.into(), to: To::App("echo".into()) })?;
    }
    println!("tenant {TENANT}, SIP domain {DOMAIN}:");
    for (name, password, number) in USERS {
        println!("  user {name:<6} password {password:<11} number {number}");
    }
    println!("  number {ECHO} answers, says welcome, and plays back the digits you press");
    Ok(())
}

/// What came of the call.
#[derive(Default)]
struct Outcome {
    qualities: Vec<(usize, Quality)>,
    failure: Option<String>,
}

fn prove(config: &Config, client: &Client) -> Result<bool, Failure> {
    let server = sip_address(config)?;
    println!("two phones register at {server} and call each other ...");
    let before: Vec<String> = client.records(500)?.into_iter().map(|record| record.id).collect();
    let outcome = call(server)?;
    if let Some(failure) = outcome.failure {
        println!("the proof failed: {failure}");
        return Ok(false);
    }
    let Some(record) = record(client, &before)? else {
        println!("the proof failed: there is no call record");
        return Ok(false);
    };
    println!("\nladder of call {}:", record.id);
    print!("{}", ladder::draw(&client.ladder(&record.id)?.rungs(), false));
    println!("\naudio as each side measured it:");
    for (phone, quality) in &outcome.qualities {
        println!("  {:<6} {}", USERS[*phone].0, quality_text(quality));
    }
    println!("\ncall record:\n{}", serde_json::to_string_pretty(&record)?);
    let heard = outcome.qualities.iter().all(|(_, quality)| quality.received > 100 && quality.lost == 0);
    let proven = heard && outcome.qualities.len() == 2 && record.answered.is_some() && record.status == 200;
    println!(
        "\n{}",
        if proven { "it works." } else { "the proof failed: the audio or the record is not as it should be" }
    );
    Ok(proven)
}

/// Where phones of this host reach the platform.
fn sip_address(config: &Config) -> Result<SocketAddr, Failure> {
    let udp = config.sip.listen.iter().find(|listen| !listen.stream);
    let mut address = udp.ok_or("the demo needs a UDP listener in sip.listen")?.address;
    if address.ip().is_unspecified() {
        let loopback: SocketAddr =
            if address.is_ipv4() { ([127, 0, 0, 1], 0).into() } else { "[::1]:0".parse()? };
        address.set_ip(loopback.ip());
    }
    Ok(address)
}

fn call(server: SocketAddr) -> Result<Outcome, PhoneError> {
    let mut desk = Desk::new()?;
    let now = desk.clock.now().as_micros();
    for (number, (name, password, _)) in USERS.iter().take(2).enumerate() {
        let settle = |mut settings: Settings| {
            settings.user = (*name).to_owned();
            settings.domain = DOMAIN.to_owned();
            settings.password = Some((*password).to_owned());
            settings.on_call = OnCall::Answer(Duration::from_millis(300));
            settings.voice = audio::Tone::new(&[350.0 + 200.0 * number as f64], 6000.0, 8000).take(8000);
            settings.seed = now ^ (number as u64) << 48;
            settings
        };
        let listen = SocketAddr::new(server.ip(), 0);
        desk.add(Handset::open(listen, &[server], Transport::Udp, settle)?)?;
    }
    converse(&mut desk)
}

fn converse(desk: &mut Desk) -> Result<Outcome, PhoneError> {
    let (mut told, mut outcome) = (Vec::new(), Outcome::default());
    let (mut registered, mut hang_up, mut again) = (0, None, Vec::new());
    let until = Instant::now() + PATIENCE;
    desk.command(0, Command::Register, &mut told);
    desk.command(1, Command::Register, &mut told);
    while outcome.qualities.len() < 2 && outcome.failure.is_none() {
        desk.turn(Duration::from_millis(50), &mut told)?;
        for (phone, event) in std::mem::take(&mut told) {
            match event {
                Event::Registered(_) => {
                    registered += 1;
                    if registered == 2 {
                        desk.command(0, Command::Call(USERS[1].2.to_owned()), &mut told);
                    }
                }
                Event::Answered(call) if phone == 0 => hang_up = Some((Instant::now() + TALK, call)),
                Event::Over { refused: None, quality, .. } => outcome.qualities.push((phone, quality)),
                Event::Over { refused: Some(status), .. } => {
                    outcome.failure = Some(format!("the call was refused with {}", status.code()));
                }
                // Who is told to come later comes later.
                Event::NotRegistered(Some(Status::SERVICE_UNAVAILABLE)) => {
                    again.push((Instant::now() + PAUSE, phone));
                }
                Event::NotRegistered(status) => {
                    let why = status.map_or("no answer".to_owned(), |status| status.code().to_string());
                    outcome.failure = Some(format!("{} could not register: {why}", USERS[phone].0));
                }
                _ => {}
            }
        }
        for (_, phone) in again.extract_if(.., |(at, _)| Instant::now() >= *at) {
            desk.command(phone, Command::Register, &mut told);
        }
        if let Some((_, call)) = hang_up.take_if(|(at, _)| Instant::now() >= *at) {
            desk.command(0, Command::HangUp(call), &mut told);
        }
        if Instant::now() > until {
            outcome.failure = Some(format!("the call was not over within {PATIENCE:?}"));
        }
    }
    desk.leave(2)?;
    outcome.qualities.sort_by_key(|(phone, _)| *phone);
    Ok(outcome)
}

/// The record that was not there before.
fn record(client: &Client, before: &[String]) -> Result<Option<RecordView>, Failure> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let records = client.records(10)?;
        if let Some(new) = records.into_iter().find(|record| !before.contains(&record.id)) {
            return Ok(Some(new));
        }
        if Instant::now() > until {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn welcome(config: &Config) {
    let listens: Vec<String> = config.sip.listen.iter().copied().map(String::from).collect();
    println!("\nthe platform stays up. Point your own phone at it:");
    println!(
        "  registrar/proxy {}   domain {DOMAIN}   user carol, password christmas",
        listens.join(" and ")
    );
    println!(
        "  or here: strowger phone --domain {DOMAIN} --user carol --password christmas --register --call {ECHO}"
    );
    println!(
        "API: http://{}/v1/calls with the token in {}",
        config.api.listen,
        config.data.join("api-token").display()
    );
    println!("stop it with Ctrl-C");
}
