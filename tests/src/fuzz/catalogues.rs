//! What the province declares: record types, code lists, units, rules in CEL, grants; published bundles of it.

use std::collections::BTreeMap;

use lienthong_proto::catalogue::{Bundle, Catalogue, Class};
use lienthong_proto::disclosure::{GrantFile, Line, Terms, Trust, Verification};
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::ids::RecordId;
use lienthong_proto::note::{Algorithm, Verifier};
use lienthong_proto::quality::{RuleBook, Subject};
use lienthong_proto::value::Value;

use super::changes::every_value;
use super::{Bound, Target, one_form, small};

pub(super) const TARGETS: &[Target] = &[
    Target {
        bound: Bound { each: 512, base: 2 << 20 },
        rounds: 1_000,
        ..small("catalogue", catalogue, types)
    },
    Target { bound: Bound { each: 2_048, base: 2 << 20 }, rounds: 2_000, ..small("rule", rule, rules) },
    // What is packed without saying its size is given all that may be.
    Target {
        bound: Bound { each: 256, base: 10 << 20 },
        rounds: 300,
        ..small("published", published, bundles)
    },
    Target { bound: Bound { each: 256, base: 512 << 10 }, ..small("grant", grant, grants) },
    Target { bound: Bound { each: 256, base: 512 << 10 }, ..small("bundle_line", bundle_line, bundle_lines) },
];

const TYPE: &str = r#"name = "thu"
label = { vi = "Thử", en = "Trial" }
key = { fields = ["ma"], scope = "unit" }

[[field]]
name = "ma"
label = { vi = "Mã", en = "Number" }
type = "text"
class = "C1"

[[field]]
name = "ngay"
label = { vi = "Ngày", en = "Day" }
type = "date"
class = "C1"

[[field]]
name = "so_tien"
label = { vi = "Số tiền", en = "Amount" }
type = "money"
class = "C2"

[[field]]
name = "loai"
label = { vi = "Loại", en = "Kind" }
type = "code"
codes = "loai"
class = "C1"
"#;

const CODES: &str = "name = \"loai\"\nlabel = { vi = \"Loại\", en = \"Kind\" }\n\n[[code]]\ncode = \"MOT\"\n\
                     label = { vi = \"Một\", en = \"One\" }\n";

fn rule_of(condition: &str) -> String {
    let quoted = serde_json::to_string(condition).unwrap_or_default();
    format!(
        "\n[[rule]]\nid = \"THU_QUY_TAC\"\ndimension = \"dung\"\nseverity = \"error\"\ncel = {quoted}\n\
         message = {{ vi = \"Sai\", en = \"Wrong\" }}\n"
    )
}

fn load(record: String, codes: &str) -> Option<Catalogue> {
    let file = |path: &str, text: String| (path.to_owned(), text);
    let units =
        "code,kind,name,old_codes,partial_old_codes\n33,province,Hưng Yên,,\n11953,commune,Tân Hưng,1 2,\n";
    let files = [
        file("records/thu.toml", record),
        file("codes/loai.toml", codes.to_owned()),
        file("units/hung_yen.csv", units.to_owned()),
    ];
    Catalogue::load(files).ok()
}

/// Whatever loads can be judged by, to the end.
fn judged(catalogue: &Catalogue) {
    let Ok(book) = RuleBook::compile(catalogue) else { return };
    for declared in catalogue.record_types() {
        let mut subject =
            Subject::new(declared.name.clone(), RecordId([3; 16]), "11953".parse().unwrap(), 20_000);
        for (field, value) in declared.fields.iter().zip(every_value().into_iter().cycle().skip(1)) {
            subject.values.insert(field.name.clone(), value);
        }
        let judgement = book.judge(&subject, 20_500);
        assert_eq!(book.judge(&subject, 20_500), judgement, "the same record is judged the same");
        subject.values.values_mut().for_each(|value| *value = Value::Null);
        let _ = book.judge(&subject, i32::MAX);
    }
}

fn types() -> Vec<Vec<u8>> {
    vec![
        [TYPE, &rule_of("so_tien > 0 && ma != ''")].concat().into_bytes(),
        CODES.as_bytes().to_vec(),
        b"a = [[[[[[[[[[[[".to_vec(),
    ]
}

/// A type, a code list or a list of units loads or is refused by its file; what loads follows itself.
fn catalogue(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let loaded = [
        load(text.to_owned(), CODES),
        load(TYPE.to_owned(), text),
        Catalogue::load([("units/hung_yen.csv".to_owned(), text.to_owned())]).ok(),
    ];
    for catalogue in loaded.into_iter().flatten() {
        assert!(catalogue.follows(&catalogue).is_ok(), "a catalogue does not follow itself");
        judged(&catalogue);
    }
}

