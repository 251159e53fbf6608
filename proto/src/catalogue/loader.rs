//! Loads and checks the catalogue's files.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{Calendar, Code, CodeList, Field, FieldKind, RecordType, Unit, Units};
use crate::hash::{Digest, sha256};
use crate::text::{fold, in_both};

static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// Record types, code lists and units, checked against each other.
#[derive(Debug, Clone)]
pub struct Catalogue {
    types: BTreeMap<String, RecordType>,
    codes: BTreeMap<String, CodeList>,
    units: Units,
    calendar: Calendar,
    digest: Digest,
}

/// Why a catalogue is refused: the file and what is wrong in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", in_both(&format!("tệp danh mục {file}"), &format!("catalogue file {file}"), reason))]
pub struct CatalogueError {
    /// Which file.
    pub file: String,
    /// What is wrong.
    pub reason: String,
}

/// The checks a field may name, and of which values.
const CHECKS: [(&str, &[FieldKind]); 13] = [
    ("person_name", &[FieldKind::Text]),
    ("cccd", &[FieldKind::Text]),
    ("cccd_document", &[FieldKind::Text]),
    ("phone", &[FieldKind::Text]),
    ("party_card", &[FieldKind::Text]),
    ("sha256", &[FieldKind::Text]),
    ("document_number", &[FieldKind::Text]),
    ("letter", &[FieldKind::Text, FieldKind::LongText]),
    ("anonymous", &[FieldKind::Boolean]),
    ("positive", &[FieldKind::Integer, FieldKind::Money]),
    ("year", &[FieldKind::Integer]),
    ("past_date", &[FieldKind::Date]),
    ("birth_date", &[FieldKind::Date]),
];

static EMBEDDED: LazyLock<Result<Catalogue, CatalogueError>> =
    LazyLock::new(|| Catalogue::load(Catalogue::embedded_files()));

