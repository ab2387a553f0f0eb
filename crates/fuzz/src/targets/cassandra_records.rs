//! What the store on Cassandra reads from its tables: any octets decode or do not, and what decodes
//! is written and read again as the same.

use cassmail_store_cassandra::forms::{Form, describe};
use cassmail_store_cassandra::scrub::Report;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "cassandra-records",
    about: "what the store on Cassandra reads from its tables",
    run,
    seeds,
    words: &[
        b"\x00\x0da@far.example",
        b"\x00\x10bob@here.example",
        b"\x00\x00",
        b"\xff\xff",
        b"\x00\x03old",
        b"\x01",
        b"\xff\xff\xff\xff",
        b"\n",
        b" 18446744073709551615",
    ],
};

fn seeds() -> Vec<Vec<u8>> {
    // The time of a version 1 UUID, which message ids are made of.
    let id = *b"\x13\x81\x40\x00\x1d\xd2\x11\xb2\x80\x80\x80\x80\x80\x80\x80\x80";
    let share = [
        &id[..],
        &id,
        &[0; 7],
        &[9],
        b"\x00\x10bob@here.example\x00\x03old",
    ]
    .concat();
    let spool = [&[1][..], &id, &[0, 7], &share, &share].concat();
    let row = [
        &id[..],
        &[0; 7],
        &[9, 0, 2],
        &id,
        &[1],
        b"bob@here.example\nold",
    ]
    .concat();
    // A plain frame of nothing, with its sum.
    let frame = b"\0\0\0\0\0\x2d\x06\x80\x05\x38\xd3\x94\xc2\0\0\0\0";
    let mut seeds = Vec::new();
    for form in 0..=3_u8 {
        for octets in [&spool[..], &row, frame, b"messages 5\nbodies 7\n"] {
            seeds.push([&[form], octets].concat());
        }
    }
    seeds
}

/// The first octet chooses the form; behind the last one is the report of a scrub.
fn run(data: &[u8]) {
    let Some((&form, octets)) = data.split_first() else {
        return;
    };
    match Form::ALL.get(usize::from(form) % (Form::ALL.len() + 1)) {
        Some(&form) => record(form, octets),
        None => {
            let _: Result<Report, _> = String::from_utf8_lossy(octets).parse();
        }
    }
}

fn record(form: Form, octets: &[u8]) {
    let Some(described) = describe(form, octets) else {
        return;
    };
    if let Some(encoded) = &described.encoded {
        let again = describe(form, encoded);
        assert_eq!(again.as_ref(), Some(&described), "{form:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_a_seed_that_decodes() {
        for (number, &form) in Form::ALL.iter().enumerate() {
            let mut seeds = seeds().into_iter();
            let decodes = seeds
                .any(|seed| usize::from(seed[0]) == number && describe(form, &seed[1..]).is_some());
            assert!(decodes, "{form:?}");
        }
    }
}
