//! A connection between brokers: both sides know the platform's secret, or nothing that came is believed.
//!
//! Whoever calls says a [`Hello`], the seat a [`Welcome`], each with fresh randomness. From then on every message is
//! sealed, in its order and its direction, under a key that follows from the secret and from both of them. Each side
//! says an empty message first, by which the other one sees that it knows the secret; nothing old can be said again. It
//! is not hidden: what brokers say holds no secret.
//!
//! A message is its length (4 bytes, little endian), its seal (8 bytes), and MessagePack.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use contract::NodeId;
use machine::{KeyedHash, Secret};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// What this release speaks.
const VERSION: u16 = 1;
/// No message is longer, bytes.
const LONGEST: usize = 16 << 20;
/// Nobody says more before it has proved itself, bytes.
const LONGEST_OF_A_STRANGER: usize = 1024;
/// How long the other side may take to connect and to say its first word.
const GREETING: Duration = Duration::from_millis(500);

/// Purposes of the hash under the platform's secret, and under a connection's key.
mod purpose {
    pub(super) const KEY: u8 = 0xB0;
    pub(super) const TO_SEAT: u8 = 0xB1;
    pub(super) const FROM_SEAT: u8 = 0xB2;
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Garbled(#[from] contract::DecodeError),
    #[error("a message of {0} bytes is announced")]
    TooLong(usize),
    #[error("the other side does not know the platform's secret")]
    Stranger,
    #[error("the other side said nothing for too long")]
    Silent,
    #[error("the other side speaks version {0}, this one {VERSION}")]
    Version(u16),
    #[error("no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// A seat asks another what Raft asks.
    Raft,
    /// A node says that it is there.
    Node,
    /// A node of another cell looks on, and says which cell it is of.
    Cell,
    #[default]
    #[serde(other)]
    Unknown,
}

/// Whoever calls begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Hello {
    version: u16,
    pub(crate) node: NodeId,
    pub(crate) purpose: Purpose,
    random: [u8; 16],
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Welcome {
    version: u16,
    random: [u8; 16],
}

/// A connection whose other side knows the secret.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) reading: Reading,
    pub(crate) writing: Writing,
}

#[derive(Debug)]
pub(crate) struct Reading {
    from: OwnedReadHalf,
    seal: Seal,
}

#[derive(Debug)]
pub(crate) struct Writing {
    to: OwnedWriteHalf,
    seal: Seal,
}

#[derive(Debug)]
struct Seal {
    hash: KeyedHash,
    purpose: u8,
    count: u64,
}

impl Seal {
    fn of(&self, body: &[u8]) -> u64 {
        self.hash.sum64(self.purpose, &[&self.count.to_le_bytes(), body])
    }
}

impl Wire {
    /// Calls a seat.
    pub(crate) async fn call(
        seat: SocketAddr,
        (node, purpose): (NodeId, Purpose),
        secret: &Secret,
    ) -> Result<Self, WireError> {
        let greet = async {
            let mut stream = TcpStream::connect(seat).await?;
            stream.set_nodelay(true)?;
            let hello = contract::encode(&Hello { version: VERSION, node, purpose, random: random()? });
            write_plainly(&mut stream, &hello).await?;
            let said = read_plainly(&mut stream).await?;
            check_version(contract::decode::<Welcome>(&said)?.version)?;
            let mut wire =
                Wire::over(stream, key(secret, &hello, &said), (purpose::FROM_SEAT, purpose::TO_SEAT));
            wire.writing.say(&()).await?;
            wire.reading.read::<()>().await?;
            Ok(wire)
        };
        timeout(GREETING, greet).await.map_err(|_| WireError::Silent)?
    }

    /// Takes a call.
    pub(crate) async fn answer(mut stream: TcpStream, secret: &Secret) -> Result<(Hello, Self), WireError> {
        let greet = async {
            stream.set_nodelay(true)?;
            let said = read_plainly(&mut stream).await?;
            let hello: Hello = contract::decode(&said)?;
            check_version(hello.version)?;
            let welcome = contract::encode(&Welcome { version: VERSION, random: random()? });
            write_plainly(&mut stream, &welcome).await?;
            let mut wire =
                Wire::over(stream, key(secret, &said, &welcome), (purpose::TO_SEAT, purpose::FROM_SEAT));
            wire.reading.read::<()>().await?;
            wire.writing.say(&()).await?;
            Ok((hello, wire))
        };
        timeout(GREETING, greet).await.map_err(|_| WireError::Silent)?
    }

    fn over(stream: TcpStream, key: Secret, (theirs, ours): (u8, u8)) -> Self {
        let (from, to) = stream.into_split();
        let seal = |purpose| Seal { hash: KeyedHash::new(key.clone()), purpose, count: 0 };
        Wire { reading: Reading { from, seal: seal(theirs) }, writing: Writing { to, seal: seal(ours) } }
    }
}

impl Reading {
    /// The next message. Not to be dropped half-way if there shall be another.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self, patience: Duration) -> Result<T, WireError> {
        timeout(patience, self.read()).await.map_err(|_| WireError::Silent)?
    }

    async fn read<T: DeserializeOwned>(&mut self) -> Result<T, WireError> {
        let length = self.from.read_u32_le().await? as usize;
        if length > if self.seal.count == 0 { LONGEST_OF_A_STRANGER } else { LONGEST } {
            return Err(WireError::TooLong(length));
        }
        let seal = self.from.read_u64_le().await?;
        let mut body = vec![0; length];
        self.from.read_exact(&mut body).await?;
        if seal != self.seal.of(&body) {
            return Err(WireError::Stranger);
        }
        self.seal.count += 1;
        Ok(contract::decode(&body)?)
    }
}

impl Writing {
    /// Says `message`.
    pub(crate) async fn say<T: Serialize>(&mut self, message: &T) -> Result<(), WireError> {
        self.say_encoded(&contract::encode(message)).await
    }

    /// Says what is encoded already.
    pub(crate) async fn say_encoded(&mut self, body: &[u8]) -> Result<(), WireError> {
        let mut bytes = Vec::with_capacity(12 + body.len());
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.seal.of(body).to_le_bytes());
        bytes.extend_from_slice(body);
        self.seal.count += 1;
        Ok(self.to.write_all(&bytes).await?)
    }
}

fn key(secret: &Secret, hello: &[u8], welcome: &[u8]) -> Secret {
    let key = KeyedHash::new(secret.clone()).sum128(purpose::KEY, &[hello, welcome]);
    Secret::new(key.to_le_bytes())
}

fn random() -> Result<[u8; 16], WireError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(WireError::Randomness)?;
    Ok(random)
}

fn check_version(version: u16) -> Result<(), WireError> {
    if version == 0 { Err(WireError::Version(version)) } else { Ok(()) }
}

async fn write_plainly(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    let mut bytes = (body.len() as u16).to_le_bytes().to_vec();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes).await
}

async fn read_plainly(stream: &mut TcpStream) -> Result<Vec<u8>, WireError> {
    let length = usize::from(stream.read_u16_le().await?);
    if length > LONGEST_OF_A_STRANGER {
        return Err(WireError::TooLong(length));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}
