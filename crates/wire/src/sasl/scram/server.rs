//! The server's part of an exchange.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::keys::ScramProof;
use super::message::{self, Flag};
use crate::caller::ChannelBindings;
use crate::sasl::claim::{Claim, Proof};
use crate::sasl::exchange::{Conclusion, Exchange, Refusal, SaslStep};
use crate::sasl::mechanism::Channel;

/// Where an exchange begins, as the desk says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramStart {
    /// Our part of the nonce: printable ASCII without commas, drawn at random for each exchange.
    pub nonce: String,
    /// The salt of the user's keys; one that looks like it where there are none.
    pub salt: Vec<u8>,
    /// How often the hash is iterated.
    pub iterations: u32,
}

/// Waits for the client's first message (RFC 5802 5).
#[derive(Debug, PartialEq, Eq)]
pub struct ClientFirst {
    use_of_binding: UseOfBinding,
}

#[derive(Debug, PartialEq, Eq)]
enum UseOfBinding {
    /// SCRAM-SHA-256 where -PLUS is offered too.
    Declined,
    /// SCRAM-SHA-256 where there is nothing to bind to.
    Impossible,
    /// SCRAM-SHA-256-PLUS.
    Required(ChannelBindings),
}

impl ClientFirst {
    /// SCRAM-SHA-256.
    pub(in crate::sasl) fn unbound(channel: Channel<'_>) -> Self {
        let use_of_binding = if channel.can_be_bound_to() {
            UseOfBinding::Declined
        } else {
            UseOfBinding::Impossible
        };
        Self { use_of_binding }
    }

    /// SCRAM-SHA-256-PLUS.
    pub(in crate::sasl) fn bound(channel: Channel<'_>) -> Self {
        let bindings = match channel {
            Channel::Clear => ChannelBindings::default(),
            Channel::Tls(bindings) => bindings.clone(),
        };
        let use_of_binding = UseOfBinding::Required(bindings);
        Self { use_of_binding }
    }

    pub(in crate::sasl) fn respond(self, response: &[u8]) -> SaslStep {
        let message = std::str::from_utf8(response).ok();
        let Some(first) = message.and_then(message::first) else {
            return SaslStep::Malformed;
        };
        let user = first.user;
        match self.use_of_binding.octets(first.flag) {
            Err(reason) => SaslStep::Refused(Refusal { user, reason }),
            Ok(octets) => SaslStep::Start(Starting {
                user,
                client_nonce: first.nonce.to_owned(),
                client_first_bare: first.bare.to_owned(),
                binding: [first.gs2_header.as_bytes(), octets].concat(),
            }),
        }
    }
}

impl UseOfBinding {
    /// What the client's second message has to contain behind the header, or why the exchange ends
    /// here (RFC 5802 6).
    fn octets(&self, flag: Flag<'_>) -> Result<&[u8], &'static str> {
        match (self, flag) {
            (Self::Required(bindings), Flag::Binds(name)) => bindings
                .named(name)
                .ok_or("the way to bind the login to the channel is not offered"),
            (Self::Required(_), Flag::CannotBind | Flag::SeesNoOffer) => {
                Err("the login is not bound to the channel, though the mechanism says so")
            }
            // Somebody between took -PLUS out of the list.
            (Self::Declined, Flag::SeesNoOffer) => {
                Err("the client was not shown that logins can be bound to the channel")
            }
            (Self::Declined | Self::Impossible, Flag::Binds(_)) => {
                Err("the login is bound to the channel, though the mechanism does not say so")
            }
            (Self::Declined | Self::Impossible, Flag::CannotBind)
            | (Self::Impossible, Flag::SeesNoOffer) => Ok(&[]),
        }
    }
}

/// Waits for the desk to say where the exchange begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Starting {
    user: String,
    client_nonce: String,
    client_first_bare: String,
    binding: Vec<u8>,
}

