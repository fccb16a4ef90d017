//! Reading fields whose JSON differs between platforms: of several types, or of any form.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

/// Reads text, or a number or a truth value as the text that JSON has for it. What is served is always text.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "must be text, a number, true or false")]
    enum Sent {
        Text(String),
        Number(serde_json::Number),
        Truth(bool),
    }
    Ok(match Sent::deserialize(deserializer)? {
        Sent::Text(text) => text,
        Sent::Number(number) => number.to_string(),
        Sent::Truth(truth) => truth.to_string(),
    })
}

/// Reads an object of any form. Like the known fields, no key may be there twice: nobody could say which of the two counts.
pub(super) fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    match Any::deserialize(deserializer)?.0 {
        Value::Object(object) => Ok(object),
        _ => Err(D::Error::custom("must be an object")),
    }
}

/// Reads a list of such objects.
pub(super) fn objects<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Map<String, Value>>, D::Error> {
    #[derive(Deserialize)]
    struct Item(#[serde(deserialize_with = "object")] Map<String, Value>);
    Ok(Vec::<Item>::deserialize(deserializer)?.into_iter().map(|Item(object)| object).collect())
}

/// A value without keys that are there twice.
struct Any(Value);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyVisitor;

        impl<'de> Visitor<'de> for AnyVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
                Ok(truth.into())
            }

            fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
                Ok(number.into())
            }

            fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
                Ok(number.into())
            }

            fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
                Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(text.into())
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut array = Vec::new();
                while let Some(Any(item)) = items.next_element()? {
                    array.push(item);
                }
                Ok(array.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
                let mut object = Map::new();
                while let Some((key, Any(value))) = members.next_entry::<String, Any>()? {
                    if object.contains_key(&key) {
                        return Err(A::Error::custom(format!("duplicate field `{key}`")));
                    }
                    object.insert(key, value);
                }
                Ok(object.into())
            }
        }

        deserializer.deserialize_any(AnyVisitor).map(Self)
    }
}
