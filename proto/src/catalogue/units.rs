//! The units of the province, those elsewhere, and the communes of before the merger of 1 July 2025.

use std::collections::BTreeMap;

use super::{Unit, UnitKind};
use crate::ids::UnitCode;
use crate::text::fold_name;

/// The kinds of units as a file names them.
const KINDS: [(UnitKind, &str); 4] = [
    (UnitKind::Province, "tỉnh"),
    (UnitKind::Commune, "xã"),
    (UnitKind::Ward, "phường"),
    (UnitKind::Affiliated, "trực thuộc"),
];

fn kind_word(kind: UnitKind) -> Option<&'static str> {
    KINDS.iter().find(|(known, _)| *known == kind).map(|(_, word)| *word)
}

/// The units of other provinces, and the communes of before: they stay whatever units the province has.
const NOT_OF_THE_PROVINCE: [&str; 2] = ["units/former.csv", "units/viet_nam.csv"];

/// The units of the province, and the names of all others for telling them.
#[derive(Debug, Clone, Default)]
pub struct Units {
    own: BTreeMap<UnitCode, Unit>,
    elsewhere: BTreeMap<String, (String, String)>,
    former: BTreeMap<String, FormerCommune>,
}

/// A commune of before 1/7/2025.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerCommune {
    /// `xã`, `phường` or `thị trấn`.
    pub kind: String,
    /// Its name without the kind.
    pub name: String,
    /// The district it was in, with its kind: `huyện Văn Lâm`.
    pub district: String,
    /// The province it was in.
    pub province: String,
}

impl Units {
    /// A unit of the province.
    #[must_use]
    pub fn get(&self, code: &UnitCode) -> Option<&Unit> {
        self.own.get(code)
    }

    /// The unit that a code stands for, or that has a cell of that code: `11953.07` is a chi bộ of `11953`.
    #[must_use]
    pub fn holding(&self, code: &UnitCode) -> Option<&Unit> {
        let base = code.as_str().split('.').next().unwrap_or_default();
        base.parse().ok().and_then(|base| self.own.get(&base))
    }

    /// All units of the province, by code.
    pub fn iter(&self) -> impl Iterator<Item = &Unit> {
        self.own.values()
    }

    /// The units a commune code of before 1/7/2025 went into.
    #[must_use]
    pub fn by_old_code(&self, code: &str) -> Vec<&Unit> {
        let had = |codes: &[String]| codes.iter().any(|old| old == code);
        self.own.values().filter(|unit| had(&unit.old_codes) || had(&unit.partial_old_codes)).collect()
    }

    /// What a commune code of before 1/7/2025 stood for.
    #[must_use]
    pub fn former(&self, code: &str) -> Option<&FormerCommune> {
        self.former.get(code)
    }

    /// The communes of before 1/7/2025, with their codes.
    pub fn all_former(&self) -> impl Iterator<Item = (&str, &FormerCommune)> {
        self.former.iter().map(|(code, former)| (code.as_str(), former))
    }

    /// The codes of the communes of before 1/7/2025 that had a name, case and tone placement aside.
    #[must_use]
    pub fn former_named(&self, name: &str) -> Vec<&str> {
        let wanted = fold_name(name);
        let named = self.former.iter().filter(|(_, former)| fold_name(&former.name) == wanted);
        named.map(|(code, _)| code.as_str()).collect()
    }

    /// Name and province of a commune outside the province.
    #[must_use]
    pub fn elsewhere(&self, code: &str) -> Option<(&str, &str)> {
        let known = self.own.keys().any(|own| own.as_str() == code);
        let found = self.elsewhere.get(code).map(|(name, province)| (name.as_str(), province.as_str()));
        if known { None } else { found }
    }

