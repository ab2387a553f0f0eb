//! Which conversation goes to which server, and what came of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Result, Write};
use std::path::Path;

use cassmail_e2e::{Configuration, Port, Server, Wire};
use cassmail_transcript::{Connection, Live, Transcript, transcripts_in};

/// Where a transcript can be run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) configuration: Configuration,
    pub(crate) port: Port,
}

/// The transcripts of a folder, by what their servers need.
pub(crate) struct Plan {
    pub(crate) servers: BTreeMap<Configuration, Vec<(Transcript, Port)>>,
    left_out: BTreeMap<String, Vec<String>>,
}

impl Plan {
    /// Reads a folder; `place` says where the settings of a transcript lead, or why nowhere.
    pub(crate) fn read(
        folder: &str,
        place: impl Fn(&[String]) -> std::result::Result<Place, String>,
    ) -> Self {
        let folder = Path::new("../transcripts").join(folder);
        let mut plan = Self {
            servers: BTreeMap::new(),
            left_out: BTreeMap::new(),
        };
        for transcript in transcripts_in(&folder).expect("transcripts can be read") {
            let place = match transcript.needs_a_stage() {
                Some(why) => Err(why.to_owned()),
                None => place(transcript.settings()),
            };
            match place {
                Ok(Place {
                    configuration,
                    port,
                }) => {
                    let there = plan.servers.entry(configuration).or_default();
                    there.push((transcript, port));
                }
                Err(why) => plan
                    .left_out
                    .entry(why)
                    .or_default()
                    .push(name(&transcript)),
            }
        }
        plan
    }

    /// Says past the capture of the test runner what was done and what was left out.
    pub(crate) fn tell(&self) {
        let ran: usize = self.servers.values().map(Vec::len).sum();
        let mut text = format!("{ran} transcripts over real sockets\n");
        for (why, names) in &self.left_out {
            let _ = writeln!(
                text,
                "left out: {}, {why}: {}",
                names.len(),
                names.join(" ")
            );
        }
        drop(std::io::stderr().write_all(text.as_bytes()));
    }

    /// How many are run.
    pub(crate) fn count(&self) -> usize {
        self.servers.values().map(Vec::len).sum()
    }
}

/// The name of the file, without its ending.
fn name(transcript: &Transcript) -> String {
    let name = transcript.path().file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A connection of ours as transcripts want it.
struct Call(Wire);

/// Connects to a port of a server, under TLS where that port has nothing else.
pub(crate) fn call(server: &Server, port: Port) -> Result<Box<dyn Connection>> {
    let wire = Wire::connect(server.port(port))?;
    Ok(Box::new(Call(match port {
        Port::Submissions | Port::Pop3s => wire.into_tls()?,
        _ => wire,
    })))
}

impl Connection for Call {
    fn start_tls(self: Box<Self>) -> Result<Box<dyn Connection>> {
        Ok(Box::new(Self(self.0.into_tls()?)))
    }

    fn end(&mut self) -> Result<()> {
        self.0.end()
    }
}

impl Read for Call {
    fn read(&mut self, octets: &mut [u8]) -> Result<usize> {
        self.0.read(octets)
    }
}

impl Write for Call {
    fn write(&mut self, octets: &[u8]) -> Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

/// A port of a server, which says its lines in the words of the transcripts.
pub(crate) struct Line<'a> {
    pub(crate) server: &'a Server,
    pub(crate) port: Port,
}

impl Live for Line<'_> {
    fn connect(&mut self) -> Result<Box<dyn Connection>> {
        call(self.server, self.port)
    }
}