impl Catalogue {
    /// The catalogue that comes with the program.
    ///
    /// # Errors
    /// [`CatalogueError`] never in a tested build: the embedded files are checked by a test.
    pub fn embedded() -> Result<&'static Self, CatalogueError> {
        EMBEDDED.as_ref().map_err(Clone::clone)
    }

    /// The files of the catalogue that comes with the program, by path.
    #[must_use]
    pub fn embedded_files() -> BTreeMap<String, String> {
        FILES.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    /// The embedded files with `files` added or replacing them.
    ///
    /// # Errors
    /// [`CatalogueError`] naming the file at fault.
    pub fn with_overrides(files: impl IntoIterator<Item = (String, String)>) -> Result<Self, CatalogueError> {
        Self::load(Self::embedded_files().into_iter().chain(files))
    }

    /// Loads `records/*.toml`, `codes/*.toml`, `units/*.csv` and `calendar.toml`.
    ///
    /// # Errors
    /// [`CatalogueError`] naming the file at fault.
    pub fn load(files: impl IntoIterator<Item = (String, String)>) -> Result<Self, CatalogueError> {
        let files: BTreeMap<String, String> = files.into_iter().collect();
        let mut catalogue = Self {
            types: BTreeMap::new(),
            codes: BTreeMap::new(),
            units: Units::default(),
            calendar: Calendar::default(),
            digest: digest_of(&files),
        };
        for (path, text) in &files {
            let fault = |reason: String| CatalogueError { file: path.clone(), reason };
            let stem = path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
            if path.starts_with("records/") {
                let parsed: RecordType = toml::from_str(text).map_err(|error| fault(error.to_string()))?;
                if parsed.name != stem {
                    return Err(fault(format!(
                        "khai báo {0}, tên tệp là {stem} · declares {0}, the file is {stem}",
                        parsed.name
                    )));
                }
                catalogue.types.insert(parsed.name.clone(), parsed);
            } else if path.starts_with("codes/") {
                let mut parsed: CodeList = toml::from_str(text).map_err(|error| fault(error.to_string()))?;
                parsed.index();
                if parsed.name != stem {
                    return Err(fault(format!(
                        "khai báo {0}, tên tệp là {stem} · declares {0}, the file is {stem}",
                        parsed.name
                    )));
                }
                catalogue.codes.insert(parsed.name.clone(), parsed);
            } else if path == "calendar.toml" {
                catalogue.calendar = Calendar::read(text).map_err(fault)?;
            } else if path.starts_with("units/") {
                catalogue.units.read(path, text).map_err(fault)?;
            } else {
                return Err(fault("không ở thư mục nào đã biết · is in no known folder".to_owned()));
            }
        }
        catalogue.check()?;
        Ok(catalogue)
    }

    /// Whether records written under `before` keep their meaning: no type goes, no key changes, no field becomes
    /// something else (a new field takes over), no code that stands in records goes.
    ///
    /// # Errors
    /// [`CatalogueError`] naming the file at fault.
    pub fn follows(&self, before: &Self) -> Result<(), CatalogueError> {
        for was in before.types.values() {
            let file = format!("records/{}.toml", was.name);
            let fault = |reason: String| CatalogueError { file: file.clone(), reason };
            let Some(is) = self.types.get(&was.name) else {
                return Err(fault(
                    "loại này đã mất mà bản ghi của nó vẫn còn · the type is gone, and records of it are not"
                        .to_owned(),
                ));
            };
            if is.key != was.key {
                return Err(fault(
                    "khóa của một loại không bao giờ đổi · the key of a type never changes".to_owned(),
                ));
            }
            follows(&was.fields, &is.fields).map_err(fault)?;
        }
        for was in before.codes.values() {
            let file = format!("codes/{}.toml", was.name);
            let is = self.codes.get(&was.name);
            let kept = |code: &Code| is.is_some_and(|is| is.ordinal(&code.code).is_some());
            if let Some(gone) = was.codes.iter().find(|code| !kept(code)) {
                return Err(CatalogueError {
                    file,
                    reason: format!("mã {0} đã mất · the code {0} is gone", gone.code),
                });
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), CatalogueError> {
        for record_type in self.types.values() {
            let file = format!("records/{}.toml", record_type.name);
            let fault = |reason: String| CatalogueError { file: file.clone(), reason };
            let named = |name: &String| record_type.fields.iter().any(|field| field.name == *name);
            for key in record_type.key.fields.iter().chain(&record_type.guard).chain(&record_type.unit_field)
            {
                if !named(key) {
                    return Err(fault(format!(
                        "nêu trường {key} mà không khai báo · names the field {key}, which it does not declare"
                    )));
                }
            }
            let mut seen = std::collections::BTreeSet::new();
            for field in &record_type.fields {
                if !seen.insert(field.name.as_str()) {
                    return Err(fault(format!(
                        "khai báo trường {0} hai lần · declares the field {0} twice",
                        field.name
                    )));
                }
                self.check_field(field).map_err(fault)?;
            }
            super::check_course::check_course(self, record_type).map_err(fault)?;
            super::handover::check_handover(self, record_type).map_err(fault)?;
            super::check::check_rules(self, record_type).map_err(fault)?;
        }
        Ok(())
    }

    fn check_field(&self, field: &Field) -> Result<(), String> {
        let name = &field.name;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.starts_with('_') || !name.chars().all(plain) {
            return Err(format!(
                "tên trường {name:?} phải gồm chữ thường không dấu, chữ số và '_' · field name {name:?} is not of small letters, digits and '_'"
            ));
        }
        let kind = field.member_kind();
        if kind == FieldKind::Code
            && !field.codes.as_ref().is_some_and(|codes| self.codes.contains_key(codes))
        {
            return Err(format!(
                "trường {name} cần một bảng mã đã có ở `codes` · field {name} needs a known code list in `codes`"
            ));
        }
        if kind == FieldKind::Reference
            && !field.target.as_ref().is_some_and(|target| self.types.contains_key(target))
        {
            return Err(format!(
                "trường {name} cần một loại bản ghi đã có ở `target` · field {name} needs a known record type in `target`"
            ));
        }
        if let Some(check) = &field.check {
            let of = CHECKS.iter().find(|(known, _)| known == check).map(|(_, kinds)| *kinds);
            let kinds = of.ok_or_else(|| {
                format!("trường {name}: không có cách kiểm tra {check:?} · field {name}: there is no check {check:?}")
            })?;
            if !kinds.contains(&kind) {
                return Err(format!(
                    "trường {name}: {check} không dùng cho loại giá trị này · field {name}: {check} is no check of its type"
                ));
            }
        }
        if field.kind == FieldKind::List && field.of.is_none() {
            return Err(format!("danh sách {name} cần `of` · list {name} needs `of`"));
        }
        if field.kind == FieldKind::Items {
            let known = |key: &String| field.fields.iter().any(|subfield| subfield.name == *key);
            if field.item_key.is_empty() || !field.item_key.iter().all(known) {
                return Err(format!(
                    "các mục {name} cần `item_key` gồm trường của chính mục · items {name} need an `item_key` of their own fields"
                ));
            }
        }
        field.fields.iter().try_for_each(|subfield| self.check_field(subfield))
    }

    /// A record type.
    #[must_use]
    pub fn record_type(&self, name: &str) -> Option<&RecordType> {
        self.types.get(name)
    }

    /// All record types, by name.
    pub fn record_types(&self) -> impl Iterator<Item = &RecordType> {
        self.types.values()
    }

    /// The record type whose name is nearest to what was typed.
    #[must_use]
    pub fn nearest_type(&self, name: &str) -> Option<&str> {
        let score = |known: &&String| (strsim::jaro_winkler(name, known) * 1_000.0) as u32;
        self.types.keys().max_by_key(score).map(String::as_str)
    }

    /// A code list.
    #[must_use]
    pub fn code_list(&self, name: &str) -> Option<&CodeList> {
        self.codes.get(name)
    }

    /// The units.
    #[must_use]
    pub fn units(&self) -> &Units {
        &self.units
    }

    /// The working days.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The same with these units added, or called so by now. The digest is that of the files.
    #[must_use]
    pub fn with_units(&self, units: impl IntoIterator<Item = Unit>) -> Self {
        let mut catalogue = self.clone();
        catalogue.units.add(units);
        catalogue
    }

    /// `files` with the units of the province as this catalogue has them.
    #[must_use]
    pub fn files_with_its_units(&self, files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut files: BTreeMap<String, String> = files
            .iter()
            .filter(|(path, _)| !Units::is_own(path))
            .map(|(p, t)| (p.clone(), t.clone()))
            .collect();
        files.insert("units/units.csv".to_owned(), self.units.to_csv());
        files
    }

    /// SHA-256 over the files, by path.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

fn follows(was: &[Field], is: &[Field]) -> Result<(), String> {
    for was in was {
        let Some(is) = is.iter().find(|is| is.name == was.name) else { continue };
        let same = is.kind == was.kind
            && is.of == was.of
            && is.codes == was.codes
            && is.target == was.target
            && is.item_key == was.item_key;
        if !same {
            return Err(format!(
                "trường {0} thành trường khác: hãy thêm trường mới · the field {0} becomes something else: a new field takes over",
                was.name
            ));
        }
        follows(&was.fields, &is.fields)?;
    }
    Ok(())
}

impl CodeList {
    /// Notes every spelling a cell may have; of two codes with one spelling the first has it.
    fn index(&mut self) {
        let spellings = &mut self.spellings;
        for (place, code) in self.codes.iter().enumerate() {
            spellings.entry(code.code.clone()).or_insert(place);
        }
        for (place, code) in self.codes.iter().enumerate() {
            let own = [&code.code, &code.label.vi];
            for spelling in own.into_iter().chain(&code.aliases) {
                spellings.entry(spelling.clone()).or_insert(place);
                spellings.entry(fold(spelling)).or_insert(place);
            }
        }
    }

    /// The code a cell means: by the code itself, its Vietnamese label or an alias, case and marks aside.
    #[must_use]
    pub fn resolve(&self, text: &str) -> Option<&Code> {
        let place = self.spellings.get(text).or_else(|| self.spellings.get(&fold(text)))?;
        self.codes.get(*place)
    }

    /// A code's place in the list.
    #[must_use]
    pub fn ordinal(&self, code: &str) -> Option<usize> {
        self.codes.iter().position(|known| known.code == code)
    }
}

fn digest_of(files: &BTreeMap<String, String>) -> Digest {
    sha256(&[&super::bundle::plain(files)])
}

#[cfg(test)]
mod tests {
    use super::super::UnitKind;
    use super::*;

    fn embedded() -> &'static Catalogue {
        Catalogue::embedded().unwrap()
    }

    #[test]
    fn the_embedded_catalogue_holds_and_has_every_type_of_the_sector() {
        let expected = "bao_cao_ky can_bo chuong_trinh chuyen_sinh_hoat cuoc_kiem_tra dang_vien dau_hieu don_thu \
                        ha_tang_cntt ho_so ke_khai ket_luan ky_luat nghi_quyet_chuyen_de quan_triet \
                        su_dung_he_thong tham_muu thong_tin_phoi_hop to_chuc_dang vi_pham_nho xac_minh_ts";
        let names: Vec<&str> = embedded().record_types().map(|t| t.name.as_str()).collect();
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn the_units_are_the_104_the_affiliated_and_the_province() {
        let units = embedded().units();
        let count = |kind| units.iter().filter(|unit| unit.kind == kind).count();
        assert_eq!((count(UnitKind::Commune), count(UnitKind::Ward)), (93, 11));
        assert_eq!((count(UnitKind::Affiliated), count(UnitKind::Province)), (4, 1));
        assert_eq!(units.title(&"11953".parse().unwrap()), "Phường Phố Hiến");
        assert_eq!(units.elsewhere("00004"), Some(("Ba Đình", "Hà Nội")));
        assert_eq!(units.elsewhere("11953"), None);
        assert_eq!(units.by_old_code("12322").len(), 2, "a commune that was split");
    }

    #[test]
    fn every_rule_compiles_and_names_only_fields_of_its_type() {
        crate::quality::RuleBook::compile(embedded()).unwrap();
    }

    #[test]
    fn headers_lead_to_one_field_only() {
        for record_type in embedded().record_types() {
            let mut seen = BTreeMap::new();
            for field in &record_type.fields {
                for header in field.aliases.iter().chain([&field.name, &field.label.vi]) {
                    let folded = crate::text::fold(header);
                    let before = seen.insert(folded, field.name.clone());
                    assert!(!crate::rules::names_unit(record_type, header), "{}: {header}", record_type.name);
                    assert!(before.is_none_or(|b| b == field.name), "{}: {header}", record_type.name);
                }
            }
        }
    }

    #[test]
    fn a_faulty_file_is_named_with_its_fault() {
        let faulty = |path: &str, text: &str| {
            let files = [(path.to_owned(), text.to_owned())];
            Catalogue::with_overrides(files).unwrap_err()
        };
        let head = "name = \"x\"\nlabel = { vi = \"x\", en = \"x\" }\n";
        let key = "key = { fields = [\"a\"], scope = \"unit\" }\n";
        let field = "[[field]]\nname = \"a\"\nlabel = { vi = \"a\", en = \"a\" }\nclass = \"C1\"\n";
        let cases = [
            format!("{head}{key}{field}type = \"code\"\ncodes = \"nowhere\"\n"),
            format!("{head}{key}{field}type = \"text\"\n{field}type = \"text\"\n"),
            format!("{head}key = {{ fields = [\"b\"], scope = \"unit\" }}\n{field}type = \"text\"\n"),
            format!("{head}{key}{field}type = \"nonsense\"\n"),
            format!("{head}{key}{field}type = \"text\"\ncheck = \"phones\"\n"),
            format!("{head}{key}{field}type = \"text\"\ncheck = \"positive\"\n"),
        ];
        for text in cases {
            assert_eq!(faulty("records/x.toml", &text).file, "records/x.toml");
        }
        assert_eq!(faulty("elsewhere/x.toml", "").file, "elsewhere/x.toml");
    }

    /// Goal: what is wrong in a course is told with the file and the reason. Method: a good course, and one thing
    /// changed in it at a time.
    #[test]
    fn a_faulty_course_is_named_with_its_fault() {
        const GOOD: &str = include_str!("tests/course.toml");
        let load = |text: &str| Catalogue::with_overrides([("records/thu.toml".to_owned(), text.to_owned())]);
        load(GOOD).unwrap();
        let cases = [
            ("state = \"trang_thai\"", "state = \"khac\"", "has no field khac"),
            ("state = \"trang_thai\"", "state = \"ma\"", "ma is no field of type code"),
            ("first = [\"MOI\"]", "first = [\"CU\"]", "CU is no code of tinh_trang_don"),
            ("MOI = [\"DANG_XU_LY\"]", "MOI = [\"CU\"]", "CU is no code of tinh_trang_don"),
            ("MOI = [\"DANG_XU_LY\"]", "CU = [\"DANG_XU_LY\"]", "CU is no code of tinh_trang_don"),
            ("MOI = [\"DANG_XU_LY\"]", "MOI = [\"DANG_XU_LY\", \"MOI\"]", "MOI leads to itself"),
            (
                "LUU = [\"MOI\"]",
                "LUU = [\"MOI\"], MOI = [\"DANG_XU_LY\"]",
                "from MOI to DANG_XU_LY stands twice",
            ),
            ("\"CHUYEN_CAP_TREN\", \"LUU\"", "\"LUU\"", "no step leads to CHUYEN_CAP_TREN"),
            ("field = \"ly_do\"", "field = \"khac\"", "has no field khac"),
            ("field = \"ly_do\"", "field = \"trang_thai\"", "trang_thai is no text"),
            ("field = \"ly_do\"", "field = \"kin\"", "kin is never stored"),
            ("states = [\"LUU\"]", "states = [\"CU\"]", "CU is no code of tinh_trang_don"),
            ("states = [\"LUU\"]", "states = [\"DANG_XU_LY\"]", "DANG_XU_LY locks the record, and is left"),
            (
                "states = [\"LUU\"]",
                "states = [\"DA_GIAI_QUYET\"]",
                "DA_GIAI_QUYET locks the record, and nothing",
            ),
            ("except = [\"ghi_chu\"]", "except = [\"khac\"]", "has no field khac"),
            ("rule = \"THU_MO\"", "rule = \"THU_BUOC\"", "declares the rule THU_BUOC twice"),
            ("state = \"trang_thai\"", "state = \"trang_thai\"\nstart = \"MOI\"", "start"),
        ];
        for (good, bad, why) in cases {
            let text = GOOD.replacen(good, bad, 1);
            assert_ne!(text, GOOD, "{good}");
            let error = load(&text).unwrap_err();
            assert_eq!(error.file, "records/thu.toml");
            assert!(error.reason.contains(why), "{bad}: {}", error.reason);
        }
    }

    #[test]
    fn the_digest_is_of_the_files_not_of_their_order() {
        let files = [("codes/a.toml", "name = \"a\"\ncode = []\nlabel = { vi = \"\", en = \"\" }")];
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        let one = Catalogue::load(files.iter().map(owned)).unwrap();
        let two = Catalogue::load(files.iter().rev().map(owned)).unwrap();
        assert_eq!(one.digest(), two.digest());
        assert_ne!(one.digest(), embedded().digest());
    }
}
