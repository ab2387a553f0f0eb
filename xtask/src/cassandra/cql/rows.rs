//! Rows as texts (section 4.2.5.2; the types in section 6).

use std::net::IpAddr;

use anyhow::{Context as _, Result};

use super::reader::Reader;

/// Types may hold types; nobody nests them deeper than this.
const DEEPEST: usize = 8;

/// What a statement gives back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Rows {
    pub(in super::super) columns: Vec<String>,
    pub(in super::super) values: Vec<Vec<String>>,
    /// Whether the schema was changed, and has to reach the other nodes.
    pub(in super::super) changed_schema: bool,
}

impl Rows {
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        match reader.int()? {
            2 => read_rows(&mut reader),
            kind => Ok(Self {
                changed_schema: kind == 5,
                ..Self::default()
            }),
        }
    }
}

fn read_rows(reader: &mut Reader<'_>) -> Result<Rows> {
    let flags = reader.int()?;
    let count = reader.int()?;
    if flags & 0x02 != 0 {
        reader.bytes()?;
    }
    let has_one_table = flags & 0x01 != 0;
    if has_one_table {
        skip_table(reader)?;
    }
    let mut columns = Vec::new();
    let mut types = Vec::new();
    for _ in 0..count {
        if !has_one_table {
            skip_table(reader)?;
        }
        columns.push(reader.string()?.to_owned());
        types.push(Type::read(reader, DEEPEST)?);
    }
    let count = reader.int()?;
    let rows = (0..count).map(|_| read_row(reader, &types));
    Ok(Rows {
        values: rows.collect::<Result<_>>()?,
        columns,
        changed_schema: false,
    })
}

/// Keyspace and table.
fn skip_table(reader: &mut Reader<'_>) -> Result<()> {
    reader.string()?;
    reader.string()?;
    Ok(())
}

fn read_row(reader: &mut Reader<'_>, types: &[Type]) -> Result<Vec<String>> {
    types.iter().map(|kind| read_value(reader, kind)).collect()
}

fn read_value(reader: &mut Reader<'_>, kind: &Type) -> Result<String> {
    match reader.bytes()? {
        Some(bytes) => kind.show(bytes),
        None => Ok("null".to_owned()),
    }
}

enum Type {
    Text,
    Integer,
    Boolean,
    Double,
    Float,
    Uuid,
    Address,
    /// Lists and sets.
    Many(Box<Type>),
    Map(Box<Type>, Box<Type>),
    /// Tuples and types of users.
    Tuple(Vec<Type>),
    /// Shown in hexadecimal.
    Other,
}

impl Type {
    fn read(reader: &mut Reader<'_>, depth: usize) -> Result<Self> {
        let depth = depth.checked_sub(1).context("types nested too deep")?;
        Ok(match reader.short()? {
            0x00 => {
                reader.string()?;
                Self::Other
            }
            0x01 | 0x0a | 0x0d => Self::Text,
            // Times are shown as the numbers that they are.
            0x02 | 0x05 | 0x09 | 0x0b | 0x12 | 0x13 | 0x14 => Self::Integer,
            0x04 => Self::Boolean,
            0x07 => Self::Double,
            0x08 => Self::Float,
            0x0c | 0x0f => Self::Uuid,
            0x10 => Self::Address,
            0x20 | 0x22 => Self::Many(Box::new(Self::read(reader, depth)?)),
            0x21 => Self::Map(
                Box::new(Self::read(reader, depth)?),
                Box::new(Self::read(reader, depth)?),
            ),
            0x30 => Self::Tuple(read_fields(reader, depth)?),
            0x31 => {
                let parts = 0..reader.short()?;
                let parts = parts.map(|_| Self::read(reader, depth));
                Self::Tuple(parts.collect::<Result<_>>()?)
            }
            _ => Self::Other,
        })
    }

    fn show(&self, bytes: &[u8]) -> Result<String> {
        Ok(match self {
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
            Self::Integer => integer(bytes).to_string(),
            Self::Boolean => (bytes != [0]).to_string(),
            Self::Double => f64::from_be_bytes(bytes.try_into()?).to_string(),
            Self::Float => f32::from_be_bytes(bytes.try_into()?).to_string(),
            Self::Uuid => uuid(bytes),
            Self::Address => address(bytes)?.to_string(),
            Self::Many(kind) => show_many(bytes, &[kind])?,
            Self::Map(key, value) => show_many(bytes, &[key, value])?,
            Self::Tuple(kinds) => show_tuple(bytes, kinds)?,
            Self::Other => format!("0x{}", hexadecimal(bytes)),
        })
    }
}

