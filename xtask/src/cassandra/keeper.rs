//! The keeper: a small process beside the nodes.
//!
//! It carries the link, and it ends the cluster when the process ends for which the cluster was
//! started. A test that is killed cannot clean up after itself, and its nodes, which are no
//! children of anybody who lives, would stay.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::cluster;
use super::deadline::{Look, wait};
use super::layout::Layout;
use super::link::{self, Link};
use super::place::Place;
use super::process::Process;

/// The word by which this program starts itself as a keeper.
pub(super) const VERB: &str = "keep";

/// Long enough for it to bind six addresses on a busy machine.
const START: Duration = Duration::from_secs(20);

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// How often the keeper looks after its owner.
const LOOK: Duration = Duration::from_millis(300);

/// For whom a cluster runs.
pub(super) type Owner = Option<Process>;

/// Starts the keeper, and waits until it answers.
pub(super) fn start(place: &Place, layout: Layout, owner: Owner) -> Result<()> {
    let folder = place.keeper();
    std::fs::create_dir_all(folder.path())?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.log())?;
    // Not by its path: cargo may have replaced the file since this program started.
    let program = "/proc/self/exe";
    let owner = owner.map_or(0, |owner| owner.id).to_string();
    let net = place.net.0.to_string();
    let keeper = Command::new(program)
        .args(["cassandra", VERB, "--net", &net, layout.name(), &owner])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .context("failed to start the keeper")?;
    let process = Process::find(keeper.id());
    let process = process.with_context(|| ended(place))?;
    process.write(&folder.process())?;
    wait("the keeper", START, || look(place, process))
}

fn look(place: &Place, keeper: Process) -> Result<Look> {
    if !keeper.is_alive() {
        bail!("{}", ended(place));
    }
    Ok(match ask(place, "away") {
        Ok(_) => Look::Done,
        Err(error) => Look::NotYet(error.to_string()),
    })
}

fn ended(place: &Place) -> String {
    let log = place.keeper().log();
    format!("the keeper ended:\n{}", cluster::tail(&log))
}

/// The keeper that is at work.
pub(super) fn find(place: &Place) -> Option<Process> {
    Process::read(&place.keeper().process())
}

/// The nodes that are cut off.
pub(super) fn away(place: &Place) -> Result<Vec<usize>> {
    parse_nodes(&ask(place, "away")?)
}

/// Cuts these nodes off from the others; with none, heals.
pub(super) fn cut(place: &Place, nodes: &[usize]) -> Result<()> {
    ask(place, &format!("cut {}", show_nodes(nodes)))?;
    Ok(())
}

/// Asks the keeper one line, and gives back the line that it answers.
fn ask(place: &Place, question: &str) -> Result<String> {
    let (_folder, path) = socket(place)?;
    let mut stream = UnixStream::connect(path).context("no keeper answers")?;
    stream.set_read_timeout(Some(ANSWER))?;
    writeln!(stream, "{question}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.trim_end().split_once(' ') {
        Some(("ok", rest)) => Ok(rest.to_owned()),
        _ => bail!("the keeper answers: {answer}"),
    }
}

/// The path of the socket, by way of the open folder: the name of a socket has at most 107 bytes,
/// and checkouts lie deep.
fn socket(place: &Place) -> Result<(std::fs::File, PathBuf)> {
    use std::os::fd::AsRawFd as _;
    let folder = std::fs::File::open(place.keeper().path())?;
    let path = format!("/proc/self/fd/{}/socket", folder.as_raw_fd());
    Ok((folder, path.into()))
}

/// Being the keeper; ends with its owner, or when it is told to.
pub(super) fn keep(place: &Place, layout: Layout, owner: u32) -> Result<()> {
    let owner = (owner != 0).then(|| Process::find(owner).context("the owner has ended"));
    let owner = owner.transpose()?;
    let link = Arc::new(Link::default());
    if layout.is_linked() {
        link::listen(&link, layout, place.net)?;
    }
    let (_folder, path) = socket(place)?;
    drop(std::fs::remove_file(&path));
    let listener = UnixListener::bind(&path).context("failed to listen for commands")?;
    std::thread::spawn(move || answer(&link, &listener));
    while owner.is_none_or(Process::is_alive) {
        std::thread::sleep(LOOK);
    }
    cluster::end_for_lost_owner(place)
}

fn answer(link: &Link, listener: &UnixListener) {
    for stream in listener.incoming().flatten() {
        // Who asked and did not wait for the answer has no use for an error either.
        drop(answer_one(link, stream));
    }
}

fn answer_one(link: &Link, mut stream: UnixStream) -> Result<()> {
    stream.set_read_timeout(Some(ANSWER))?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    if let Some(nodes) = line.strip_prefix("cut ") {
        link.cut(&parse_nodes(nodes)?);
    }
    writeln!(stream, "ok {}", show_nodes(&link.away()))?;
    Ok(())
}

fn show_nodes(nodes: &[usize]) -> String {
    let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    format!("[{}]", nodes.join(","))
}

fn parse_nodes(text: &str) -> Result<Vec<usize>> {
    let inner = text.trim().trim_matches(['[', ']']);
    let nodes = inner.split(',').filter(|node| !node.is_empty());
    let parse = |node: &str| node.parse().with_context(|| format!("no node: {node}"));
    nodes.map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_told_to_the_keeper_and_understood() {
        for nodes in [&[][..], &[4], &[4, 5, 6]] {
            assert_eq!(parse_nodes(&show_nodes(nodes)).unwrap(), nodes);
        }
    }
}
