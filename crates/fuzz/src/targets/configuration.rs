//! Configuration: any text loads or is refused in lines that say where; what loads is shown.

use cassmail_config::{Shown, check, load, show};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "configuration",
    about: "files of settings, and variables of the environment",
    run,
    seeds,
    words: &[
        b"[",
        b"]",
        b"[[listener]]",
        b" = ",
        b"\"",
        b"'''",
        b"\"\"\"",
        b"\n",
        b"{",
        b"}",
        b"#",
        b"hostname",
        b"1d",
        b"\"25 MiB\"",
        b"\"99999999999999999999h\"",
        b"1979-05-27",
        b"true",
        b"CASSMAIL_",
        b"__",
        b"=",
        b"inf",
        b"0x7fffffffffffffff",
        b"\\u0000",
        b"listener.tls",
    ],
};

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = sections();
    seeds.push(b"CASSMAIL_SMTP__MAX_RECIPIENTS=10\nCASSMAIL_LOG__LEVEL=debug\n".to_vec());
    seeds.push(b"[[listener]]\nrole = \"mx\"\naddress = \"127.0.0.1:25\"\n".to_vec());
    seeds
}

/// The tables of the defaults, each for itself and without comments.
fn sections() -> Vec<Vec<u8>> {
    let lines = cassmail_config::DEFAULT.lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with('#') && !line.is_empty());
    let mut sections = vec![Vec::new()];
    for line in lines {
        if line.starts_with('[') {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.extend_from_slice(line.as_bytes());
            section.push(b'\n');
        }
    }
    sections
}

fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let variables = text.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    // The defaults are read each time, which takes most of it: one of the two at a time.
    if text.contains("CASSMAIL_") {
        tried(load(None, variables));
    } else {
        tried(load(Some(("fuzz.toml", &text)), []));
    }
}

fn tried(loaded: Result<cassmail_config::Loaded, cassmail_config::Problems>) {
    match loaded {
        Ok(loaded) => {
            let shown = show(&loaded, Shown::All);
            assert!(load(Some(("shown.toml", &shown)), []).is_ok(), "{shown}");
            drop(check(&loaded));
        }
        Err(problems) => {
            assert!(!problems.to_string().is_empty());
        }
    }
}