/// A type of a user: keyspace, name, and a name and a type for each field.
fn read_fields(reader: &mut Reader<'_>, depth: usize) -> Result<Vec<Type>> {
    skip_table(reader)?;
    let fields = 0..reader.short()?;
    let fields = fields.map(|_| {
        reader.string()?;
        Type::read(reader, depth)
    });
    fields.collect()
}

fn show_many(bytes: &[u8], kinds: &[&Type]) -> Result<String> {
    let mut reader = Reader::new(bytes);
    let mut shown = Vec::new();
    for _ in 0..reader.int()? {
        let parts = kinds.iter().map(|kind| read_value(&mut reader, kind));
        shown.push(parts.collect::<Result<Vec<_>>>()?.join(": "));
    }
    Ok(format!("[{}]", shown.join(", ")))
}

/// A tuple that was written before a field was added to it ends early.
fn show_tuple(bytes: &[u8], kinds: &[Type]) -> Result<String> {
    let mut reader = Reader::new(bytes);
    let mut shown = Vec::new();
    for kind in kinds {
        if reader.rest().is_empty() {
            break;
        }
        shown.push(read_value(&mut reader, kind)?);
    }
    Ok(format!("({})", shown.join(", ")))
}

fn integer(bytes: &[u8]) -> i64 {
    let sign = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let start = if sign { -1 } else { 0 };
    let append = |number: i64, byte: &u8| (number << 8) | i64::from(*byte);
    bytes.iter().fold(start, append)
}

fn uuid(bytes: &[u8]) -> String {
    let mut text = hexadecimal(bytes);
    for place in [20, 16, 12, 8] {
        if text.len() > place {
            text.insert(place, '-');
        }
    }
    text
}

fn address(bytes: &[u8]) -> Result<IpAddr> {
    match <[u8; 4]>::try_from(bytes) {
        Ok(four) => Ok(four.into()),
        Err(_) => Ok(<[u8; 16]>::try_from(bytes)?.into()),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_names_and_nulls() {
        let body = b"\0\0\0\x02\0\0\0\x01\0\0\0\x02\0\x01k\0\x01t\
            \0\x04name\0\x0d\0\x03age\0\x09\
            \0\0\0\x02\
            \0\0\0\x03Ann\0\0\0\x04\xff\xff\xff\xfe\
            \0\0\0\x03Bob\xff\xff\xff\xff";
        let rows = Rows::parse(body).unwrap();
        assert_eq!(rows.columns, ["name", "age"]);
        assert_eq!(rows.values, [["Ann", "-2"], ["Bob", "null"]]);
    }

    #[test]
    fn what_has_no_rows_says_whether_the_schema_changed() {
        assert!(!Rows::parse(&1_i32.to_be_bytes()).unwrap().changed_schema);
        assert!(Rows::parse(&5_i32.to_be_bytes()).unwrap().changed_schema);
    }

    #[test]
    fn rows_that_end_too_early_are_an_error() {
        assert!(Rows::parse(b"\0\0\0\x02\0\0\0\x01\0\0\0\x02\0\x01k").is_err());
    }

    #[test]
    fn types_within_types_are_read_to_a_depth() {
        let nested = [0x00_u8, 0x20].repeat(20);
        assert!(Type::read(&mut Reader::new(&nested), DEEPEST).is_err());
    }

    #[test]
    fn values_are_shown_as_people_write_them() {
        let map = Type::Map(Box::new(Type::Text), Box::new(Type::Integer));
        let bytes = b"\0\0\0\x01\0\0\0\x01a\0\0\0\x01\x05";
        assert_eq!(map.show(bytes).unwrap(), "[a: 5]");
        assert_eq!(Type::Address.show(&[127, 0, 0, 1]).unwrap(), "127.0.0.1");
        let id = "00112233-4455-6677-8899-aabbccddeeff";
        let digits = [
            0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255,
        ];
        assert_eq!(uuid(&digits), id);
    }
}