impl Starting {
    /// Whose login it is.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Takes what the desk says; gives the next challenge.
    pub fn start(self, start: &ScramStart) -> (Exchange, Vec<u8>) {
        let nonce = self.client_nonce + &start.nonce;
        let salt = STANDARD.encode(&start.salt);
        let server_first = format!("r={nonce},s={salt},i={}", start.iterations);
        let challenge = server_first.clone().into_bytes();
        let last = ClientFinal {
            user: self.user,
            nonce,
            binding: STANDARD.encode(self.binding),
            signed: self.client_first_bare + "," + &server_first,
        };
        (Exchange::ScramFinal(last), challenge)
    }
}

/// Waits for the client's proof.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientFinal {
    user: String,
    nonce: String,
    /// In base64, as the client has to write it.
    binding: String,
    /// What has been said so far, as it is signed.
    signed: String,
}

impl ClientFinal {
    pub(in crate::sasl) fn respond(self, response: &[u8]) -> SaslStep {
        let message = std::str::from_utf8(response).ok();
        let Some(last) = message.and_then(message::last) else {
            return SaslStep::Malformed;
        };
        let proof = STANDARD.decode(last.proof).ok();
        let Some(client_proof) = proof.and_then(|proof| proof.try_into().ok()) else {
            return SaslStep::Malformed;
        };
        let user = self.user;
        if last.binding != self.binding {
            let reason = "the login is bound to another channel";
            return SaslStep::Refused(Refusal { user, reason });
        }
        if last.nonce != self.nonce {
            let reason = "the proof belongs to another exchange";
            return SaslStep::Refused(Refusal { user, reason });
        }
        let proof = Proof::Scram(ScramProof {
            auth_message: self.signed + "," + last.without_proof,
            client_proof,
        });
        SaslStep::Claimed(Claim { user, proof }, Conclusion::Signature)
    }
}

/// `server-final-message` of a login that succeeds.
pub(in crate::sasl) fn server_final(signature: &[u8; 32]) -> Vec<u8> {
    let signature = STANDARD.encode(signature);
    format!("v={signature}").into_bytes()
}

#[cfg(test)]
mod tests {
    use cassmail_mail::Secret;

    use super::*;
    use crate::sasl::Mechanism;
    use crate::sasl::scram::ScramKeys;

    /// RFC 7677 3.
    const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
    const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                                p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn start() -> ScramStart {
        ScramStart {
            nonce: SERVER_NONCE.to_owned(),
            salt: STANDARD.decode(SALT).unwrap(),
            iterations: 4096,
        }
    }

    fn bindings() -> ChannelBindings {
        ChannelBindings {
            exporter: Some([7; 32]),
            server_end_point: Some([9; 48].into()),
        }
    }

    fn first(mechanism: Mechanism, channel: Channel<'_>, header: &str) -> SaslStep {
        let (exchange, challenge) = Exchange::begin(mechanism, channel);
        assert_eq!(challenge, b"");
        let message = format!("{header}n=user,r={CLIENT_NONCE}");
        exchange.respond(message.as_bytes())
    }

    fn started(step: SaslStep) -> Exchange {
        match step {
            SaslStep::Start(starting) => starting.start(&start()).0,
            step => panic!("{step:?}"),
        }
    }

