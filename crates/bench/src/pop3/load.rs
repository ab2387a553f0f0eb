//! The load: one session after the other, each with a connection of its own, as clients do.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::arrivals::Ticket;
use crate::cli::{Mode, Pop3Args};
use crate::clock;
use crate::crew::{self, Harvest, Worker};
use crate::ledger::{LedgerWriter, Removal};
use crate::mailboxes::Mailboxes;
use crate::message::{Examined, Token, examine, own_token};
use crate::pop3::client::{Broken, Client, Listed, unstuff};
use crate::random::Random;
use crate::wire::{Dial, Failure};

const BREATH: Duration = Duration::from_millis(100);
/// Messages whose commands are sent at once when pipelining.
const WINDOW: usize = 32;

/// Everything that the connections of a run share.
#[derive(Debug)]
struct Job {
    args: Pop3Args,
    dial: Dial,
    mailboxes: Mailboxes,
}

/// A removed message, once the server has agreed.
type Marked = (Token, String);

/// Visits mailboxes as the arguments say.
pub(crate) fn visit(args: Pop3Args) -> Result<Harvest> {
    if args.mode == Mode::Remove && args.ledger.is_some() {
        bail!("--mode remove reads nothing, so it cannot say to a ledger what it removed");
    }
    let mailboxes = Mailboxes::new(&args.names, args.first, args.users, args.pick)?;
    let mut crew = args.load.crew();
    if crew.plan.duration.is_none() && crew.plan.count.is_none() {
        crew.plan.count = Some(mailboxes.len() as u64);
    }
    let ledger = args
        .ledger
        .as_deref()
        .map(LedgerWriter::append_to)
        .transpose()?;
    let dial = args.load.target.dial();
    let job = Arc::new(Job {
        args,
        dial,
        mailboxes,
    });
    crew::run(&crew, ledger.as_ref(), move |worker, number| {
        work(Arc::clone(&job), worker, number)
    })
}

