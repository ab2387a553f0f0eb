//! `store`: init, check, recount, backup, salvage.

use std::path::Path;

use axum::http::Method;
use cassmail_admin::{Client, Report};
use cassmail_config::StoreKind;
use cassmail_store_cassandra::init;
use cassmail_store_embedded::{Salvaged, salvage};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::cli::{Store, Which};
use crate::cluster;
use crate::commands::cluster::{self as cluster_commands, Consent, Form};
use crate::commands::directory::send;
use crate::exit::{Failure, Outcome};
use crate::{place, print, settings};

/// Runs a `store` command.
pub(crate) fn run(runtime: &Runtime, which: &Which, command: Store) -> Outcome {
    match command {
        Store::Init => runtime.block_on(make(which)),
        Store::Status { json } => place::with_client(runtime, which, async |client| {
            super::service::status(client, json).await
        }),
        Store::Check {
            connect: true,
            json,
        } => {
            let form = if json { Form::Json } else { Form::Text };
            runtime.block_on(cluster_commands::check(which, form))
        }
        Store::Migrate { yes } => {
            let consent = if yes { Consent::Given } else { Consent::Asked };
            runtime.block_on(cluster_commands::migrate_schema(which, consent))
        }
        Store::Check { connect: false, .. } => place::with_client(runtime, which, async |client| {
            report(client, "/v1/store/check", &Value::Null).await
        }),
        Store::Recount { json } => {
            place::with_client(runtime, which, async |client| recount(client, json).await)
        }
        Store::Backup { folder } => {
            // The service may have another working directory.
            let folder = std::path::absolute(&folder).map_err(Failure::failed)?;
            place::with_client(runtime, which, async |client| {
                let body = json!({ "folder": folder });
                report(client, "/v1/store/backup", &body).await
            })
        }
        Store::Salvage => {
            let loaded = settings::load(which)?;
            let folder = &loaded.settings.identity.data_dir;
            place::check_owner(folder)?;
            let salvaged = salvage(folder).map_err(Failure::unavailable)?;
            tell(folder, &salvaged);
            Ok(())
        }
    }
}

/// Has all mailboxes with a quota counted.
async fn recount(client: &Client, json: bool) -> Outcome {
    let found = send(client, Method::POST, "/v1/quota/recount", &Value::Null).await?;
    if json {
        print::data(&found);
        return Ok(());
    }
    let number = |key: &str| found[key].as_u64().unwrap_or_default();
    print::data(format!(
        "counted {} accounts that have a quota: {} figures mended, {} mailboxes full",
        number("counted"),
        number("mended"),
        number("full")
    ));
    Ok(())
}

/// Makes the keyspace and the tables.
async fn make(which: &Which) -> Outcome {
    let loaded = settings::load(which)?;
    settings::check(&loaded, &which.given())?;
    let settings = &loaded.settings;
    if settings.store.kind != StoreKind::Cassandra {
        return Err(Failure::usage(
            "store init is for a store on Cassandra, and store.kind is another; the embedded store \
             makes itself when it is first used",
        ));
    }
    let replication = cluster::replication(settings)?;
    let options = cluster::options(settings, None)?;
    init(&options, &replication)
        .await
        .map_err(cluster::not_open)?;
    let keyspace = &settings.cassandra.keyspace;
    print::data(format!(
        "the keyspace {keyspace} has its tables, and all nodes agree on them; go on with: cassmail \
         domain add NAME"
    ));
    Ok(())
}

/// Prints what upkeep found. What is not well ends with 1, for scripts.
async fn report(client: &Client, path: &str, body: &Value) -> Outcome {
    let answer = client.send(Method::POST, path, body).await;
    let answer = answer.map_err(Failure::failed)?;
    let report: Report = serde_json::from_value(answer).map_err(Failure::failed)?;
    for line in &report.lines {
        print::data(line);
    }
    if report.is_well {
        return Ok(());
    }
    Err(Failure::failed(anyhow::anyhow!("the store is damaged")))
}

fn tell(folder: &Path, salvaged: &Salvaged) {
    for damage in &salvaged.damage {
        print::data(format!("damaged: {damage}"));
    }
    for account in &salvaged.accounts {
        print::data(format!("account: {account}"));
    }
    print::data(format!(
        "{} messages are listed again, mail that was removed and not yet cleaned away too; {} were \
         incomplete",
        salvaged.messages, salvaged.incomplete
    ));
    print::remark(format!(
        "the old index is kept as {}/index.lost-*; passwords, aliases and postmasters are lost: \
         set them again with account passwd, alias add and domain add",
        folder.display()
    ));
    if salvaged.unknown_accounts > 0 {
        print::remark(format!(
            "{} accounts were not recognized; their mail is there when they are made again",
            salvaged.unknown_accounts
        ));
    }
}
