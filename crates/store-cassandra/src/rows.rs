//! Values on their way into statements, and out of rows.

use cassmail_mail::{AccountId, MessageId};
use scylla::value::{CqlTimeuuid, CqlValue, MaybeUnset};
use uuid::Uuid;

/// A bound value. What is absent is unset, never null: a null would be a tombstone.
pub(crate) type Value = MaybeUnset<CqlValue>;

/// The values of one statement, in the order of its question marks.
pub(crate) type Row = Vec<Value>;

/// What becomes a bound value.
pub(crate) trait IntoValue {
    fn into_value(self) -> Value;
}

/// Makes a row of different things.
macro_rules! row {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::rows::IntoValue::into_value($value)),*]
    };
}
pub(crate) use row;

macro_rules! into_value {
    ($($type:ty, $value:ident => $cql:expr;)+) => {
        $(impl IntoValue for $type {
            fn into_value(self) -> Value {
                let $value = self;
                MaybeUnset::Set($cql)
            }
        })+
    };
}

into_value! {
    AccountId, id => CqlValue::Uuid(Uuid::from_bytes(id.to_key()));
    MessageId, id => CqlValue::Timeuuid(CqlTimeuuid::from(id.to_uuid()));
    Uuid, id => CqlValue::Uuid(id);
    CqlTimeuuid, id => CqlValue::Timeuuid(id);
    &str, text => CqlValue::Text(text.to_owned());
    String, text => CqlValue::Text(text);
    Vec<u8>, octets => CqlValue::Blob(octets);
    &[u8], octets => CqlValue::Blob(octets.to_vec());
    i64, number => CqlValue::BigInt(number);
    i32, number => CqlValue::Int(number);
    i16, number => CqlValue::SmallInt(number);
    i8, number => CqlValue::TinyInt(number);
    bool, is => CqlValue::Boolean(is);
    Micros, time => CqlValue::BigInt(time.0);
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(MaybeUnset::Unset, T::into_value)
    }
}

/// A write timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Micros(pub(crate) i64);

impl Micros {
    /// When everything of a message or a bucket is written: its own time.
    pub(crate) fn of(id: MessageId) -> Self {
        Self(i64::try_from(id.minted_at().as_micros()).unwrap_or(i64::MAX / 2))
    }

    pub(crate) fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

/// An id that Cassandra keeps as a timeuuid.
pub(crate) fn id_of(value: CqlTimeuuid) -> Option<MessageId> {
    MessageId::from_uuid(Uuid::from_bytes(*value.as_bytes()))
}

/// A length that a column can hold.
pub(crate) fn octets(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

pub(crate) fn bigint(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
