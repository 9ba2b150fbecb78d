//! What an operator may ask a supervisor for, on a Unix socket: three requests of a fixed form, and no other.
//!
//! - `P`: are you there? Answered by `P`.
//! - `X` with the descriptor of a program: go on as that program. The connection is closed by it; an answer says why not.
//! - `R` and the name of a worker: replace it by what runs the supervisor's own program.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use strowger_io::{Received, SeqListener, SeqSocket, acting_user};

/// No request is longer.
const LONGEST: usize = 32;
/// Whoever has not asked yet waits; more than these are turned away.
pub(crate) const MOST: usize = 8;

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Request {
    Ping,
    Execute(OwnedFd),
    Replace(String),
}

impl Request {
    /// Reads a request. `None` if it is none.
    fn read(bytes: &[u8], mut descriptors: Vec<OwnedFd>) -> Option<Request> {
        let (kind, rest) = bytes.split_first()?;
        match (kind, descriptors.len()) {
            (b'P', 0) if rest.is_empty() => Some(Request::Ping),
            (b'X', 1) if rest.is_empty() => descriptors.pop().map(Request::Execute),
            (b'R', 0) if !rest.is_empty() && rest.iter().all(u8::is_ascii_lowercase) => {
                String::from_utf8(rest.to_vec()).ok().map(Request::Replace)
            }
            _ => None,
        }
    }

    pub(crate) fn write(&self) -> (Vec<u8>, Vec<BorrowedFd<'_>>) {
        match self {
            Request::Ping => (b"P".to_vec(), Vec::new()),
            Request::Execute(program) => (b"X".to_vec(), vec![program.as_fd()]),
            Request::Replace(worker) => ([b"R", worker.as_bytes()].concat(), Vec::new()),
        }
    }
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Here,
    /// For so many microseconds nobody did the work.
    Done(u64),
    Failed(String),
}

impl Answer {
    pub(crate) fn give(&self, asker: &SeqSocket) {
        // Whoever does not wait for the answer does not get it.
        drop(asker.send(&self.write(), &[]));
    }

    fn write(&self) -> Vec<u8> {
        match self {
            Answer::Here => b"P".to_vec(),
            Answer::Done(gap) => format!("D{gap}").into_bytes(),
            Answer::Failed(why) => format!("F{why}").into_bytes(),
        }
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Answer> {
        let (kind, rest) = bytes.split_first()?;
        let rest = std::str::from_utf8(rest).ok()?;
        match kind {
            b'P' if rest.is_empty() => Some(Answer::Here),
            b'D' => rest.parse().ok().map(Answer::Done),
            b'F' => Some(Answer::Failed(rest.to_owned())),
            _ => None,
        }
    }
}

/// What came over a connection.
#[derive(Debug)]
pub(crate) enum Asked {
    NothingYet,
    Request(Request),
    /// It is closed, or says what we do not understand.
    Nonsense,
}

/// Reads what an operator asks for.
pub(crate) fn hear(asker: &SeqSocket) -> Asked {
    let (mut buffer, mut descriptors) = ([0; LONGEST], Vec::new());
    match asker.receive(&mut buffer, &mut descriptors) {
        Ok(Received::Nothing) => Asked::NothingYet,
        Ok(Received::Message(len)) => {
            Request::read(&buffer[..len], descriptors).map_or(Asked::Nonsense, Asked::Request)
        }
        Ok(Received::Closed) | Err(_) => Asked::Nonsense,
    }
}

/// Whether a process that connected may have a say: it acts as the user that we act as, or as root.
pub(crate) fn may_ask(asker: &SeqSocket) -> bool {
    asker.peer().is_ok_and(|peer| peer.user == 0 || peer.user == acting_user())
}

/// Listens at `path`, in place of whoever listened there before.
pub(crate) fn listen(path: &Path) -> strowger_io::Result<SeqListener> {
    // Bound beside it first, so that there always is a listener.
    let beside = path.with_extension("new");
    drop(std::fs::remove_file(&beside));
    let listener = SeqListener::bind(&beside)?;
    std::fs::rename(&beside, path).map_err(|source| strowger_io::Error {
        operation: "listen at",
        about: path.display().to_string(),
        source,
    })?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn a_request_is_of_a_fixed_form_or_none() {
        assert!(matches!(Request::read(b"P", vec![]), Some(Request::Ping)));
        assert!(matches!(Request::read(b"X", vec![null()]), Some(Request::Execute(_))));
        assert!(matches!(Request::read(b"Rmedia", vec![]), Some(Request::Replace(name)) if name == "media"));
        for nonsense in [b"".as_slice(), b"X", b"P ", b"R", b"RMedia", b"R../x", b"R\xff", b"Q"] {
            assert!(Request::read(nonsense, vec![]).is_none(), "{nonsense:?}");
        }
        assert!(Request::read(b"P", vec![null()]).is_none());
        assert!(Request::read(b"X", vec![null(), null()]).is_none());
    }

    #[test]
    fn requests_and_answers_survive_the_way() {
        let (us, them) = SeqSocket::pair().unwrap();
        for request in [Request::Ping, Request::Execute(null()), Request::Replace("office".into())] {
            let (bytes, descriptors) = request.write();
            assert!(us.send(&bytes, &descriptors).unwrap());
            let Asked::Request(heard) = hear(&them) else { panic!("{request:?} was not understood") };
            assert_eq!(std::mem::discriminant(&heard), std::mem::discriminant(&request));
        }
        assert!(matches!(hear(&them), Asked::NothingYet));
        assert!(may_ask(&them));
        for answer in [Answer::Here, Answer::Done(70), Answer::Failed("no".into())] {
            assert_eq!(Answer::read(&answer.write()), Some(answer));
        }
        drop(us);
        assert!(matches!(hear(&them), Asked::Nonsense));
    }
}
