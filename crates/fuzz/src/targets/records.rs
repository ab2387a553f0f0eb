//! Records of domains, addresses, accounts and traces: what decodes is written and read as the
//! same.

use cassmail_mail::{MessageId, ReversePath};
use cassmail_store::{
    AddressEntry, Counted, Credentials, DomainEntry, EventId, Happened, Profile, Refusal, Rule,
    TraceEvent, UsageNotes, pack, unpack,
};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "records",
    about: "records of domains, addresses, accounts and traces in all stores",
    run,
    seeds,
    words: &[
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b":",
        b",",
        b"null",
        b"1e400",
        b"\"kind\":\"alias\"",
        b"\"targets\":[]",
        b"\"generation\":18446744073709551615",
        b"\\u0000",
        b"\\ud800",
    ],
};

fn seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 10] = [
        br#"{"name":"here.example","postmaster":"b@here.example","catch_all":"b@here.example"}"#,
        br#"{"name":"here.example"}"#,
        br#"{"kind":"account","id":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16],"generation":1}"#,
        br#"{"kind":"alias","targets":["bob@here.example","carol@here.example"],"generation":2}"#,
        br#"{"kind":"removed","generation":3}"#,
        br#"{"address":"bob@here.example","state":"enabled","created_at":1700000000000000}"#,
        br#"{"password_hash":"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"}"#,
        br#"{"address":"b@here.example","state":"enabled","created_at":1,"quota":{"octets":9}}"#,
        br#"{"usage":{"messages":1,"octets":2},"at":3,"seen":{"4":{"messages":5,"octets":6}}}"#,
        br#"{"password_hash":"x","scram_sha_256":"4096:c2FsdA==:AA==:AA=="}"#,
    ];
    let mut seeds = texts.map(<[u8]>::to_vec).to_vec();
    seeds.extend(pack(&[refusal()]).into_iter().map(|page| page.octets));
    seeds
}

fn refusal() -> TraceEvent {
    let refusal = Refusal {
        command: "RCPT".to_owned(),
        message: Some(MessageId::from_key([7; 16])),
        user: None,
        reverse_path: Some(ReversePath::Null),
        recipients: Vec::new(),
        about: Some("<nobody@here.example>".to_owned()),
        recipient: "nobody@here.example".parse().ok(),
        reply: "550 5.1.1 no such mailbox".to_owned(),
        rule: Rule::UnknownRecipient,
    };
    TraceEvent {
        id: EventId(MessageId::from_key([8; 16])),
        node: "mx.here.example".to_owned(),
        session: Some(42),
        source: Some([192, 0, 2, 7].into()),
        what: Happened::Refused(Box::new(refusal)),
    }
}

fn run(data: &[u8]) {
    if let Some(events) = unpack(data) {
        let pages = pack(&events);
        let again = pages.iter().filter_map(|page| unpack(&page.octets));
        assert_eq!(again.flatten().collect::<Vec<_>>(), events);
    }
    if let Ok(entry) = DomainEntry::decode(data) {
        assert_eq!(DomainEntry::decode(&entry.encode()).ok(), Some(entry));
    }
    if let Ok(entry) = AddressEntry::decode(data) {
        assert_eq!(AddressEntry::decode(&entry.encode()).ok(), Some(entry));
    }
    if let Ok(profile) = Profile::decode(data) {
        assert_eq!(Profile::decode(&profile.encode()).ok(), Some(profile));
    }
    if let Some(counted) = Counted::decode(data) {
        assert_eq!(Counted::decode(&counted.encode()), Some(counted));
    }
    let notes = UsageNotes::decode(data);
    let _ = notes.estimate();
    assert_eq!(UsageNotes::decode(&notes.encode()), notes);
    if let Ok(credentials) = Credentials::decode(data) {
        assert_eq!(
            Credentials::decode(&credentials.encode()).ok(),
            Some(credentials)
        );
    }
}
