//! Logins with tokens; what makes a token one to be believed is tested where that is decided.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cassmail_mail::Secret;
use cassmail_office::{LoggedIn, LoginFailure, TokenOptions, Tokens};
use cassmail_store::Service;
use cassmail_wire::Source;
use cassmail_wire::sasl::{Claim, Proof};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use crate::house::House;

/// Somebody who makes tokens, and a house that believes them.
struct Scene {
    key: Ed25519KeyPair,
    house: House,
}

impl Scene {
    async fn new() -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.public_key());
        let jwks = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
        let options = TokenOptions {
            issuer: "login".to_owned(),
            audience: "mail".to_owned(),
            account_claim: "sub".to_owned(),
            scope: String::new(),
            leeway: Duration::ZERO,
        };
        let tokens = Tokens::new(options, jwks.as_bytes()).unwrap();
        let house = House::believing(&House::build().await, tokens);
        Self { key, house }
    }

    /// Good for an hour on the clock of the house.
    fn token(&self, owner: &str) -> Secret {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA"}"#);
        let claims = format!(r#"{{"iss":"login","aud":"mail","exp":1700003600,"sub":"{owner}"}}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        Secret::new(format!("{signed}.{signature}"))
    }

    async fn log_in(&self, user: &str, token: Secret) -> Result<LoggedIn, &'static str> {
        try_token(&self.house, user, token).await
    }
}

async fn try_token(house: &House, user: &str, token: Secret) -> Result<LoggedIn, &'static str> {
    let claim = Claim {
        user: user.to_owned(),
        proof: Proof::Token(token),
    };
    let source = Source::of([192, 0, 2, 7].into());
    match house.logins.check(claim, Service::Submission, source).await {
        Ok((logged_in, _)) => Ok(logged_in),
        Err(LoginFailure::Wrong(reason)) => Err(reason),
        Err(fault) => panic!("{fault:?}"),
    }
}

#[tokio::test]
async fn a_token_logs_its_owner_in_whatever_the_spelling() {
    let scene = Scene::new().await;
    for owner in ["bob@here.example", "bob"] {
        for user in ["", "bob", "BOB@here.example"] {
            let logged_in = scene.log_in(user, scene.token(owner)).await.unwrap();
            assert_eq!(logged_in.address.to_string(), "bob@here.example");
        }
    }
}

#[tokio::test]
async fn a_token_logs_nobody_else_in() {
    let scene = Scene::new().await;
    let wrong = async |user, owner| {
        let refused = scene.log_in(user, scene.token(owner)).await;
        refused.unwrap_err()
    };
    let another = "the token is another account's";
    assert_eq!(wrong("carol", "bob").await, another);
    assert_eq!(wrong("no address at all", "bob").await, another);
    assert_eq!(wrong("", "nobody").await, "no such account");
    assert_eq!(wrong("", "dave").await, "account is disabled");
    let slept = scene.house.clock.slept.lock().unwrap().clone();
    assert!(slept.len() == 4 && slept.iter().all(|slept| *slept >= Duration::from_secs(1)));
}

/// A device that keeps showing an old token is no guesser.
#[tokio::test]
async fn a_wrong_token_is_known_again() {
    let scene = Scene::new().await;
    let try_out = async |text: &str| {
        let refused = scene.log_in("bob", Secret::new(text.to_owned())).await;
        assert_eq!(refused.unwrap_err(), "it is no token");
    };
    for text in ["a.b.c", "a.b.c", "a.b.d"] {
        try_out(text).await;
    }
    let slept = scene.house.clock.slept.lock().unwrap().clone();
    assert_eq!(slept[0], slept[1], "the same again is no new guess");
    assert!(slept[2] > slept[1], "another one is");
}

#[tokio::test]
async fn where_nobody_vouches_for_users_no_token_is_believed() {
    let scene = Scene::new().await;
    let elsewhere = House::beside(&scene.house);
    let refused = try_token(&elsewhere, "bob", scene.token("bob")).await;
    assert_eq!(refused.unwrap_err(), "no tokens are taken here");
}
