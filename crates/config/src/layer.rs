//! Layers: the defaults, a file, the environment. Later ones win, key by key; naming one listener
//! replaces all of them.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::DEFAULT;
use crate::environment;
use crate::error::{Problem, Problems};
use crate::known::Known;
use crate::reader::Reader;
use crate::settings::Settings;

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Raw {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Raw>),
    /// A table whose keys are the user's, such as the names of data centers.
    Table(BTreeMap<String, Raw>),
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
            Self::Text(text) => quoted(f, text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Table(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let before = if index == 0 { " " } else { ", " };
                    f.write_str(before)?;
                    written_key(f, key)?;
                    write!(f, " = {value}")?;
                }
                f.write_str(if entries.is_empty() { "}" } else { " }" })
            }
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

/// A key of TOML, in quotes where it is not bare.
fn written_key(f: &mut std::fmt::Formatter<'_>, key: &str) -> std::fmt::Result {
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    if !key.is_empty() && key.chars().all(is_bare) {
        f.write_str(key)
    } else {
        quoted(f, key)
    }
}

/// Writes a basic string of TOML: whatever is in it, it stays one line.
fn quoted(f: &mut std::fmt::Formatter<'_>, text: &str) -> std::fmt::Result {
    use std::fmt::Write as _;

    f.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(f, "\\{letter}")?,
            _ if letter.is_control() => write!(f, "\\u{:04X}", u32::from(letter))?,
            _ => f.write_char(letter)?,
        }
    }
    f.write_char('"')
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
    /// The tables, those without a value too, and where they begin.
    pub(crate) tables: BTreeMap<String, Origin>,
}

/// Settings that are complete and of the right types, with their origins.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    pub(crate) layer: Layer,
}

impl Loaded {
    /// Where the value of a setting stands: `FILE:LINE`, the name of a variable, or `default`.
    pub fn place(&self, key: &str) -> String {
        let placed = self.layer.values.get(key);
        placed.map_or_else(String::new, |placed| placed.origin.to_string())
    }
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
    let mut layer = parse(DEFAULT, &|_| Origin::Default)?;
    let known = Known::of(&layer);
    let mut problems = Vec::new();
    if let Some((name, text)) = file {
        let place = |offset| Origin::File {
            name: name.to_owned(),
            line: line_of(text, offset),
        };
        let own = parse(text, &place)?;
        problems.extend(known.unknown_keys(&own));
        layer.put_over(own);
    }
    for (variable, value) in environment {
        match environment::layer(&variable, &value, &known) {
            None => {}
            Some(Ok(own)) => {
                problems.extend(known.unknown_keys(&own));
                layer.put_over(own);
            }
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

/// Loads like [`load`], from a file.
///
/// # Errors
/// As [`load`], and a file that cannot be read.
pub fn load_path(
    path: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, Problems> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Problems(vec![Problem {
            place: name.clone(),
            key: String::new(),
            text: format!("failed to read the configuration: {error}"),
        }])
    })?;
    load(Some((&name, &text)), environment)
}

impl Layer {
    fn put_over(&mut self, upper: Self) {
        self.values.extend(upper.values);
        if !upper.listeners.is_empty() {
            self.listeners = upper.listeners;
        }
    }

    /// One value from outside of a file.
    pub(crate) fn of_value(key: &str, value: &DeValue<'_>, origin: &Origin) -> Self {
        let mut layer = Self::default();
        layer.insert(key, value, origin.clone(), &|_| origin.clone());
        layer
    }

    fn insert(
        &mut self,
        path: &str,
        value: &DeValue<'_>,
        origin: Origin,
        place: &impl Fn(usize) -> Origin,
    ) {
        match value {
            DeValue::Table(inner) if !OWN_KEYS.contains(&path) => {
                self.flatten(inner, &format!("{path}."), place);
                self.tables.insert(path.to_owned(), origin);
            }
            DeValue::Array(items) if path == LISTENER && is_of_tables(items) => {
                self.listeners = items.iter().map(|item| entry(item, place)).collect();
            }
            other => {
                let raw = raw(other);
                self.values.insert(path.to_owned(), Placed { raw, origin });
            }
        }
    }

    fn flatten(&mut self, table: &DeTable<'_>, prefix: &str, place: &impl Fn(usize) -> Origin) {
        for (key, value) in table {
            let path = format!("{prefix}{}", key.get_ref());
            self.insert(&path, value.get_ref(), place(key.span().start), place);
        }
    }
}

/// The settings whose value is a table with keys of the user's.
const OWN_KEYS: [&str; 2] = ["store.cassandra.replication", "tls.further"];

/// The one key whose value is an array of tables.
pub(crate) const LISTENER: &str = "listener";

fn is_of_tables(items: &[Spanned<DeValue<'_>>]) -> bool {
    let is_table = |item: &Spanned<DeValue<'_>>| matches!(item.get_ref(), DeValue::Table(_));
    !items.is_empty() && items.iter().all(is_table)
}

fn entry(item: &Spanned<DeValue<'_>>, place: &impl Fn(usize) -> Origin) -> Entry {
    let mut inner = Layer::default();
    if let DeValue::Table(table) = item.get_ref() {
        inner.flatten(table, "", place);
    }
    Entry {
        origin: place(item.span().start),
        keys: inner.values,
    }
}

/// Reads TOML into dotted keys; `place` says where an octet of the text stands.
fn parse(text: &str, place: &impl Fn(usize) -> Origin) -> Result<Layer, Problems> {
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        // The parser's words about one mistake may be several lines.
        let message = error.message().replace('\n', ", ");
        Problems(vec![Problem {
            place: place(offset).to_string(),
            key: String::new(),
            text: format!("not valid TOML: {message}"),
        }])
    })?;
    let mut layer = Layer::default();
    layer.flatten(table.get_ref(), "", place);
    Ok(layer)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
        + 1
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
        DeValue::Table(table) => {
            let entries = table.iter();
            Raw::Table(
                entries
                    .map(|(key, value)| (key.get_ref().to_string(), raw(value.get_ref())))
                    .collect(),
            )
        }
    }
}
