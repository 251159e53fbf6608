//! Native places as people write them, and the unit of the province that each is in today.

use std::collections::{BTreeMap, BTreeSet};

use super::{UnitKind, Units};
use crate::ids::UnitCode;
use crate::text::fold_name;

/// Words before a name, folded, by what they are of.
const COMMUNES: [&str; 9] = ["xã ", "phường ", "thị trấn ", "x. ", "x.", "p. ", "p.", "tt. ", "tt."];
const DISTRICTS: [&str; 12] =
    ["huyện ", "thị xã ", "thành phố ", "h. ", "h.", "tx. ", "tx.", "tx ", "tp. ", "tp.", "tp ", "t.p "];
const PROVINCES: [&str; 3] = ["tỉnh ", "t. ", "t."];
/// Before these a new part begins even without a sign.
const PARTING: [&str; 6] = [" huyện ", " xã ", " phường ", " thị trấn ", " thành phố ", " tỉnh "];
const COUNTRY: &str = "việt nam";
/// What the Party's committee of a province is called before the province's name.
const COMMITTEE: &str = "tỉnh ủy ";

/// Communes by name, with the units they are in.
type Communes = BTreeMap<String, BTreeSet<UnitCode>>;

/// The communes of today and of before 1/7/2025, by their names.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The province's name of today.
    province: String,
    today: Communes,
    /// By province and district.
    before: BTreeMap<String, BTreeMap<String, Communes>>,
}

impl Places {
    /// Those that the units name.
    #[must_use]
    pub fn of(units: &Units) -> Self {
        let mut places = Self::default();
        for unit in units.iter() {
            let name = fold_name(&unit.name);
            match unit.kind {
                UnitKind::Province => places.province = bare(&name, &[COMMITTEE]).to_owned(),
                UnitKind::Commune | UnitKind::Ward => {
                    places.today.entry(name).or_default().insert(unit.code.clone());
                }
                UnitKind::Affiliated | UnitKind::Agency => {}
            }
        }
        for (code, former) in units.all_former() {
            let district = fold_name(&former.district);
            let districts = places.before.entry(fold_name(&former.province)).or_default();
            let communes = districts.entry(bare(&district, &DISTRICTS).to_owned()).or_default();
            let now = units.by_old_code(code).into_iter().map(|unit| unit.code.clone());
            communes.entry(fold_name(&former.name)).or_default().extend(now);
        }
        places
    }

    /// The unit in which a place is today: `xã Đình Dù, huyện Văn Lâm, tỉnh Hưng Yên`, as it was written before 1/7/2025,
    /// or `xã Như Quỳnh, Hưng Yên`, as since. Nothing if it is elsewhere, or not one only: a commune that was split, a
    /// name of several, a district alone.
    #[must_use]
    pub fn unit(&self, text: &str) -> Option<&UnitCode> {
        let mut folded = fold_name(text);
        for word in PARTING {
            folded = folded.replace(word, &format!(",{}", word.trim_start()));
        }
        folded = folded.replace("thị,xã ", "thị xã ").replace(" thị xã ", ",thị xã ");
        let mut parts: Vec<&str> = folded.split([',', ';', '-', '–', '/', '(', ')']).map(str::trim).collect();
        parts.retain(|part| !part.is_empty() && *part != COUNTRY);
        let province = parts.last().map(|last| bare(last, &PROVINCES));
        let province = province.filter(|name| *name == self.province || self.before.contains_key(*name));
        if province.is_some() {
            parts.pop();
        }
        let place = parts.pop()?;
        let is_there = |name: &str| province.is_none_or(|province| name == province);
        let district = bare(place, &DISTRICTS);
        let of_district: Vec<&Communes> = self
            .before
            .iter()
            .filter(|(province, _)| is_there(province))
            .filter_map(|(_, districts)| districts.get(district))
            .collect();
        if let Some(commune) = parts.last().filter(|_| !of_district.is_empty()) {
            let commune = bare(commune, &COMMUNES);
            return only(of_district.iter().filter_map(|communes| communes.get(commune)));
        }
        if province != Some(self.province.as_str()) {
            return None;
        }
        let name = bare(place, &COMMUNES);
        if name == place && !of_district.is_empty() {
            return None;
        }
        let before =
            self.before.values().flat_map(BTreeMap::values).filter_map(|communes| communes.get(name));
        only(self.today.get(name).into_iter()).or_else(|| only(before))
    }
}

/// A name without the word before it.
fn bare<'a>(name: &'a str, words: &[&str]) -> &'a str {
    words.iter().find_map(|word| name.strip_prefix(word)).unwrap_or(name).trim()
}

/// The one unit among them.
fn only<'a>(found: impl Iterator<Item = &'a BTreeSet<UnitCode>>) -> Option<&'a UnitCode> {
    let units: BTreeSet<&UnitCode> = found.flatten().collect();
    if units.len() == 1 { units.into_iter().next() } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::Catalogue;
    use super::*;

    #[test]
    fn a_native_place_leads_to_the_unit_of_today() {
        let places = Places::of(Catalogue::embedded().unwrap().units());
        let unit = |text: &str| places.unit(text).map(UnitCode::as_str);
        for (text, code) in [
            // Of before: commune, district, province.
            ("xã Quảng Châu, thành phố Hưng Yên, tỉnh Hưng Yên", Some("11980")),
            ("Quảng Châu - TP Hưng Yên - Hưng Yên", Some("11980")),
            ("QUẢNG CHÂU, TP. HƯNG YÊN", Some("11980")),
            ("thôn 2, xã Quảng Châu, tp Hưng Yên, Hưng Yên, Việt Nam", Some("11980")),
            ("Thôn Nam xã Thụy Trường huyện Thái Thuỵ tỉnh Thái Bình", Some("12862")),
            ("Thôn Nam, Thụy Trường huyện Thái Thuỵ tỉnh Thái Bình", Some("12862")),
            ("xã Cẩm Xá thị xã Mỹ Hào tỉnh Hưng Yên", places.unit("Cẩm Xá, Mỹ Hào").map(UnitCode::as_str)),
            ("Tân Hưng, thành phố Hưng Yên, Hưng Yên", Some("11977")),
            // Of today.
            ("Xã Như Quỳnh, Hưng Yên", Some("12004")),
            ("Phố Hiến, tỉnh Hưng Yên", Some("11953")),
            ("xã Khoái Châu, Hưng Yên", Some("12205")),
            // A district or a commune, split, unknown, elsewhere, nothing.
            ("Khoái Châu, Hưng Yên", None),
            ("Đình Dù, Văn Lâm, Hưng Yên", None),
            ("Không Có, Văn Lâm, Hưng Yên", None),
            ("Như Quỳnh, Thái Bình", None),
            ("xã Ba Đình, Hà Nội", None),
            ("Hưng Yên", None),
            ("", None),
            (",,,", None),
        ] {
            assert_eq!(unit(text), code, "{text}");
        }
    }
}
