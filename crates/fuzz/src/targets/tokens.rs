//! Tokens and the keys that vouch for them: nobody without the private key makes a token that is
//! believed, and no file of keys makes a believer of nothing.

use std::time::Duration;

use cassmail_mail::{Secret, UnixTime};
use cassmail_office::{TokenOptions, Tokens};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "tokens",
    about: "tokens that nobody has signed, and sets of keys",
    run,
    seeds,
    words: &[
        b"eyJhbGciOiJFUzI1NiJ9",
        b"eyJhbGciOiJub25lIn0",
        b"eyJhbGciOiJFZERTQSJ9",
        b"eyJhbGciOiJIUzI1NiJ9",
        b"eyJpc3MiOiJpIiwiYXVkIjoibSIsImVtYWlsIjoiYm9iQGhlcmUuZXhhbXBsZSIsImV4cCI6OTk5OTk5OTk5OX0",
        b".",
        b"..",
        b"{\"keys\":[",
        b"\"kty\":\"OKP\"",
        b"\"crv\":\"Ed25519\"",
        b"\"kty\":\"EC\"",
        b"\"kty\":\"RSA\"",
        b"\"kty\":\"oct\"",
        b"\"alg\":\"none\"",
        b"]}",
        b"\xff",
    ],
};

/// The key of RFC 8037 A.2, whose private half is published there: whoever finds its signatures at
/// random is welcome to.
const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// The example of RFC 8037 A.4: signed by that key, over a text that is no claim.
const SIGNED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
    hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn seeds() -> Vec<Vec<u8>> {
    let claims =
        "eyJpc3MiOiJpIiwiYXVkIjoibSIsImVtYWlsIjoiYm9iQGhlcmUuZXhhbXBsZSIsImV4cCI6OTk5OTk5OTk5OX0";
    let unsigned = format!("eyJhbGciOiJub25lIn0.{claims}.");
    let shared = format!("eyJhbGciOiJIUzI1NiJ9.{claims}.AAAA");
    let ec = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"p","x":"AA","y":"AA"},
        {"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AAAA"}]}"#;
    let all = [SIGNED, &unsigned, &shared, KEYS, ec];
    all.map(|text| text.as_bytes().to_vec()).to_vec()
}

fn options() -> TokenOptions {
    TokenOptions {
        issuer: "i".to_owned(),
        audience: "m".to_owned(),
        account_claim: "email".to_owned(),
        scope: String::new(),
        leeway: Duration::from_mins(1),
    }
}

fn run(data: &[u8]) {
    let believers = Tokens::new(options(), KEYS.as_bytes()).expect("a key that signs");
    let now = UnixTime::from_micros(1_700_000_000_000_000);
    let text = String::from_utf8_lossy(data).into_owned();
    let owner = believers.owner(&Secret::new(text), now);
    assert!(owner.is_err(), "a token that nobody has signed is believed");
    let is_set_of_keys = believers.replace_keys(data).is_ok();
    assert_eq!(is_set_of_keys, Tokens::check_keys(data).is_ok());
    let Some(cut) = data.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    // Keys of somebody's own making, then a token.
    if let Ok(tokens) = Tokens::new(options(), &data[..cut]) {
        let text = String::from_utf8_lossy(&data[cut..]).trim().to_owned();
        assert!(tokens.owner(&Secret::new(text), now).is_err());
    }
}
