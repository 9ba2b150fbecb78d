//! Speaks to the API of a platform on this host, for the command line. Blocks.

pub(crate) mod http;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::carrier_file;
use crate::problem::Problem;
use crate::token;
use crate::view::{
    CallView, CellView, ConflictView, Destination, Draining, HomeView, ImportView, LadderView, NewHome,
    NewNumber, NewTenant, NewUser, NodeView, NumberView, PageView, RecordView, RegistrationView, TenantView,
    UserView,
};

/// Why the API did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no platform answers at {address} ({source}): start it with `strowger serve`")]
    NotRunning {
        /// Where.
        address: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// There is no token to show.
    #[error("the API's token in {path}: {source}; the platform writes it when it is first started")]
    NoToken {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection broke, or took too long.
    #[error("the API at {address}: {source}")]
    Broken {
        /// Where.
        address: SocketAddr,
        /// What broke.
        source: io::Error,
    },
    /// The API refuses.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// Something answered that is not the API.
    #[error("what answers at {address} is not the API of a platform: {detail}")]
    NotTheApi {
        /// Where.
        address: SocketAddr,
        /// What came.
        detail: String,
    },
}

/// So many lines of a file are sent at once, and posted in one transaction.
const LINES_OF_A_PART: usize = 20_000;
/// How long a platform may take.
const PATIENCE: Duration = Duration::from_secs(30);
const JSON: &str = "application/json";

/// Speaks to the API.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    token: String,
}

impl Client {
    /// To the platform that listens on `listen` and has its data in `data`.
    pub fn of(listen: SocketAddr, data: &Path) -> Result<Self, ClientError> {
        let path = data.join(token::FILE);
        let token = token::read(&path).map_err(|source| ClientError::NoToken { path, source })?;
        Ok(Client::new(listen, token))
    }

    /// With a token at hand.
    pub fn new(listen: SocketAddr, token: impl Into<String>) -> Self {
        let ip = match listen.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Client { address: SocketAddr::new(ip, listen.port()), token: token.into() }
    }

    /// Adds a tenant.
    pub fn add_tenant(&self, tenant: &NewTenant) -> Result<TenantView, ClientError> {
        self.post("/v1/tenants", tenant)
    }

    /// All tenants.
    pub fn tenants(&self) -> Result<Vec<TenantView>, ClientError> {
        self.all("/v1/tenants")
    }

    /// Removes a tenant, with its users and numbers.
    pub fn remove_tenant(&self, name: &str) -> Result<(), ClientError> {
        self.delete(&format!("/v1/tenants/{}", escape(name)))
    }

    /// Adds a user.
    pub fn add_user(&self, tenant: &str, user: &NewUser) -> Result<UserView, ClientError> {
        self.post(&format!("/v1/tenants/{}/users", escape(tenant)), user)
    }

    /// A tenant's users.
    pub fn users(&self, tenant: &str) -> Result<Vec<UserView>, ClientError> {
        self.all(&format!("/v1/tenants/{}/users", escape(tenant)))
    }

    /// Removes a user.
    pub fn remove_user(&self, tenant: &str, name: &str) -> Result<(), ClientError> {
        self.delete(&format!("/v1/tenants/{}/users/{}", escape(tenant), escape(name)))
    }

    /// Adds a number.
    pub fn add_number(&self, tenant: &str, number: &NewNumber) -> Result<NumberView, ClientError> {
        self.post(&format!("/v1/tenants/{}/numbers", escape(tenant)), number)
    }

    /// A tenant's numbers.
    pub fn numbers(&self, tenant: &str) -> Result<Vec<NumberView>, ClientError> {
        self.all(&format!("/v1/tenants/{}/numbers", escape(tenant)))
    }

    /// Removes a number.
    pub fn remove_number(&self, tenant: &str, number: &str) -> Result<(), ClientError> {
        self.delete(&format!("/v1/tenants/{}/numbers/{}", escape(tenant), escape(number)))
    }

    /// The calls in progress.
    pub fn calls(&self) -> Result<Vec<CallView>, ClientError> {
        self.all("/v1/calls")
    }

    /// Ends a call.
    pub fn hang_up(&self, call: &str) -> Result<(), ClientError> {
        self.delete(&format!("/v1/calls/{}", escape(call)))
    }

    /// What was said in a call.
    pub fn ladder(&self, call: &str) -> Result<LadderView, ClientError> {
        self.get(&format!("/v1/calls/{}/ladder", escape(call)))
    }

    /// Who is registered.
    pub fn registrations(&self) -> Result<Vec<RegistrationView>, ClientError> {
        self.all("/v1/registrations")
    }

    /// The youngest records, at most `limit`.
    pub fn records(&self, limit: u32) -> Result<Vec<RecordView>, ClientError> {
        let page: PageView<RecordView> = self.get(&format!("/v1/call-records?limit={limit}"))?;
        Ok(page.items)
    }