    fn reason(step: SaslStep) -> &'static str {
        match step {
            SaslStep::Refused(Refusal { user, reason }) => {
                assert_eq!(user, "user");
                reason
            }
            step => panic!("{step:?}"),
        }
    }

    #[test]
    fn the_example_of_rfc_7677_is_played() {
        let SaslStep::Start(starting) = first(Mechanism::ScramSha256, Channel::Clear, "n,,") else {
            panic!("the desk is asked");
        };
        assert_eq!(starting.user(), "user");
        let (exchange, challenge) = starting.start(&start());
        let expected = format!("r={CLIENT_NONCE}{SERVER_NONCE},s={SALT},i=4096");
        assert_eq!(challenge, expected.as_bytes());
        let SaslStep::Claimed(claim, conclusion) = exchange.respond(CLIENT_FINAL.as_bytes()) else {
            panic!("the claim is made");
        };
        let Proof::Scram(proof) = &claim.proof else {
            panic!("by a proof of SCRAM");
        };
        let password = Secret::new("pencil".to_owned());
        let keys = ScramKeys::derive(&password, &start().salt, 4096);
        let signature = keys.verify(proof).unwrap();
        assert_eq!(
            server_final(&signature),
            b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        assert_eq!(conclusion, Conclusion::Signature);
        let other = Secret::new("pencils".to_owned());
        let other = ScramKeys::derive(&other, &start().salt, 4096);
        assert_eq!(other.verify(proof), None);
    }

    #[test]
    fn a_login_is_bound_to_its_channel() {
        let bindings = bindings();
        let channel = Channel::Tls(&bindings);
        for (name, octets) in [
            ("tls-exporter", &[7; 32][..]),
            ("tls-server-end-point", &[9; 48]),
        ] {
            let header = format!("p={name},,");
            let begin = || started(first(Mechanism::ScramSha256Plus, channel, &header));
            let answer = |octets: &[u8]| {
                let binding = STANDARD.encode([header.as_bytes(), octets].concat());
                let proof = STANDARD.encode([0; 32]);
                let nonce = [CLIENT_NONCE, SERVER_NONCE].concat();
                format!("c={binding},r={nonce},p={proof}")
            };
            let claimed = begin().respond(answer(octets).as_bytes());
            assert!(matches!(claimed, SaslStep::Claimed(..)), "{claimed:?}");
            let elsewhere = begin().respond(answer(&[8; 32]).as_bytes());
            assert_eq!(reason(elsewhere), "the login is bound to another channel");
        }
    }

    #[test]
    fn a_binding_that_is_not_there_is_refused() {
        let only_exporter = ChannelBindings {
            server_end_point: None,
            ..bindings()
        };
        for name in ["tls-server-end-point", "tls-unique", ""] {
            let channel = Channel::Tls(&only_exporter);
            let step = first(Mechanism::ScramSha256Plus, channel, &format!("p={name},,"));
            assert!(reason(step).ends_with("is not offered"), "{name}");
        }
    }

    #[test]
    fn who_could_bind_and_was_not_shown_the_offer_is_refused() {
        let bindings = bindings();
        let step = first(Mechanism::ScramSha256, Channel::Tls(&bindings), "y,,");
        assert!(reason(step).starts_with("the client was not shown"));
        let nothing = ChannelBindings::default();
        for channel in [Channel::Clear, Channel::Tls(&nothing)] {
            started(first(Mechanism::ScramSha256, channel, "y,,"));
        }
        started(first(
            Mechanism::ScramSha256,
            Channel::Tls(&bindings),
            "n,,",
        ));
    }

    #[test]
    fn flag_and_mechanism_have_to_agree() {
        let bindings = bindings();
        let channel = Channel::Tls(&bindings);
        for header in ["n,,", "y,,"] {
            let step = first(Mechanism::ScramSha256Plus, channel, header);
            assert!(reason(step).starts_with("the login is not bound"));
        }
        let step = first(Mechanism::ScramSha256, channel, "p=tls-exporter,,");
        assert!(reason(step).ends_with("does not say so"));
    }

    #[test]
    fn a_proof_of_another_exchange_is_refused() {
        let begin = || started(first(Mechanism::ScramSha256, Channel::Clear, "n,,"));
        let respond = |message: &str| begin().respond(message.as_bytes());
        let replayed = CLIENT_FINAL.replace("k0,p=", "k1,p=");
        assert_eq!(
            reason(respond(&replayed)),
            "the proof belongs to another exchange"
        );
        let client_only = CLIENT_FINAL.replace(SERVER_NONCE, "");
        assert!(reason(respond(&client_only)).starts_with("the proof"));
        let other_header = CLIENT_FINAL.replace("c=biws", "c=eSws");
        assert!(reason(respond(&other_header)).ends_with("another channel"));
        for malformed in [
            "c=biws,r=x",
            &CLIENT_FINAL[..CLIENT_FINAL.len() - 4],
            &format!("{CLIENT_FINAL}=="),
            "",
        ] {
            assert_eq!(respond(malformed), SaslStep::Malformed, "{malformed}");
        }
    }
}
