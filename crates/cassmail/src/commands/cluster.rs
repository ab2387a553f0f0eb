//! `store check --connect` and `store migrate`: the cluster and the schema, as an operator sees
//! them.

use cassmail_config::StoreKind;
use cassmail_store_cassandra::{
    Effect, Finding, Migration, Options, State, Survey, Topic, migrate, plan, survey,
};
use serde_json::{Value, json};

use crate::cli::Which;
use crate::cluster;
use crate::exit::{Failure, Outcome};
use crate::{print, settings};

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

/// What to do about an older schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Say what would change.
    Asked,
    /// Change it.
    Given,
}

fn options(which: &Which, command: &str) -> Outcome<Options> {
    let loaded = settings::load(which)?;
    settings::check(&loaded, &which.given())?;
    if loaded.settings.store.kind != StoreKind::Cassandra {
        return Err(Failure::usage(format!(
            "{command} is for a store on Cassandra, and store.kind is another; name the \
             configuration with --config"
        )));
    }
    cluster::options(&loaded.settings, None)
}

/// Looks at every node; ends with 1 when something fails.
pub(crate) async fn check(which: &Which, form: Form) -> Outcome {
    let options = options(which, "store check --connect")?;
    let survey = survey(&options).await.map_err(cluster::not_open)?;
    match form {
        Form::Json => print::data(as_json(&survey)),
        Form::Text => survey.topics.iter().for_each(show),
    }
    match survey.state() {
        State::Well | State::Doubtful => Ok(()),
        State::Broken => Err(Failure::failed(anyhow::anyhow!(
            "the cluster does not keep what cassmail promises over it; see what is marked fail"
        ))),
    }
}

fn show(topic: &Topic) {
    print::data(topic.name);
    let about = topic
        .findings
        .iter()
        .map(|finding| finding.about.chars().count());
    let width = about.max().unwrap_or_default();
    for Finding {
        state,
        about,
        found,
        remedy,
    } in &topic.findings
    {
        print::data(format!("  {state:<4}  {about:<width$}  {found}"));
        if let Some(remedy) = remedy {
            print::data(format!("  {:<4}  {:<width$}  -> {remedy}", "", ""));
        }
    }
}

fn as_json(survey: &Survey) -> Value {
    let topics = survey.topics.iter().map(|topic| {
        let findings = topic.findings.iter().map(|finding| {
            json!({
                "state": finding.state.as_str(),
                "about": finding.about,
                "found": finding.found,
                "remedy": finding.remedy,
            })
        });
        json!({ "topic": topic.name, "findings": findings.collect::<Vec<_>>() })
    });
    json!({ "state": survey.state().as_str(), "topics": topics.collect::<Vec<_>>() })
}

/// Says what a migration would change, or makes it.
pub(crate) async fn migrate_schema(which: &Which, consent: Consent) -> Outcome {
    let options = options(which, "store migrate")?;
    let planned = plan(&options).await.map_err(cluster::not_open)?;
    if planned.steps.is_empty() {
        print::data(format!("the schema has version {} already", planned.found));
        return Ok(());
    }
    tell(&planned);
    if consent == Consent::Asked {
        print::data("nothing was changed; do it with: cassmail store migrate --yes");
        return Ok(());
    }
    let done = migrate(&options).await.map_err(cluster::not_open)?;
    print::data(format!(
        "the schema has version {}, and all nodes agree",
        done.needed
    ));
    Ok(())
}

fn tell(migration: &Migration) {
    print::data(format!(
        "from version {} to {}:",
        migration.found, migration.needed
    ));
    for step in &migration.steps {
        let effect = match step.effect {
            Effect::Unnoticed => "",
            Effect::Breaks => "  (processes of the version before may fail)",
        };
        print::data(format!("  {}: {}{effect}", step.file, step.what));
    }
    print::data(if migration.can_be_done_while_serving() {
        "running processes of the version before go on; one that is started afterwards must be of \
         this version"
    } else {
        "end all processes of the version before first"
    });
}
