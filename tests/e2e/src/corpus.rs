//! The awkward messages of `tests/messages`, read or made by rule.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// One message as it is before dots are stuffed, every line ended by CRLF.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its name in `tests/messages/INDEX.md`, without the ending.
    pub name: String,
    /// All of it.
    pub octets: Vec<u8>,
}

/// Messages that are files and have to be delivered unchanged, by name.
pub fn written() -> Vec<Message> {
    read(&folder())
}

/// Messages that have to be refused on the MX port, by name. They go on the wire as they are: none
/// has an end of data in it, and some would lose their point by stuffing.
pub fn refused() -> Vec<Message> {
    read(&folder().join("refused"))
}

/// Large messages that have to be delivered unchanged, made by the rules of `generated.toml`.
///
/// # Panics
///
/// When a rule is not understood.
pub fn generated() -> Vec<Message> {
    let text = std::fs::read_to_string(folder().join("generated.toml")).expect("rules are there");
    let table: Table = text.parse().expect("rules are TOML");
    table["message"]
        .as_array()
        .expect("rules are a list")
        .iter()
        .map(Rule::read)
        .map(expand)
        .collect()
}

/// A message of `octets` octets of random lines, some of them dots.
pub fn large(name: &str, octets: usize, seed: u64) -> Message {
    expand(Rule {
        name: name.into(),
        fill: "octets".into(),
        octets,
        seed,
        shift: 0,
        field_octets: 0,
    })
}

/// Cargo runs tests in the folder of their package.
fn folder() -> PathBuf {
    Path::new("../messages")
        .canonicalize()
        .expect("tests run in the folder of their package")
}

