//! JSON that says one thing: an object that names a member twice is refused, so that no two readers can
//! understand it differently.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

/// Reads one document; deeper than 128 levels is refused.
///
/// # Errors
/// `serde_json`'s, with line and column.
pub(super) fn read(bytes: &[u8]) -> Result<Json, serde_json::Error> {
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let value = Unambiguous.deserialize(&mut input)?;
    input.end()?;
    Ok(value)
}

struct Unambiguous;

impl<'de> DeserializeSeed<'de> for Unambiguous {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Json, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<Json, E> {
        Ok(yes.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = input.next_element_seed(Unambiguous)? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Json, A::Error> {
        let mut members = Map::new();
        while let Some(name) = input.next_key::<String>()? {
            let value = input.next_value_seed(Unambiguous)?;
            if members.insert(name, value).is_some() {
                // The name may be anything, so it is not repeated.
                return Err(Error::custom("a member stands twice"));
            }
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_reads_is_what_serde_json_reads_or_nothing() {
        for text in
            ["null", "[1,-2,1.5,true,\"ế\",{}]", r#"{"a":{"b":[{"c":null}]},"d":18446744073709551615}"#]
        {
            assert_eq!(read(text.as_bytes()).unwrap(), serde_json::from_str::<Json>(text).unwrap());
        }
        for text in
            ["", "{", "[1,]", "01", "NaN", "1 2", r#"{"a":1,"a":1}"#, r#"[{"b":{"x":1,"y":2,"\u0078":3}}]"#]
        {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(&[b"\"", &[0xff][..], b"\""].concat()).is_err());
        assert!(read("[".repeat(100_000).as_bytes()).is_err(), "deep");
    }
}
