//! A server with a configuration, and bob and carol in it.

use std::io::{BufRead, BufReader, Read, Write};

use cassmail_e2e::{Configuration, Maildrop, Port, Server, Wire};

const SECRET: &str = "secret";

/// Starts the server.
pub(crate) fn settled() -> Server {
    inhabited(Server::configured(&Configuration::default()))
}

/// Lets bob and carol in.
pub(crate) fn inhabited(server: Server) -> Server {
    server.administer(&["domain", "add", "here.example"], "");
    let people = format!("bob@here.example,{SECRET}\ncarol@here.example,{SECRET}\n");
    server.administer(&["account", "import", "-"], &people);
    server
}

/// Everything in somebody's mailbox.
pub(crate) fn maildrop(server: &Server, account: &str) -> Vec<String> {
    let wire = Wire::connect(server.port(Port::Pop3)).expect("welcomes");
    let mut maildrop = Maildrop::over(wire, account, SECRET).expect("logs in");
    let messages = maildrop
        .retrieve_all()
        .expect("every message can be fetched");
    let text = |message: &Vec<u8>| String::from_utf8_lossy(message).into_owned();
    messages.iter().map(text).collect()
}

/// A conversation by lines.
pub(crate) struct Talk<S: Read + Write>(BufReader<S>);

impl<S: Read + Write> Talk<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// Says something, and gives the lines that come.
    pub(crate) fn say(&mut self, words: &str, lines: usize) -> Vec<String> {
        let stream = self.0.get_mut();
        stream.write_all(words.as_bytes()).expect("it listens");
        stream.flush().expect("it listens");
        self.hear(lines)
    }

    /// The next lines.
    pub(crate) fn hear(&mut self, lines: usize) -> Vec<String> {
        let hear = |_| {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("it answers");
            line.trim_end().to_owned()
        };
        (0..lines).map(hear).collect()
    }

    /// The answer to EHLO or LHLO.
    pub(crate) fn extensions(&mut self, hello: &str) -> Vec<String> {
        let mut lines = self.say(&format!("{hello} client.example\r\n"), 1);
        while lines.last().is_some_and(|line| line.starts_with("250-")) {
            lines.extend(self.hear(1));
        }
        lines.iter().map(|line| line[4..].to_owned()).collect()
    }
}

/// A conversation with a port, in clear, behind its greeting.
pub(crate) fn greeted(server: &Server, port: Port, greeting: &str) -> Talk<Wire> {
    let mut talk = Talk::over(Wire::connect(server.port(port)).expect("somebody listens"));
    let line = talk.hear(1);
    assert!(line[0].starts_with(greeting), "{line:?}");
    talk
}
