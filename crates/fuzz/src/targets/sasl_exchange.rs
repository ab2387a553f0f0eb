//! Exchanges of SASL without base64 around them: nothing proves what is not known.

use cassmail_mail::Secret;
use cassmail_wire::ChannelBindings;
use cassmail_wire::sasl::scram::{ScramKeys, ScramStart};
use cassmail_wire::sasl::{Channel, Exchange, Mechanism, Proof, SaslStep, prepared};

use super::Target;
use super::talk::check_claim;

pub(super) const TARGET: Target = Target {
    name: "sasl-exchange",
    about: "exchanges of each mechanism on each channel, and keys of SCRAM",
    run,
    seeds,
    words: &[
        b"n,,n=bob,r=fyko+d2lbbFgONRv9qkxdawL",
        b"y,,n=bob,r=x",
        b"p=tls-exporter,,n=bob,r=x",
        b"p=tls-server-end-point,,",
        b"n,a=bob,",
        b"=2C",
        b"=3D",
        b"c=biws,r=xnonce,p=",
        b"c=cD10bHMtZXhwb3J0ZXIsLA",
        b",m=x",
        b",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        b"n,a=bob@here.example,\x01auth=Bearer x\x01\x01",
        b"user=bob\x01auth=Bearer x\x01\x01",
        b"\0bob\0secret",
        b"\x02",
        b"\0",
        b"\xc3\xbc",
        b"\xff",
        b"SCRAM-SHA-256$4096:AAAA$",
    ],
};

/// Separates responses; no mechanism has it.
const BETWEEN: u8 = 0x02;

/// Ours, in each exchange: so an example can be whole.
const NONCE: &str = "nonce";

fn seeds() -> Vec<Vec<u8>> {
    let said: [&[u8]; 7] = [
        b"n,,n=bob,r=x\x02c=biws,r=xnonce,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        b"y,,n=b=2Cb,r=x,e=f\x02c=eSws,r=xnonce,m=x,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        b"p=tls-exporter,,n=bob,r=x\x02c=cD10bHMtZXhwb3J0ZXIsLAcHBw==,r=xnonce,p=AAAA",
        b"n,a=bob@here.example,\x01host=h\x01auth=Bearer x\x01\x01",
        b"user=bob@here.example\x01auth=Bearer x\x01\x01",
        b"bob\0bob\0secret",
        b"bob\x02secret",
    ];
    let mut seeds = Vec::new();
    for words in said {
        for mechanism in 0..6 {
            for channel in 0..3 {
                seeds.push([&[mechanism, channel][..], words].concat());
            }
        }
    }
    let keys = ScramKeys::derive(&Secret::new("secret".to_owned()), b"salt", 16);
    seeds.push([&[0, 0][..], keys.to_string().as_bytes()].concat());
    seeds
}

/// Mechanism, channel, then responses.
fn run(data: &[u8]) {
    let [mechanism, channel, said @ ..] = data else {
        return;
    };
    check_keys(said);
    let bound = ChannelBindings {
        exporter: Some([7; 32]),
        ..ChannelBindings::default()
    };
    let unbound = ChannelBindings::default();
    let channel = match channel % 3 {
        0 => Channel::Clear,
        1 => Channel::Tls(&unbound),
        _ => Channel::Tls(&bound),
    };
    let mechanism = Mechanism::ALL[usize::from(*mechanism) % Mechanism::ALL.len()];
    let (mut exchange, _) = Exchange::begin(mechanism, channel);
    for response in said.split(|&byte| byte == BETWEEN) {
        exchange = match exchange.respond(response) {
            SaslStep::Challenge(next, _) => next,
            SaslStep::Start(starting) => {
                assert!(!starting.user().is_empty());
                let (next, challenge) = starting.start(&start());
                check_challenge(&challenge);
                next
            }
            SaslStep::Claimed(claim, _) => {
                check_claim(&claim);
                return check_proof(&claim.proof);
            }
            SaslStep::Refused(_) | SaslStep::Malformed => return,
        };
    }
}

fn start() -> ScramStart {
    ScramStart {
        nonce: NONCE.to_owned(),
        salt: b"salt".to_vec(),
        iterations: 16,
    }
}

/// `r=`, `s=` and `i=`, and no comma that a client has put in.
fn check_challenge(challenge: &[u8]) {
    assert!(challenge.is_ascii() && !challenge.iter().any(u8::is_ascii_control));
    let attributes = challenge.split(|&octet| octet == b',').count();
    assert_eq!(attributes, 3, "{}", challenge.escape_ascii());
}

/// Nobody finds a proof of 256 bits.
fn check_proof(proof: &Proof) {
    if let Proof::Scram(proof) = proof {
        let keys = ScramKeys::derive(&Secret::new("a secret".to_owned()), b"salt", 1);
        assert!(
            keys.verify(proof).is_none(),
            "a password that was not known"
        );
    }
}

/// What is read as keys is written as it was; what is prepared is prepared.
fn check_keys(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    if let Ok(keys) = text.parse::<ScramKeys>() {
        let again = keys.to_string().parse::<ScramKeys>();
        assert_eq!(again.map(|keys| keys.to_string()), Ok(keys.to_string()));
    }
    let once = prepared(text);
    assert_eq!(prepared(&once), once, "prepared once, prepared for ever");
}