    /// The record of one call.
    pub fn record(&self, call: &str) -> Result<RecordView, ClientError> {
        self.get(&format!("/v1/call-records/{}", escape(call)))
    }

    /// Imports a carrier's file, `micros` a minute and what is begun of `step` seconds charged whole; parts of a long one
    /// after each other, each told to `told`.
    pub fn import_records(
        &self,
        file: &[u8],
        (carrier, tenant): (&str, Option<&str>),
        (micros, step): (i64, u32),
        mut told: impl FnMut(ImportView),
    ) -> Result<(), ClientError> {
        let tenant = tenant.map(|tenant| format!("&tenant={}", escape(tenant))).unwrap_or_default();
        let query = format!(
            "/v1/record-imports?carrier={}&micros_per_minute={micros}&step_seconds={step}{tenant}",
            escape(carrier)
        );
        let lines: Vec<&[u8]> = file.split_inclusive(|&byte| byte == b'\n').collect();
        // Each part is told what the columns are.
        let (heading, lines) = match lines.split_first() {
            Some((first, rest)) if carrier_file::is_heading(first) => (Some(*first), rest),
            _ => (None, &lines[..]),
        };
        for (part, lines) in lines.chunks(LINES_OF_A_PART).enumerate() {
            let path = format!("{query}&first_line={}", part * LINES_OF_A_PART + 1);
            let body = [heading.unwrap_or_default(), &lines.concat()].concat();
            told(self.read(&self.exchange("POST", &path, Some(("text/csv", &body)))?)?);
        }
        Ok(())
    }

    /// The cells of the platform.
    pub fn cells(&self) -> Result<Vec<CellView>, ClientError> {
        self.get("/v1/cells")
    }

    /// Names that two cells gave at once.
    pub fn conflicts(&self) -> Result<Vec<ConflictView>, ClientError> {
        self.get("/v1/cells/conflicts")
    }

    /// Where an account is at home.
    pub fn home(&self, tenant: &str, name: &str) -> Result<HomeView, ClientError> {
        self.get(&format!("/v1/tenants/{}/users/{}/home", escape(tenant), escape(name)))
    }

    /// Moves an account to another cell.
    pub fn move_account(&self, tenant: &str, name: &str, to: u8) -> Result<HomeView, ClientError> {
        self.post(&format!("/v1/tenants/{}/users/{}/move", escape(tenant), escape(name)), &NewHome { to })
    }

    /// The hosts of the platform.
    pub fn nodes(&self) -> Result<Vec<NodeView>, ClientError> {
        self.get("/v1/nodes")
    }

    /// Has a host hand on all that it owns, or own again.
    pub fn drain(&self, node: u16, back: bool) -> Result<(), ClientError> {
        self.tell(&format!("/v1/nodes/{node}/drain"), &Draining { back })
    }

    /// Moves the audio of a call to another host.
    pub fn move_call(&self, call: &str, to: u16) -> Result<(), ClientError> {
        self.tell(&format!("/v1/calls/{}/move", escape(call)), &Destination { to })
    }

    /// Whatever is at `path`, as JSON.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(&self.exchange("GET", path, None)?)
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.not_the_api(error))?;
        self.read(&self.exchange("POST", path, Some((JSON, &body)))?)
    }

    fn tell(&self, path: &str, body: &impl Serialize) -> Result<(), ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.not_the_api(error))?;
        self.exchange("POST", path, Some((JSON, &body))).map(drop)
    }

    fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.exchange("DELETE", path, None).map(drop)
    }

    /// All pages of a list.
    fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        let (mut items, mut after) = (Vec::new(), None::<String>);
        loop {
            let place = after.as_deref().map(|after| format!("&after={}", escape(after))).unwrap_or_default();
            let page: PageView<T> = self.get(&format!("{path}?limit=1000{place}"))?;
            items.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(items);
            }
        }
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<Vec<u8>, ClientError> {
        let address = self.address;
        let response =
            http::exchange((address, PATIENCE), &self.token, (method, path), body).map_err(|error| {
                match error {
                    http::Error::Connect(source) => ClientError::NotRunning { address, source },
                    http::Error::Io(source) => ClientError::Broken { address, source },
                    http::Error::NotHttp(detail) => ClientError::NotTheApi { address, detail },
                }
            })?;
        if (200..300).contains(&response.status) {
            return Ok(response.body);
        }
        match serde_json::from_slice(&response.body) {
            Ok(problem) => Err(ClientError::Refused(problem)),
            Err(_) => Err(self.not_the_api(format!("status {}", response.status))),
        }
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|error| self.not_the_api(error))
    }

    fn not_the_api(&self, detail: impl std::fmt::Display) -> ClientError {
        ClientError::NotTheApi { address: self.address, detail: detail.to_string() }
    }
}

/// `text` as one segment of a path, or one value of a query.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
