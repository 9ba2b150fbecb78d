//! Who is let in, and who is believed.

mod jwt;

use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::Role;
use contract::media::Gauge;
use contract::query::Gauges;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use strowger_nats::{Credentials, Identity, Nats, Options, Tls};

use crate::across::who;
use crate::seam::Looped;
use crate::server::{Server, folder, free_port};

/// Whether one with these `options` can ask, and is answered.
async fn is_let_in(server: &Server, options: Options) -> bool {
    let nats = Nats::start(Options { servers: vec![server.url()], ..options }).unwrap();
    let mailbox = nats.mailbox(who("media", 1, &[Role::Media])).unwrap();
    let _media = Looped::start(mailbox).answering::<Gauge>(Gauges::default());
    for _ in 0..3 {
        if nats.client().ask(None, &Gauge::default()).await.is_ok() {
            return true;
        }
    }
    false
}

fn with(credentials: Credentials) -> Options {
    Options { credentials, ..Options::default() }
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn a_password_lets_in() {
    let server = Server::with("authorization { user: exchange, password: secret }");
    let password =
        |password: &str| with(Credentials::Password { user: "exchange".into(), password: password.into() });
    assert!(is_let_in(&server, password("secret")).await);
    assert!(!is_let_in(&server, password("guess")).await);
    assert!(!is_let_in(&server, Options::default()).await);
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn a_token_lets_in() {
    let server = Server::with("authorization { token: secret }");
    assert!(is_let_in(&server, with(Credentials::Token("secret".into()))).await);
    assert!(!is_let_in(&server, with(Credentials::Token("guess".into()))).await);
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn an_nkey_lets_in() {
    let (ours, another) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let server = Server::with(&format!("authorization {{ users: [ {{ nkey: {} }} ] }}", ours.public_key()));
    assert!(is_let_in(&server, with(Credentials::Nkey(ours.seed().unwrap()))).await);
    assert!(!is_let_in(&server, with(Credentials::Nkey(another.seed().unwrap()))).await);
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn a_file_of_credentials_lets_in() {
    let (operator, creds) = jwt::operator_and_credentials();
    let server = Server::without_streams(free_port(), folder(), &operator);
    let place = folder();
    let file = place.join("exchange.creds");
    std::fs::write(&file, creds).unwrap();
    assert!(is_let_in(&server, with(Credentials::File(file.clone()))).await);
    std::fs::write(&file, jwt::operator_and_credentials().1).unwrap();
    assert!(!is_let_in(&server, with(Credentials::File(file))).await, "of another operator");
    std::fs::remove_dir_all(place).unwrap();
    let missing = Nats::start(with(Credentials::File(PathBuf::from("/nowhere.creds")))).unwrap_err();
    assert!(missing.to_string().starts_with("the credentials in /nowhere.creds"), "{missing}");
}

/// An authority with certificates for a server and a client, as PEM files in `place`.
fn certificates(place: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(place.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let authority = Issuer::new(params, key);
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        std::fs::write(place.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(place.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn a_server_is_believed_and_believes_by_certificate() {
    let (place, stranger) = (folder(), folder());
    certificates(&place);
    certificates(&stranger);
    let path = |name: &str| place.join(name).display().to_string();
    let server = Server::with(&format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}",
        path("server.pem"),
        path("server.key"),
        path("ca.pem")
    ));
    let tls = |authority: &Path, identity: Option<&Path>| {
        let identity = identity
            .map(|place| Identity { certificate: place.join("client.pem"), key: place.join("client.key") });
        Options {
            tls: Some(Tls { authorities: Some(authority.join("ca.pem")), identity }),
            ..Options::default()
        }
    };
    assert!(is_let_in(&server, tls(&place, Some(&place))).await);
    assert!(!is_let_in(&server, tls(&place, Some(&stranger))).await, "the server does not know us");
    assert!(!is_let_in(&server, tls(&place, None)).await, "we did not say who we are");
    assert!(!is_let_in(&server, tls(&stranger, Some(&place))).await, "we do not believe the server");
    tokio::time::sleep(Duration::from_millis(10)).await;
    for place in [place, stranger] {
        std::fs::remove_dir_all(place).unwrap();
    }
}