async fn work(job: Arc<Job>, worker: Rc<Worker>, number: usize) {
    let mut turn = number;
    while let Some(ticket) = worker.arrivals().take() {
        let Some(start) = worker.arrivals().wait(&ticket).await else {
            break;
        };
        let visited = session(&job, &worker, turn, &ticket).await;
        turn = turn.wrapping_add(1);
        match visited {
            Ok(()) => {
                worker
                    .stats()
                    .time("session", clock::now().duration_since(start));
                worker.stats().count("sessions", 1);
                worker.succeed();
            }
            Err(Broken {
                failure: Failure::Impossible(reason),
                ..
            }) => worker.give_up(reason),
            Err(broken) => {
                worker.stats().fail(broken.stage, &broken.failure);
                worker.fail();
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

async fn session(job: &Job, worker: &Worker, turn: usize, ticket: &Ticket) -> Result<(), Broken> {
    let mut random = Random::of_item(job.args.load.seed, ticket.number);
    let name = job
        .mailboxes
        .name(job.mailboxes.choose(ticket.number, &mut random));
    let before = clock::now();
    let mut client = Client::open(&job.dial, turn, &job.args.login).await?;
    worker
        .stats()
        .time("connect", clock::now().duration_since(before));
    match job.args.mode {
        Mode::Poll | Mode::Stat if job.args.login.pipeline => {
            glance_at_once(job, worker, &mut client, name).await?;
        }
        Mode::Poll | Mode::Stat => glance(job, worker, &mut client, name).await?,
        Mode::Retrieve | Mode::Drain => fetch(job, worker, &mut client, name).await?,
        Mode::Remove => remove(job, worker, &mut client, name).await?,
    }
    client.wire.closed().await;
    Ok(())
}

async fn glance(job: &Job, worker: &Worker, client: &mut Client, name: &str) -> Result<(), Broken> {
    let before = clock::now();
    client.log_in(&job.args.login, name).await?;
    worker
        .stats()
        .time("login", clock::now().duration_since(before));
    client.send("STAT", "STAT").await?;
    let (messages, _) = client.read_stat().await?;
    worker
        .stats()
        .time("login to STAT", clock::now().duration_since(before));
    worker.stats().count("listed", messages);
    if job.args.mode == Mode::Poll {
        client.send("UIDL", "UIDL").await?;
        client.count_listing("UIDL").await?;
    }
    client.quit().await
}

/// The whole session in one write: the least that a session can cost.
async fn glance_at_once(
    job: &Job,
    worker: &Worker,
    client: &mut Client,
    name: &str,
) -> Result<(), Broken> {
    client.write_login(&job.args.login, name);
    client.wire.command(&["STAT"]);
    if job.args.mode == Mode::Poll {
        client.wire.command(&["UIDL"]);
    }
    client.wire.command(&["QUIT"]);
    client.flush("USER").await?;
    client.read_login().await?;
    let (messages, _) = client.read_stat().await?;
    worker.stats().count("listed", messages);
    if job.args.mode == Mode::Poll {
        client.count_listing("UIDL").await?;
    }
    client.ok("QUIT").await.map(|_| ())
}

async fn fetch(job: &Job, worker: &Worker, client: &mut Client, name: &str) -> Result<(), Broken> {
    let before = clock::now();
    client.log_in(&job.args.login, name).await?;
    worker
        .stats()
        .time("login", clock::now().duration_since(before));
    let listed = client.list().await?;
    worker.stats().count("listed", listed.len() as u64);
    let (mut marked, mut text) = (Vec::new(), Vec::new());
    let window = if job.args.login.pipeline { WINDOW } else { 1 };
    for messages in listed.chunks(window) {
        let marked = (job.args.mode == Mode::Drain).then_some(&mut marked);
        retrieve(worker, client, messages, marked, &mut text).await?;
    }
    let before = clock::now();
    // From here on the server may remove; a session that ended before QUIT removes nothing.
    // RFC 1939 6.
    let left = client.quit().await;
    worker
        .stats()
        .time("QUIT", clock::now().duration_since(before));
    let how = if left.is_ok() {
        Removal::Certain
    } else {
        Removal::Uncertain
    };
    let what = if left.is_ok() {
        "removed"
    } else {
        "maybe removed"
    };
    worker.stats().count(what, marked.len() as u64);
    worker.enter(|ledger| {
        for (token, uid) in &marked {
            ledger.removed(how, name, *token, uid);
        }
    });
    left
}

async fn remove(job: &Job, worker: &Worker, client: &mut Client, name: &str) -> Result<(), Broken> {
    client.log_in(&job.args.login, name).await?;
    let listed = client.list().await?;
    worker.stats().count("listed", listed.len() as u64);
    let window = if job.args.login.pipeline { WINDOW } else { 1 };
    for messages in listed.chunks(window) {
        for message in messages {
            client.write_delete(message);
        }
        client.flush("DELE").await?;
        for _ in messages {
            client.ok("DELE").await?;
        }
    }
    let before = clock::now();
    client.quit().await?;
    worker
        .stats()
        .time("QUIT", clock::now().duration_since(before));
    worker.stats().count("removed", listed.len() as u64);
    Ok(())
}

/// RETR of these messages and, when `marked` is there, DELE. Every message of ours is checked.
async fn retrieve(
    worker: &Worker,
    client: &mut Client,
    messages: &[Listed],
    mut marked: Option<&mut Vec<Marked>>,
    text: &mut Vec<u8>,
) -> Result<(), Broken> {
    let is_pipelined = messages.len() > 1;
    for message in messages {
        client.write_retrieve(message);
        if is_pipelined && marked.is_some() {
            client.write_delete(message);
        }
    }
    client.flush("RETR").await?;
    for message in messages {
        let travelled = client.read_message().await?;
        worker.stats().count("messages", 1);
        worker.stats().count("octets", travelled.len() as u64);
        unstuff(travelled, text);
        let token = own_token(text);
        if let Examined::Corrupt(token) = examine(text) {
            worker.stats().count("corrupt", 1);
            worker
                .stats()
                .fail("RETR", &Failure::Garbled(format!("{token} is corrupt")));
            worker.fail();
        }
        if let Some(marked) = marked.as_deref_mut() {
            if !is_pipelined {
                client.write_delete(message);
                client.flush("DELE").await?;
            }
            client.ok("DELE").await?;
            marked.extend(token.map(|token| (token, message.uid.clone())));
        }
    }
    Ok(())
}
