//! Layers: the defaults, a file, the environment. Later ones win, key by key; naming one listener
//! replaces all of them.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::DEFAULT;
use crate::environment;
use crate::error::{Problem, Problems, closest};
use crate::reader::Reader;
use crate::settings::{LISTENER_KEYS, Settings};

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Raw {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Raw>),
    /// Something that no setting is, such as a date.
    Other(&'static str),
}

impl Raw {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl std::fmt::Display for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `default.toml`.
    Default,
    /// A file and a line in it.
    File {
        /// The file's name.
        name: String,
        /// The line, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Environment(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Environment(variable) => f.write_str(variable),
        }
    }
}

/// A value and its origin.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) raw: Raw,
    pub(crate) origin: Origin,
}

/// One `[[listener]]`, and where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) origin: Origin,
    pub(crate) keys: BTreeMap<String, Placed>,
}

/// Values by their dotted keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    pub(crate) values: BTreeMap<String, Placed>,
    pub(crate) listeners: Vec<Entry>,
}

/// Settings that are complete and of the right types, with their origins.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    pub(crate) layer: Layer,
}

/// Loads the defaults, on top of them a file (its name and its text), then those variables of the
/// environment that begin with `CASSMAIL_`.
///
/// # Errors
/// All that is wrong, each in one line: what is no TOML, unknown keys and variables, wrong values.
pub fn load(
    file: Option<(&str, &str)>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, Problems> {
    let mut layer = parse("default.toml", DEFAULT)?;
    for placed in layer.values.values_mut() {
        placed.origin = Origin::Default;
    }
    let known: Vec<String> = layer.values.keys().cloned().collect();
    let mut problems = Vec::new();
    if let Some((name, text)) = file {
        let own = parse(name, text)?;
        problems.extend(unknown_keys(&own, &known));
        layer.values.extend(own.values);
        if !own.listeners.is_empty() {
            layer.listeners = own.listeners;
        }
    }
    for (variable, value) in environment {
        match environment::place(&variable, &value, &known) {
            None => {}
            Some(Ok((key, placed))) => drop(layer.values.insert(key, placed)),
            Some(Err(problem)) => problems.push(problem),
        }
    }
    let mut reader = Reader::new(&layer);
    let settings = Settings::read(&mut reader);
    problems.extend(reader.into_problems());
    match settings {
        Some(settings) if problems.is_empty() => Ok(Loaded { settings, layer }),
        _ => Err(Problems(problems)),
    }
}

fn unknown_keys(layer: &Layer, known: &[String]) -> Vec<Problem> {
    let unknown = |key: &str, origin: &Origin, known: &mut dyn Iterator<Item = &str>| Problem {
        place: origin.to_string(),
        key: key.to_owned(),
        text: match closest(key, known) {
            Some(name) => format!("there is no such setting; did you mean {name}?"),
            None => "there is no such setting; list them with: cassmail config default".to_owned(),
        },
    };
    let mut problems = Vec::new();
    for (key, placed) in layer.values.iter().filter(|(key, _)| !known.contains(*key)) {
        problems.push(unknown(
            key,
            &placed.origin,
            &mut known.iter().map(String::as_str),
        ));
    }
    for entry in &layer.listeners {
        let keys = entry
            .keys
            .iter()
            .filter(|(key, _)| !LISTENER_KEYS.contains(&key.as_str()));
        for (key, placed) in keys {
            problems.push(unknown(key, &placed.origin, &mut LISTENER_KEYS.into_iter()));
        }
    }
    problems
}

/// Reads TOML into dotted keys.
fn parse(name: &str, text: &str) -> Result<Layer, Problems> {
    let place = |offset: usize| Origin::File {
        name: name.to_owned(),
        line: line_of(text, offset),
    };
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let text = format!("not valid TOML: {}", error.message());
        Problems(vec![Problem {
            place: place(offset).to_string(),
            key: String::new(),
            text,
        }])
    })?;
    let mut layer = Layer::default();
    flatten(table.get_ref(), "", &place, &mut layer);
    Ok(layer)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
        + 1
}

fn flatten(table: &DeTable<'_>, prefix: &str, place: &impl Fn(usize) -> Origin, layer: &mut Layer) {
    for (key, value) in table {
        let path = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => flatten(inner, &format!("{path}."), place, layer),
            DeValue::Array(items) if path == "listener" => {
                layer.listeners = items.iter().map(|item| entry(item, place)).collect();
            }
            other => {
                let placed = Placed {
                    raw: raw(other),
                    origin: place(key.span().start),
                };
                layer.values.insert(path, placed);
            }
        }
    }
}

fn entry(item: &Spanned<DeValue<'_>>, place: &impl Fn(usize) -> Origin) -> Entry {
    let mut inner = Layer::default();
    if let DeValue::Table(table) = item.get_ref() {
        flatten(table, "", place, &mut inner);
    }
    Entry {
        origin: place(item.span().start),
        keys: inner.values,
    }
}

pub(crate) fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("a number that is too large"), Raw::Integer),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| raw(item.get_ref())).collect()),
        DeValue::Float(_) => Raw::Other("a number with a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}
