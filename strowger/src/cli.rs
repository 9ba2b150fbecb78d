use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use plan::Demand;

/// A telephone exchange that needs no operator.
#[derive(Debug, Parser)]
#[command(name = "strowger", version, about, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// The configuration file; without it, ./strowger.toml if it is there, else all defaults.
    #[arg(long, short, global = true, value_name = "FILE", env = "STROWGER_CONFIG_FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the platform on this host: the supervisor and its workers.
    Serve(ServeArgs),
    /// Start a platform with a demo tenant and prove it with a call between two built-in phones.
    Demo(DemoArgs),
    /// Read the configuration, say what is wrong with it, and do no more.
    CheckConfig {
        /// Print it as the platform understands it.
        #[arg(long)]
        print: bool,
    },
    /// How the workers do.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Replace every process of the running platform by another program, one after another, while calls go on.
    Upgrade {
        /// The program to go on with; without it, what lies now where the running one was started from.
        #[arg(long, value_name = "PATH")]
        binary: Option<PathBuf>,
    },
    /// The hosts of the platform: who is there, who owns what.
    Nodes,
    /// Empty a host while calls go on: it hands on all that it owns, and the audio of its calls is moved.
    Drain {
        /// The host's number.
        node: u16,
        /// It shall own again.
        #[arg(long)]
        back: bool,
    },
    /// Move something to another host while it goes on.
    #[command(subcommand)]
    Move(MoveCommand),
    /// A phone for the terminal: register, call, answer, play, record, measure.
    Phone(PhoneArgs),
    /// Show the ladder of a call.
    Trace(TraceArgs),
    /// How many cells, hosts, cores and how much bandwidth a number of subscribers needs.
    Plan(PlanArgs),
    /// Tenants: brands and companies, each with its own users and numbers.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Users: who may register and call.
    #[command(subcommand)]
    User(UserCommand),
    /// Numbers, and where they lead.
    #[command(subcommand)]
    Number(NumberCommand),
    /// The cells of the platform, and what waits for them.
    Cells,
    /// In which cell an account is at home, and its move to another one.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Records of calls.
    #[command(subcommand)]
    Records(RecordsCommand),
    /// One worker; the supervisor starts it.
    #[command(hide = true)]
    Worker {
        /// `signalling`, `media`, `office` or `standby`.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum MoveCommand {
    /// The audio of a call: both phones are told by re-INVITE.
    Call {
        /// The call's number.
        id: String,
        /// The number of a host with media.
        #[arg(long, value_name = "NODE")]
        to: u16,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Which roles run here.
    #[arg(long, value_delimiter = ',', value_name = "ROLE,...")]
    pub(crate) roles: Vec<String>,
    /// Where the predecessor in this process left what is ours.
    #[arg(long, hide = true, value_name = "DESCRIPTOR")]
    pub(crate) inherit: Option<i32>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after the proof, with its result as the exit status.
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Who may register and call.
    #[arg(long)]
    pub(crate) subscribers: f64,
    /// Call attempts in the busiest hour, of all together; one a subscriber if it is not said.
    #[arg(long)]
    pub(crate) busy_hour_calls: Option<f64>,
    /// The share of attempts that are answered.
    #[arg(long, default_value_t = Demand::default().answered)]
    pub(crate) answered: f64,
    /// How long an answered call lasts, seconds.
    #[arg(long, default_value_t = Demand::default().talk)]
    pub(crate) talk: f64,
    /// How long it rings, seconds.
    #[arg(long, default_value_t = Demand::default().ringing)]
    pub(crate) ringing: f64,
    /// The share of calls that go by trunks.
    #[arg(long, default_value_t = Demand::default().off_net)]
    pub(crate) off_net: f64,
    /// Phones that a subscriber has registered.
    #[arg(long, default_value_t = Demand::default().contacts)]
    pub(crate) contacts: f64,
    /// Between two REGISTERs of one phone, seconds.
    #[arg(long, default_value_t = Demand::default().refresh)]
    pub(crate) refresh: f64,
    /// After an outage phones try again within so many seconds.
    #[arg(long, default_value_t = Demand::default().retry)]
    pub(crate) retry: f64,
    /// `signalling.retry_after_seconds`: who is refused comes back after that, twice as long at most.
    #[arg(long, default_value_t = Demand::default().retry_after)]
    pub(crate) retry_after: f64,
    /// Bytes of sound in an RTP packet (G.711: 160).
    #[arg(long, default_value_t = Demand::default().payload)]
    pub(crate) payload: f64,
    /// RTP packets that one phone sends in a second.
    #[arg(long, default_value_t = Demand::default().packets)]
    pub(crate) packets: f64,
    /// The share of attempts that may find no port or no trunk.
    #[arg(long, default_value_t = Demand::default().most_blocked)]
    pub(crate) blocked: f64,
    /// A cell has no more subscribers of its own.
    #[arg(long, default_value_t = Demand::default().cell)]
    pub(crate) cell: f64,
    /// Processors of a host.
    #[arg(long, default_value_t = Demand::default().host.cores)]
    pub(crate) cores: f64,
    /// Memory of a host, gigabytes.
    #[arg(long, default_value_t = Demand::default().host.memory)]
    pub(crate) memory: f64,
    /// Network of a host, gigabits a second.
    #[arg(long, default_value_t = Demand::default().host.network)]
    pub(crate) network: f64,
    /// How far a host may be used when another one, and a cell, are away.
    #[arg(long, default_value_t = Demand::default().host.usage)]
    pub(crate) usage: f64,
    /// What was measured elsewhere: another benches/results.json.
    #[arg(long, value_name = "FILE")]
    pub(crate) results: Option<PathBuf>,
    /// As JSON, with each sum.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PhoneArgs {
    /// Where the exchange is, `HOST[:PORT]`; said again: where to turn when the ones before don't answer. Once the first
    /// one answers again, the phone goes back to it.
    #[arg(long, default_value = "127.0.0.1:5060")]
    pub(crate) server: Vec<String>,
    /// The SIP domain; the first server's host if it is not said.
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Who this is. With --count, `{}` stands for the number of the phone.
    #[arg(long)]
    pub(crate) user: String,
    /// The password; `{}` as in --user.
    #[arg(long, env = "STROWGER_PHONE_PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,
    /// `udp` or `tcp`.
    #[arg(long, default_value = "udp")]
    pub(crate) transport: String,
    /// The address to hear on; port 0 takes a free one.
    #[arg(long, default_value = "0.0.0.0:0")]
    pub(crate) listen: SocketAddr,
    /// Register first.
    #[arg(long)]
    pub(crate) register: bool,
    /// Whom to call; `{}` as in --user.
    #[arg(long, value_name = "WHO")]
    pub(crate) call: Option<String>,
    /// Answer calls that come.
    #[arg(long)]
    pub(crate) answer: bool,
    /// Ring so long before answering, milliseconds.
    #[arg(long, default_value_t = 200)]
    pub(crate) answer_after: u64,
    /// What to say: a WAV file. Without it, a tone.
    #[arg(long, value_name = "FILE")]
    pub(crate) play: Option<PathBuf>,
    /// What was heard goes into this WAV file.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Digits to press once the call is answered.
    #[arg(long)]
    pub(crate) dtmf: Option<String>,
    /// Hang up so many seconds after the answer.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) talk: f64,
    /// End when idle for so many seconds: no call, none expected.
    #[arg(long)]
    pub(crate) wait: Option<f64>,
    /// So many phones.
    #[arg(long, default_value_t = 1)]
    pub(crate) count: u32,
    /// Begin so many registrations or calls a second.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) rate: f64,
    /// One JSON object a line instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The call's id; without it, the calls there are and the last that were.
    pub(crate) call: Option<String>,
    /// The messages in full.
    #[arg(long, short)]
    pub(crate) full: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Where it is at home.
    Show {
        /// The tenant's short name.
        tenant: String,
        /// The user's name.
        name: String,
    },
    /// Move accounts with their numbers, money and registrations, while calls go on.
    Move {
        /// The tenant's short name.
        tenant: String,
        /// The users' names.
        #[arg(required_unless_present = "share", conflicts_with = "share")]
        names: Vec<String>,
        /// This share of all that are at home here, 0 to 1.
        #[arg(long)]
        share: Option<f64>,
        /// The number of their new cell.
        #[arg(long, value_name = "CELL")]
        to: u8,
        /// So many a second at most.
        #[arg(long, default_value_t = 20.0)]
        rate: f64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordsCommand {
    /// Keep and charge the calls that a carrier took and tells of in a file, each once however often it is delivered.
    Import {
        /// A line for each call: `id,caller,dialed,start,seconds`. A caller is `user@domain`, or a user or number alone.
        file: PathBuf,
        /// Who delivers it.
        #[arg(long)]
        carrier: String,
        /// What a minute costs, in the platform's currency.
        #[arg(long, value_name = "AMOUNT", value_parser = crate::nouns::micros)]
        rate: i64,
        /// What is begun of so many seconds is charged whole: 1, or 60 for minutes.
        #[arg(long, default_value_t = 1, value_name = "SECONDS")]
        step: u32,
        /// Whose the callers are whose name says no domain; the tenant's that takes unknown domains.
        #[arg(long)]
        tenant: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Add a tenant.
    Add {
        /// Its short name.
        name: String,
        /// A SIP domain of it; may be said again. The first is the digest realm.
        #[arg(long, required = true)]
        domain: Vec<String>,
        /// Requests for domains that nobody owns (addresses) are for this tenant.
        #[arg(long)]
        fallback: bool,
    },
    /// List all.
    List,
    /// Remove one, with its users and numbers.
    Remove {
        /// Its short name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user.
    Add {
        /// The tenant's short name.
        tenant: String,
        /// The user's name.
        name: String,
        /// The password for SIP digests; asked from standard input if it is not said.
        #[arg(long)]
        password: Option<String>,
        /// Shown to those who are called.
        #[arg(long)]
        display_name: Option<String>,
        /// The number shown to those who are called.
        #[arg(long)]
        number: Option<String>,
        /// Audio goes directly between the phones instead of through our anchor.
        #[arg(long)]
        direct_media: bool,
    },
    /// List a tenant's users.
    List {
        /// The tenant's short name.
        tenant: String,
    },
    /// Remove one.
    Remove {
        /// The tenant's short name.
        tenant: String,
        /// The user's name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum NumberCommand {
    /// Add a number that leads to a user or an app.
    Add {
        /// The tenant's short name.
        tenant: String,
        /// Digits, as dialed.
        number: String,
        /// It leads to this user.
        #[arg(long, conflicts_with = "app", required_unless_present = "app")]
        user: Option<String>,
        /// It leads to this app, e.g. `echo`.
        #[arg(long)]
        app: Option<String>,
    },
    /// List a tenant's numbers.
    List {
        /// The tenant's short name.
        tenant: String,
    },
    /// Remove one.
    Remove {
        /// The tenant's short name.
        tenant: String,
        /// The number.
        number: String,
    },
}

/// Variables of the environment that are about the command line, not the configuration.
pub(crate) const VARIABLES: [&str; 2] = ["STROWGER_CONFIG_FILE", "STROWGER_PHONE_PASSWORD"];
