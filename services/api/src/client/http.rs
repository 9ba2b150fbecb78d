//! As much of HTTP/1.1 as it takes to speak to our own API: one request, one response, one connection. Each step of it
//! may take as long as `patience`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer of the API is longer.
const LONGEST: u64 = 256 << 20;

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

pub(crate) enum Error {
    Connect(io::Error),
    Io(io::Error),
    NotHttp(String),
}

pub(crate) fn exchange(
    (address, patience): (SocketAddr, Duration),
    token: &str,
    (method, path): (&str, &str),
    body: Option<(&str, &[u8])>,
) -> Result<Response, Error> {
    let mut stream = TcpStream::connect_timeout(&address, patience).map_err(Error::Connect)?;
    stream.set_read_timeout(Some(patience)).map_err(Error::Io)?;
    stream.set_write_timeout(Some(patience)).map_err(Error::Io)?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Accept: application/json\r\nConnection: close\r\n"
    )
    .into_bytes();
    if let Some((kind, body)) = body {
        request.extend(format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()).bytes());
    }
    request.extend(b"\r\n");
    request.extend(body.map_or(&[][..], |(_, body)| body));
    stream.write_all(&request).map_err(Error::Io)?;
    let mut response = Vec::new();
    stream.take(LONGEST).read_to_end(&mut response).map_err(Error::Io)?;
    read(response)
}

fn read(mut bytes: Vec<u8>) -> Result<Response, Error> {
    let wrong = |what: &str| Error::NotHttp(what.to_owned());
    let end =
        bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| wrong("no HTTP response"))?;
    let mut body = bytes.split_off(end + 4);
    let head = String::from_utf8_lossy(&bytes);
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
        .ok_or_else(|| wrong("no HTTP response"))?;
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(wrong("a response in pieces"));
        }
        if name.eq_ignore_ascii_case("content-length") {
            let length: usize = value.trim().parse().map_err(|_| wrong("a response without a length"))?;
            if body.len() < length {
                return Err(Error::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            body.truncate(length);
        }
    }
    Ok(Response { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_and_half_of_one_is_not() {
        let whole = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}".to_vec();
        let response = read(whole.clone()).ok().unwrap();
        assert_eq!((response.status, response.body.as_slice()), (201, b"{}".as_slice()));
        assert!(matches!(read(whole[..whole.len() - 1].to_vec()), Err(Error::Io(_))));
        assert!(matches!(read(b"SSH-2.0-OpenSSH\r\n".to_vec()), Err(Error::NotHttp(_))));
    }
}