fn read(folder: &Path) -> Vec<Message> {
    let files = std::fs::read_dir(folder).expect("messages are there");
    let paths = files.map(|file| file.expect("messages can be listed").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
        .collect();
    paths.sort();
    paths.iter().map(|path| message(path)).collect()
}

fn message(path: &Path) -> Message {
    let name = path
        .file_stem()
        .expect("files have names")
        .to_str()
        .expect("names are ASCII");
    Message {
        name: name.into(),
        octets: std::fs::read(path).expect("messages can be read"),
    }
}

/// One entry of `generated.toml`, explained there.
struct Rule {
    name: String,
    fill: String,
    octets: usize,
    seed: u64,
    shift: i64,
    field_octets: usize,
}

impl Rule {
    fn read(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().expect("text").to_owned();
        let number = |key: &str| value.get(key).and_then(Value::as_integer).unwrap_or(0);
        let size = |key: &str| usize::try_from(number(key)).expect("sizes are not negative");
        Self {
            name: text("name"),
            fill: text("fill"),
            octets: size("octets"),
            seed: number("seed").unsigned_abs(),
            shift: number("shift"),
            field_octets: size("field_octets"),
        }
    }
}

fn expand(rule: Rule) -> Message {
    let mut octets = header(&rule);
    let mut random = Random(rule.seed);
    loop {
        let left = rule.octets - octets.len();
        let line = line(&rule, &octets, left, &mut random);
        if line.len() + 4 > left {
            break;
        }
        octets.extend_from_slice(&line);
        octets.extend_from_slice(b"\r\n");
    }
    octets.resize(rule.octets - 2, b'x');
    octets.extend_from_slice(b"\r\n");
    Message {
        name: rule.name,
        octets,
    }
}

fn header(rule: &Rule) -> Vec<u8> {
    let name = &rule.name;
    let mut header = format!(
        "From: Alice <alice@sender.example>\r\nTo: bob@example.org\r\nSubject: {name}\r\n\
         Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{name}@sender.example>\r\n"
    );
    if rule.field_octets > 0 {
        let value = "h".repeat(rule.field_octets - "X-Long: ".len());
        header = header + "X-Long: " + &value + "\r\n";
    }
    header.push_str("\r\n");
    header.into_bytes()
}

/// The next line, without CRLF; one that leaves no room for CRLF and another CRLF ends the message.
fn line(rule: &Rule, before: &[u8], left: usize, random: &mut Random) -> Vec<u8> {
    match rule.fill.as_str() {
        "words" => (0..12).flat_map(|_| random.word()).take(76).collect(),
        "same" => b"The same line again and again, which every compression makes short.".to_vec(),
        "octets" => (0..=random.below(900)).map(|_| random.octet()).collect(),
        "dots" => (0..random.below(5))
            .map(|_| b".x"[random.below(2)])
            .collect(),
        "one-line" => vec![b'x'; left],
        "borders" => to_the_border(before, rule.shift),
        other => panic!("no such fill: {other}"),
    }
}

/// A dot when the wire is `shift` octets off a multiple of 512, else a line that leads there.
fn to_the_border(before: &[u8], shift: i64) -> Vec<u8> {
    let wire = i64::try_from(crate::stuffed(before).len()).expect("messages are small");
    match (shift - wire).rem_euclid(512) {
        0 => b".".to_vec(),
        // Less than a line: over the border, to the next one.
        1 => vec![b'y'; 511],
        gap => vec![b'y'; usize::try_from(gap - 2).expect("gaps are not negative")],
    }
}

/// Splitmix64: small, well known, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % limit
    }

    /// Anything but NUL, CR and LF.
    fn octet(&mut self) -> u8 {
        loop {
            let octet = self.next().to_be_bytes()[0];
            if !matches!(octet, 0 | b'\r' | b'\n') {
                return octet;
            }
        }
    }

    fn word(&mut self) -> Vec<u8> {
        let letters = 1 + self.below(9);
        let mut word: Vec<u8> = (0..letters)
            .map(|_| b"etaoinshrdlu"[self.below(12)])
            .collect();
        word.push(b' ');
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occurrences(haystack: &[u8], needle: &[u8]) -> usize {
        haystack
            .windows(needle.len())
            .filter(|window| window == &needle)
            .count()
    }

    #[test]
    fn messages_to_deliver_are_lines_ended_by_crlf() {
        for Message { name, octets } in written().into_iter().chain(generated()) {
            assert!(octets.ends_with(b"\r\n"), "{name}");
            let pairs = occurrences(&octets, b"\r\n");
            assert_eq!(occurrences(&octets, b"\r"), pairs, "{name}");
            assert_eq!(occurrences(&octets, b"\n"), pairs, "{name}");
            assert!(!octets.contains(&0), "{name}");
        }
    }

    #[test]
    fn there_are_as_many_messages_as_promised() {
        assert!(written().len() >= 66);
        assert!(refused().len() >= 8);
    }

    #[test]
    fn messages_to_refuse_have_no_end_of_data_in_them() {
        for Message { name, octets } in refused() {
            assert_eq!(occurrences(&octets, b"\r\n.\r\n"), 0, "{name}");
            assert!(octets.ends_with(b"\r\n"), "{name}");
        }
    }

    #[test]
    fn every_message_stands_in_the_index_and_nothing_else_does() {
        let index = std::fs::read_to_string(folder().join("INDEX.md")).unwrap();
        let rows = index
            .lines()
            .filter(|line| line.starts_with("| "))
            .map(|line| {
                line.split(" | ")
                    .next()
                    .unwrap()
                    .trim_start_matches("| ")
                    .to_owned()
            });
        let mut rows: Vec<String> = rows
            .filter(|row| !matches!(row.as_str(), "file" | "name"))
            .collect();
        let files = written()
            .into_iter()
            .map(|message| format!("{}.eml", message.name));
        let refused = refused()
            .into_iter()
            .map(|message| format!("refused/{}.eml", message.name));
        let generated = generated().into_iter().map(|message| message.name);
        let mut names: Vec<String> = files.chain(refused).chain(generated).collect();
        rows.sort();
        names.sort();
        assert_eq!(rows, names);
    }

    #[test]
    fn generated_messages_have_exactly_the_octets_of_their_rule() {
        for message in generated() {
            if let Some(size) = message.name.strip_prefix("size-") {
                assert_eq!(message.octets.len().to_string(), size);
            }
        }
    }

    #[test]
    fn dots_stand_at_the_borders_of_the_wire() {
        let message = generated()
            .into_iter()
            .find(|one| one.name == "dot-borders--1")
            .unwrap();
        let wire = crate::stuffed(&message.octets);
        for border in (1024..wire.len() - 1024).step_by(512) {
            assert_eq!(&wire[border - 3..border + 3], b"\r\n..\r\n", "at {border}");
        }
    }
}