    /// What people call a unit: "Phường Phố Hiến", "Xã Tân Hưng".
    #[must_use]
    pub fn title(&self, code: &UnitCode) -> String {
        let Some(unit) = self.own.get(code) else {
            return code.to_string();
        };
        match unit.kind {
            UnitKind::Commune => format!("Xã {}", unit.name),
            UnitKind::Ward => format!("Phường {}", unit.name),
            UnitKind::Province | UnitKind::Affiliated | UnitKind::Agency => unit.name.clone(),
        }
    }

    /// As a file of units has them.
    pub(super) fn to_csv(&self) -> String {
        let mut rows = csv::Writer::from_writer(Vec::new());
        let head = ["code", "kind", "name", "old_codes", "partial_old_codes"];
        let written = rows.write_record(head).and_then(|()| {
            self.own.values().filter_map(|unit| Some((unit, kind_word(unit.kind)?))).try_for_each(
                |(unit, kind)| {
                    let (old, partial) = (unit.old_codes.join(" "), unit.partial_old_codes.join(" "));
                    rows.write_record([unit.code.as_str(), kind, &unit.name, &old, &partial])
                },
            )
        });
        // Into memory nothing fails.
        let bytes = written.ok().and_then(|()| rows.into_inner().ok()).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// Adds these units, or calls those that are there so by now.
    pub(super) fn add(&mut self, units: impl IntoIterator<Item = Unit>) {
        for unit in units {
            match self.own.get_mut(&unit.code) {
                Some(known) => known.name = unit.name,
                None => drop(self.own.insert(unit.code.clone(), unit)),
            }
        }
    }

    /// Whether a catalogue's file says which units the province has.
    pub(super) fn is_own(path: &str) -> bool {
        path.starts_with("units/") && !NOT_OF_THE_PROVINCE.contains(&path)
    }

    /// Reads a file of units.
    pub(super) fn read(&mut self, path: &str, text: &str) -> Result<(), String> {
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        for row in rows.records() {
            let row = row.map_err(|error| error.to_string())?;
            let cell = |index: usize| row.get(index).unwrap_or_default().to_owned();
            match path {
                "units/viet_nam.csv" => {
                    self.elsewhere.insert(cell(0), (cell(1), cell(4)));
                    continue;
                }
                "units/former.csv" => {
                    let former =
                        FormerCommune { kind: cell(1), name: cell(2), district: cell(3), province: cell(4) };
                    self.former.insert(cell(0), former);
                    continue;
                }
                _ => {}
            }
            let code: UnitCode = cell(0).parse().map_err(|error| format!("{}: {error}", cell(0)))?;
            let word = cell(1);
            let kind = KINDS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind);
            let kind = kind
                .ok_or_else(|| format!("{code}: không có loại {word:?} · {code}: unknown kind {word:?}"))?;
            let list = |text: String| text.split_whitespace().map(str::to_owned).collect();
            let unit = Unit {
                code: code.clone(),
                name: cell(2),
                kind,
                old_codes: list(cell(3)),
                partial_old_codes: list(cell(4)),
            };
            if self.own.insert(code.clone(), unit).is_some() {
                return Err(format!("đơn vị {code} có hai lần · unit {code} stands twice"));
            }
        }
        Ok(())
    }
}

impl FormerCommune {
    /// What people called it: `xã Đình Dù, huyện Văn Lâm, Hưng Yên`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}, {}, {}", self.kind, self.name, self.district, self.province)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Catalogue;

    /// Goal: each code of before that a unit names is named itself, and none besides.
    #[test]
    fn every_commune_of_before_has_its_name() {
        let units = Catalogue::embedded().unwrap().units();
        let mut named: Vec<&str> = units
            .iter()
            .flat_map(|unit| unit.old_codes.iter().chain(&unit.partial_old_codes))
            .map(String::as_str)
            .collect();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named, units.all_former().map(|(code, _)| code).collect::<Vec<_>>());
        assert_eq!(named.len(), 381);
        assert_eq!(units.former("12004").unwrap().title(), "xã Đình Dù, huyện Văn Lâm, Hưng Yên");
        assert_eq!(units.former_named("ĐÌNH DÙ"), ["12004"]);
    }
}
