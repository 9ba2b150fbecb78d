//! An operator, an account and a user, as `nsc` would make them.

use nkeys::KeyPair;

/// The server's configuration, and the user's file of credentials.
pub(super) fn operator_and_credentials() -> (String, String) {
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let operator_jwt = jwt(&operator, &operator, r#""type":"operator","version":2"#);
    let limits = ["subs", "data", "payload", "imports", "exports", "conn", "leaf"]
        .map(|name| format!("\"{name}\":-1"))
        .join(",");
    let account_claims = format!(r#""type":"account","version":2,"limits":{{{limits},"wildcards":true}}"#);
    let account_jwt = jwt(&operator, &account, &account_claims);
    let user_claims = r#""type":"user","version":2,"subs":-1,"data":-1,"payload":-1"#;
    let user_jwt = jwt(&account, &user, user_claims);
    let config = format!(
        "operator: \"{operator_jwt}\"\nresolver: MEMORY\nresolver_preload {{ {}: \"{account_jwt}\" }}",
        account.public_key()
    );
    let credentials = format!(
        "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        user.seed().unwrap()
    );
    (config, credentials)
}

/// `issuer` says who `subject` is.
fn jwt(issuer: &KeyPair, subject: &KeyPair, claims: &str) -> String {
    let head = base64(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let (issuer_key, subject_key) = (issuer.public_key(), subject.public_key());
    let body = format!(
        r#"{{"jti":"{subject_key}","iat":1700000000,"iss":"{issuer_key}","name":"test","sub":"{subject_key}","nats":{{{claims}}}}}"#
    );
    let signed = format!("{head}.{}", base64(body.as_bytes()));
    let signature = base64(&issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

/// RFC 4648 5, without padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(LETTERS[(word >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}
