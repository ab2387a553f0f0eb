//! How long a large mailbox takes to open.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::Result;

use crate::arrivals::Plan;
use crate::cli::MailboxArgs;
use crate::clock;
use crate::crew::{self, Crew, Harvest, Worker};
use crate::pop3::client::{Broken, Client};
use crate::wire::Dial;

/// Opens one mailbox again and again, one session after the other.
pub(crate) fn time_mailbox(args: MailboxArgs) -> Result<Harvest> {
    let plan = Plan {
        count: Some(args.repeat),
        duration: None,
        rate: None,
        seed: 1,
    };
    let crew = Crew {
        plan,
        threads: 1,
        connections: 1,
        pids: args.pid.clone(),
        idle_wait: None,
    };
    let dial = Arc::new(args.target.dial());
    let args = Arc::new(args);
    crew::run(&crew, None, move |worker, _| {
        work(Arc::clone(&args), Arc::clone(&dial), worker)
    })
}

async fn work(args: Arc<MailboxArgs>, dial: Arc<Dial>, worker: Rc<Worker>) {
    while worker.arrivals().take().is_some() {
        match session(&args, &dial, &worker).await {
            Ok(()) => worker.succeed(),
            Err(broken) => {
                worker.stats().fail(broken.stage, &broken.failure);
                worker.fail();
            }
        }
    }
}

async fn session(args: &MailboxArgs, dial: &Dial, worker: &Worker) -> Result<(), Broken> {
    let begin = clock::now();
    let mut client = Client::open(dial, 0, &args.login).await?;
    let before = clock::now();
    worker.stats().time("connect", before.duration_since(begin));
    client.log_in(&args.login, &args.name).await?;
    worker
        .stats()
        .time("login", clock::now().duration_since(before));
    client.send("STAT", "STAT").await?;
    let (messages, octets) = client.read_stat().await?;
    worker
        .stats()
        .time("login to STAT", clock::now().duration_since(before));
    for verb in ["LIST", "UIDL"] {
        let before = clock::now();
        client.send(verb, verb).await?;
        client.count_listing(verb).await?;
        worker
            .stats()
            .time(verb, clock::now().duration_since(before));
    }
    client.quit().await?;
    let taken = clock::now().duration_since(begin);
    client.wire.closed().await;
    let mut stats = worker.stats();
    stats.time("session", taken);
    stats.count("sessions", 1);
    stats.count("listed", messages);
    stats.count("octets listed", octets);
    Ok(())
}
