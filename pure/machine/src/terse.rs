//! How state is written where bytes count: what a reader takes for granted is left out, and an address is
//! its octets. For serde's attributes; everything that was written at length before is still read.

use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// For `skip_serializing_if`, where the reader has `default`.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What can be written as octets: 4 or 16 of an address, and 2 of a port.
pub trait Octets: Serialize + DeserializeOwned {
    #[doc(hidden)]
    type V4: DeserializeOwned + Into<Self>;
    #[doc(hidden)]
    type V6: DeserializeOwned + Into<Self>;
    #[doc(hidden)]
    fn octets(&self) -> ([u8; 18], usize);
    #[doc(hidden)]
    fn of(octets: &[u8]) -> Option<Self>;
}

impl Octets for IpAddr {
    type V4 = Ipv4Addr;
    type V6 = Ipv6Addr;

    fn octets(&self) -> ([u8; 18], usize) {
        let mut octets = [0; 18];
        let length = match self {
            IpAddr::V4(ip) => {
                octets[..4].copy_from_slice(&ip.octets());
                4
            }
            IpAddr::V6(ip) => {
                octets[..16].copy_from_slice(&ip.octets());
                16
            }
        };
        (octets, length)
    }

    fn of(octets: &[u8]) -> Option<Self> {
        match octets.len() {
            4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
            16 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
            _ => None,
        }
    }
}

impl Octets for SocketAddr {
    type V4 = SocketAddrV4;
    type V6 = SocketAddrV6;

    fn octets(&self) -> ([u8; 18], usize) {
        let (mut octets, length) = self.ip().octets();
        octets[length..length + 2].copy_from_slice(&self.port().to_be_bytes());
        (octets, length + 2)
    }

    fn of(octets: &[u8]) -> Option<Self> {
        let (ip, port) = octets.split_last_chunk()?;
        Some(SocketAddr::new(IpAddr::of(ip)?, u16::from_be_bytes(*port)))
    }
}

struct Reading<T>(PhantomData<T>);

impl<'de, T: Octets> Visitor<'de> for Reading<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<Self::Value, E> {
        T::of(octets).map(Some).ok_or_else(|| E::invalid_length(octets.len(), &self))
    }

    /// At length: a map of its kind to its parts.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let kind = map.next_key::<String>()?;
        match kind.as_deref() {
            Some("V4") => map.next_value::<T::V4>().map(|value| Some(value.into())),
            Some("V6") => map.next_value::<T::V6>().map(|value| Some(value.into())),
            _ => Err(A::Error::custom("an address of a kind that nobody knows")),
        }
    }
}

/// For `with`: an address, as its octets unless people are to read it.
pub mod address {
    use super::{Deserializer, Error, Octets, PhantomData, Reading, Serializer};

    /// Writes it.
    ///
    /// # Errors
    /// When the serializer fails.
    pub fn serialize<T: Octets, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return value.serialize(serializer);
        }
        let (octets, length) = value.octets();
        serializer.serialize_bytes(&octets[..length])
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is none.
    pub fn deserialize<'de, T: Octets, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        if deserializer.is_human_readable() {
            return T::deserialize(deserializer);
        }
        let read = deserializer.deserialize_any(Reading(PhantomData))?;
        read.ok_or_else(|| D::Error::custom("an address is missing"))
    }
}

/// For `with`: an address or none.
pub mod maybe_address {
    use super::{Deserialize, Deserializer, Octets, PhantomData, Reading, Serializer, address};

    /// Writes it.
    ///
    /// # Errors
    /// When the serializer fails.
    pub fn serialize<T: Octets, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => address::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is neither.
    pub fn deserialize<'de, T: Octets, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        if deserializer.is_human_readable() {
            return Option::deserialize(deserializer);
        }
        deserializer.deserialize_any(Reading(PhantomData))
    }
}