fn rules() -> Vec<Vec<u8>> {
    [
        "so_tien > 0 && ma != ''",
        "loai in ['MOT', 'HAI'] ? ngay < today : size(ma) > 3",
        "ma.matches('^[0-9]+$') || !(so_tien / 1000 == 7)",
        "[1, 2, 3].all(n, n < so_tien)",
        "ngay__year == this_year",
        "!!!!!!!!!!!!!!!!ma",
        "so_tien / 0 > 9223372036854775807",
        "ma.matches('(a*)*b')",
        "\"\\u00e1\" == r'\\d' && b'x' != null",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

/// A condition compiles or is refused with a reason, and whatever compiles is decided.
fn rule(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(catalogue) = load([TYPE, &rule_of(text)].concat(), CODES) {
        judged(&catalogue);
    }
}

fn signer() -> SigningKey {
    SigningKey::from_seed(&[1; 32]).unwrap()
}

const LEDGER: &str = "kiemtra.vn/33/33/07070707070707070707070707070707";

fn bundles() -> Vec<Vec<u8>> {
    let files = BTreeMap::from([
        ("records/thu.toml".to_owned(), TYPE.to_owned()),
        ("codes/loai.toml".to_owned(), CODES.to_owned()),
    ]);
    vec![Bundle::publish(3, &files, (LEDGER, &signer())).unwrap().encode()]
}

/// A published catalogue has one form, and only what was signed is taken.
fn published(data: &[u8]) {
    let Some(bundle) = one_form(Bundle::decode(data), Bundle::encode, data) else { return };
    let _ = bundle.says();
    let [ref good, ..] = bundles()[..] else { return };
    let good = Bundle::decode(good).unwrap();
    if bundle.published(LEDGER, signer().public_key()).is_ok() {
        assert_eq!(bundle.note, good.note, "a note that was never signed holds");
        if let Ok(files) = bundle.files() {
            assert_eq!(Some(files), good.files().ok(), "other files than were signed");
        }
    } else if let Ok(catalogue) = bundle.catalogue() {
        judged(&catalogue);
    }
}

fn grants() -> Vec<Vec<u8>> {
    let file = "agency = 'TTT'\npurpose = 'đối chiếu'\ndocument = '12/CV-TTT'\nfrom = '2026-01-01'\nuntil = '2026-03-01'\n\
                [[share]]\ntype = 'dang_vien'\nfields = ['ho_ten', 'chi_bo']\nceiling = 'C1'\n";
    let parsed = GrantFile::parse(&file.replace("ceiling = 'C1'\n", "")).unwrap();
    let terms = parsed.terms(Catalogue::embedded().unwrap()).unwrap().to_json();
    vec![file.as_bytes().to_vec(), file.replace("ceiling = 'C1'\n", "").into_bytes(), terms.into_bytes()]
}

/// A grant's terms come back from their own text, and never open what nobody gets.
fn grant(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let catalogue = Catalogue::embedded().unwrap();
    let made = GrantFile::parse(text).ok().and_then(|file| file.terms(catalogue).ok());
    for terms in made.iter() {
        for share in &terms.shares {
            let declared = catalogue.record_type(&share.record_type).unwrap();
            for field in declared.fields.iter().filter(|field| field.class == Class::C4) {
                assert!(!share.opens(&field.name), "{} opens {}", share.record_type, field.name);
            }
        }
    }
    for terms in made.into_iter().chain(Terms::parse(text).ok()) {
        assert_eq!(Terms::parse(&terms.to_json()).as_ref(), Ok(&terms));
        let _ = terms.covers_unit(&"11953".parse().unwrap());
    }
}

fn bundle_lines() -> Vec<Vec<u8>> {
    let terms = String::from_utf8(grants().pop().unwrap()).unwrap();
    let hash = "A".repeat(43) + "=";
    [
        format!(
            r#"{{"line":"head","version":1,"ledger":"{LEDGER}","cut":"x\n\n","grant":7,"terms":{terms}}}"#
        ),
        format!(r#"{{"line":"log","origin":"{LEDGER}","size":9}}"#),
        format!(r#"{{"line":"entry","entry":"AAAA","leaf":"{hash}"}}"#),
        format!(r#"{{"line":"proof","hashes":["{hash}"]}}"#),
        r#"{"line":"end","lines":4}"#.to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// Lines have one form, and a bundle of whatever lines is refused.
fn bundle_line(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let key = Verifier::new(LEDGER, Algorithm::Ed25519, signer().public_key()).unwrap();
    let trust = Trust::parse(&format!("log {key}\nquorum none\n")).unwrap();
    let mut check = Verification::new(&trust);
    for line in text.split('\n') {
        if let Some(read) = Line::parse(line) {
            assert_eq!(read.to_text(), line);
        }
        if check.line(line).is_err() {
            return;
        }
    }
    assert!(check.finish().is_err(), "a bundle nobody signed is accepted");
}
