//! The formation as platforms send it: `{"web":1}` as the Events API has it, or `{"web":"1:M"}` with the size, as newer ones do.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A `scale` event as it is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentScale {
    previous_containers: Distinct<Amount>,
    containers: Distinct<Amount>,
    #[serde(default)]
    previous_sizes: Option<Distinct<String>>,
    #[serde(default)]
    sizes: Option<Distinct<String>>,
}

/// The numbers of containers by type, and their sizes if any is known.
pub(super) type Formation = (BTreeMap<String, u32>, Option<BTreeMap<String, String>>);

impl SentScale {
    /// Returns the formation before and the one after.
    pub(super) fn formations(self) -> [Formation; 2] {
        [normalise(self.previous_containers, self.previous_sizes), normalise(self.containers, self.sizes)]
    }
}

/// Moves sizes that come with an amount to the others.
fn normalise(Distinct(amounts): Distinct<Amount>, sizes: Option<Distinct<String>>) -> Formation {
    let mut sizes = sizes.map(|Distinct(sizes)| sizes);
    let mut counts = BTreeMap::new();
    for (name, Amount { count, size }) in amounts {
        if let Some(size) = size {
            sizes.get_or_insert_default().entry(name.clone()).or_insert(size);
        }
        counts.insert(name, count);
    }
    (counts, sizes)
}

/// A number of containers, and their size if it comes with it.
struct Amount {
    count: u32,
    size: Option<String>,
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;

        impl Visitor<'_> for AmountVisitor {
            type Value = Amount;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("u32")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Amount, E> {
                let count = u32::try_from(count)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(count), &self))?;
                Ok(Amount { count, size: None })
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                let (count, size) = match text.split_once(':') {
                    Some((count, size)) if !size.is_empty() => (count, Some(size.to_owned())),
                    Some(_) => ("", None),
                    None => (text, None),
                };
                let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
                let count = count.parse().ok().filter(|_| is_number);
                let count = count.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))?;
                Ok(Amount { count, size })
            }
        }

        deserializer.deserialize_any(AmountVisitor)
    }
}

/// A map whose keys differ. JSON lets an object repeat a name, and the last value would win unnoticed.
struct Distinct<V>(BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Distinct<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DistinctVisitor<V>(std::marker::PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for DistinctVisitor<V> {
            type Value = Distinct<V>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Distinct<V>, A::Error> {
                let mut map = BTreeMap::new();
                while let Some((key, value)) = entries.next_entry::<String, V>()? {
                    if map.contains_key(&key) {
                        return Err(de::Error::custom(format!("duplicate field `{key}`")));
                    }
                    map.insert(key, value);
                }
                Ok(Distinct(map))
            }
        }

        deserializer.deserialize_map(DistinctVisitor(std::marker::PhantomData))
    }
}
