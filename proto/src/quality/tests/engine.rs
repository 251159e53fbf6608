//! The parts: days that pass, waivers, scores, conditions and what a catalogue may not declare.

use super::*;
use crate::catalogue::{Dimension, Severity};
use crate::time::UnixMillis;

fn unit() -> crate::ids::UnitCode {
    UNIT.parse().unwrap()
}

/// One member, patched.
fn member(fields: &str) -> MemoryQuality<'static> {
    let mut subject = good_world().remove(&id(1)).unwrap();
    patch(&mut subject, fields);
    let mut quality = MemoryQuality::new(&BOOK, TODAY);
    quality.apply(subject);
    quality
}

#[test]
fn a_record_turns_stale_by_itself_and_a_future_date_comes_true() {
    let mut quality = member("dien_ke_khai=|ngay_chinh_thuc=2026-12-01");
    assert_eq!(broken(&quality, &id(1), TODAY), ["DATE_FUTURE"]);
    assert_eq!(quality.records().next().unwrap().1.judgement.judge_again, Some(day("2026-12-01")));
    quality.advance(day("2026-11-30"));
    assert_eq!(broken(&quality, &id(1), day("2026-11-30")), ["DATE_FUTURE"]);
    quality.advance(day("2026-12-01"));
    assert_eq!(broken(&quality, &id(1), day("2026-12-01")), Vec::<String>::new());
    assert_eq!(broken(&quality, &id(1), TODAY + 365), Vec::<String>::new());
    assert_eq!(broken(&quality, &id(1), TODAY + 366), ["STALE"]);
}

#[test]
fn a_new_year_asks_for_a_new_declaration() {
    let mut quality = quality_of(&good_world());
    let (member, new_year) = (id(1), day("2027-01-01"));
    assert_eq!(quality.records().next().unwrap().1.judgement.judge_again, Some(new_year));
    assert_eq!(broken(&quality, &member, TODAY), Vec::<String>::new());
    quality.advance(new_year);
    assert_eq!(broken(&quality, &member, new_year), ["DV_KE_KHAI"]);
}

#[test]
fn an_expected_record_is_due_on_its_day() {
    let quality = quality_of(&good_world());
    let missing = |as_of: &str| {
        let gaps = quality.gaps(day(as_of));
        let of_type = |gap: &&Gap| gap.unit == unit() && gap.record_type == "chuong_trinh";
        gaps.iter().find(of_type).and_then(|gap| gap.year)
    };
    assert_eq!(missing("2027-01-31"), None, "before it is due, last year's is asked for");
    assert_eq!(missing("2027-02-01"), Some(2027));
    assert_eq!(missing("2026-01-31"), Some(2025));
    let others = quality.gaps(TODAY).iter().filter(|gap| gap.record_type == "chuong_trinh").count();
    assert_eq!(others, 108, "all units but this one, the province included");
}

#[test]
fn a_waiver_holds_until_its_day() {
    let quality = member("dien_ke_khai=|so_the_dang=|ma_xa=99999");
    let waiver = |rule: &str, field: Option<&str>| Waiver {
        number: 1,
        record_type: "dang_vien".to_owned(),
        record: id(1),
        rule: rule.to_owned(),
        field: field.map(str::to_owned),
        reason: "chờ cấp thẻ mới".to_owned(),
        approver: "lan".to_owned(),
        until: TODAY + 10,
    };
    let waivers = [waiver("DV_SO_THE", None), waiver("CODE_UNKNOWN", Some("chi_bo"))];
    let ids = |defects: Vec<Defect>| -> Vec<String> {
        defects.iter().map(|defect| BOOK.rule(defect.rule).id.clone()).collect()
    };
    let sorted = quality.sorted(&id(1), &waivers, TODAY + 10);
    assert_eq!(ids(sorted.counted), ["CODE_UNKNOWN"], "a waiver for another field waives nothing");
    assert_eq!(ids(sorted.waived.iter().map(|(defect, _)| defect.clone()).collect()), ["DV_SO_THE"]);
    assert_eq!(sorted.waived[0].1, 0);
    assert_eq!(ids(quality.sorted(&id(1), &waivers, TODAY + 11).counted), ["CODE_UNKNOWN", "DV_SO_THE"]);
    let du = |as_of: i32| {
        quality.score(&unit(), "dang_vien", Silence::Heard, &waivers, as_of).figure(Dimension::Du)
    };
    assert_eq!((du(TODAY + 10).good, du(TODAY + 11).good), (du(TODAY).all, du(TODAY).all - 1));
    let stale = Waiver { until: TODAY + 500, ..waiver("STALE", None) };
    let song = |waivers: &[Waiver]| {
        quality.score(&unit(), "dang_vien", Silence::Heard, waivers, TODAY + 400).figure(Dimension::Song)
    };
    assert_eq!((song(&[]).percent(), song(&[stale]).percent()), (Some(0), Some(100)));
}

#[test]
fn figures_are_rounded_down_and_the_whole_is_the_least() {
    let count = |good, all| Count { good, all };
    assert_eq!(count(0, 0).percent(), None);
    assert_eq!(count(0, 3).percent(), Some(0));
    assert_eq!(count(199, 200).percent(), Some(99));
    assert_eq!((count(999_999, 1_000_000).tenths(), count(7, 7).tenths()), (Some(999), Some(1_000)));
    let mut score = Score::default();
    assert_eq!(score.total(), None);
    score.tally[Dimension::Du] = count(99, 100);
    score.tally[Dimension::Song] = count(989, 1_000);
    assert_eq!(score.total(), Some((Dimension::Song, count(989, 1_000))), "compared exactly, not as percent");
    score.see(Seen { silence: Silence::Heard, alike: Some(false) });
    assert_eq!(score.total(), Some((Dimension::ThongNhat, count(0, 1))));
    for dimension in Dimension::ALL {
        assert!(formula(Some(dimension)).vi.contains('÷'));
    }
}

#[test]
fn counts_follow_their_formulas() {
    let quality =
        member("dien_ke_khai=|so_the_dang=|ma_xa=99999|chuc_vu=không|dien_thoai=123|!conflicted=true");
    let score = quality.score(&unit(), "dang_vien", Silence::Heard, &[], TODAY);
    let of = |dimension| (score.figure(dimension).good, score.figure(dimension).all);
    assert_eq!(of(Dimension::Dung), (10, 12), "12 values, unit and phone are wrong");
    assert_eq!(of(Dimension::Du), (10, 11), "9 required, date and card of an official member");
    assert_eq!(of(Dimension::Sach), (0, 1), "a placeholder");
    assert_eq!(of(Dimension::Song), (1, 1));
    assert_eq!(of(Dimension::ThongNhat), (2, 3), "conflict, one unit, no expulsion");
    assert_eq!(of(Dimension::DungChung), (0, 1), "an error keeps it out");
    assert_eq!(score.total().unwrap().1.percent(), Some(0));
}

#[test]
fn that_hub_and_node_hold_the_same_is_one_check() {
    let quality = member("");
    let of = |alike| {
        let seen = Seen { silence: Silence::Heard, alike };
        quality.unit_score(&unit(), seen, &[], TODAY).figure(Dimension::ThongNhat)
    };
    let Count { good, all } = of(None);
    assert_eq!(of(Some(true)), Count { good: good + 1, all: all + 1 });
    assert_eq!(of(Some(false)), Count { good, all: all + 1 });
}

#[test]
fn a_silent_unit_has_no_live_records() {
    let hours = |hours: u64| Some(UnixMillis(hours * 3_600_000));
    let now = UnixMillis(100 * 3_600_000);
    assert_eq!(Silence::of(hours(76), now), Silence::Heard);
    assert_eq!(Silence::of(Some(UnixMillis(76 * 3_600_000 - 1)), now), Silence::Amber);
    assert_eq!(Silence::of(hours(28), now), Silence::Amber);
    assert_eq!(Silence::of(hours(27), now), Silence::Silent);
    assert_eq!(Silence::of(None, now), Silence::Silent);
    let quality = member("");
    let song =
        |silence| quality.score(&unit(), "dang_vien", silence, &[], TODAY).figure(Dimension::Song).good;
    assert_eq!([Silence::Heard, Silence::Amber, Silence::Silent].map(song), [1, 1, 0]);
}

#[test]
fn a_withdrawn_item_is_not_judged() {
    let mut subject = good_world().remove(&id(7)).unwrap();
    patch(&mut subject, "yeu_cau/a/ngay_hoan_thanh=");
    let defects = |subject: &Subject| BOOK.judge(subject, TODAY).defects.len();
    assert_eq!(defects(&subject), 1);
    subject.values.insert("yeu_cau/a/_gone".to_owned(), Value::Boolean(true));
    assert_eq!(defects(&subject), 0);
}

#[test]
fn a_change_names_those_who_must_be_looked_at_again() {
    let mut quality = quality_of(&good_world());
    let mut declaration = good_world().remove(&id(10)).unwrap();
    patch(&mut declaration, "loai_ke_khai=LAN_DAU");
    let touched = quality.apply(declaration.clone());
    assert!(touched.contains(&id(1)), "the member who must declare");
    assert!(!touched.contains(&id(10)) && touched.len() <= 2, "{touched:?}");
    assert!(quality.apply(declaration).is_empty(), "what did not change concerns nobody");
}

#[test]
fn a_judgement_is_small() {
    // A period of which others must be clear is some sixty marks; a unit has a handful of posts.
    let most = |subject: &Subject| if subject.record_type == "can_bo" { 2_500 } else { 900 };
    let sizes: Vec<(usize, usize)> = good_world()
        .values()
        .map(|subject| (BOOK.judge(subject, TODAY).encode().len(), most(subject)))
        .collect();
    assert!(sizes.iter().all(|(size, most)| size <= most), "{sizes:?}");
    assert!(BOOK.judge(good_world().get(&id(1)).unwrap(), TODAY).encode().len() <= 400);
}

#[test]
fn what_a_condition_cannot_say_is_not_applicable() {
    let rule = |cel: &str| {
        format!(
            "[[rule]]\nid = \"X_1\"\ndimension = \"dung\"\nseverity = \"error\"\ncel = {cel:?}\nmessage = {{ vi = \"x\", en = \"x\" }}\n"
        )
    };
    for (cel, broken, not_evaluated) in [
        ("so > 1", 0, 1),
        ("ten > 1", 0, 1),
        ("ten", 0, 1),
        ("1 / 0 == 1", 0, 1),
        ("9223372036854775807 + so2 > 0", 0, 1),
        ("ten.matches('x')", 0, 1),
        ("so2 == 1", 0, 0),
        ("so2 == 2", 1, 0),
        ("today > 20000 && this_year == 2026", 0, 0),
    ] {
        let book = RuleBook::compile(&small_catalogue(&rule(cel)).unwrap()).unwrap();
        let mut subject = Subject::new("nho", id(1), unit(), TODAY);
        subject.values.insert("ten".to_owned(), Value::Text("a".to_owned()));
        subject.values.insert("so2".to_owned(), Value::Integer(1));
        let judgement = book.judge(&subject, TODAY);
        assert_eq!((judgement.defects.len(), judgement.not_evaluated), (broken, not_evaluated), "{cel}");
        let daily = cel.contains("today").then_some(TODAY + 1);
        assert_eq!(judgement.judge_again, daily, "{cel}");
    }
}

/// Goal: no condition that is accepted exhausts the stack, which would end the process. Method: the deepest, the
/// longest and the most chained ones, in a test's thread of 2 MiB and, in a debug build, with the largest frames.
#[test]
fn the_largest_conditions_taken_are_evaluated() {
    let or = format!("so2 == 2{}", " || so2 < 0 && true".repeat(9) + &" || false".repeat(190));
    let chain = format!("(((((so2{} == 20)))))", " + 1".repeat(19));
    let minus = format!("so2 == {}1", "- ".repeat(18));
    let not = format!("{}(so2 == 1)", "!".repeat(1_900));
    let ternary = format!("{}so2 == 1", "so == 1 ? false : ".repeat(19));
    let list = "[[[[so2]]]] == [[[[1]]]]".to_owned();
    for cel in [or, chain, minus, not, ternary, list] {
        let rule = format!(
            "[[rule]]\nid = \"X_1\"\ndimension = \"dung\"\nseverity = \"error\"\ncel = {cel:?}\nmessage = {{ vi = \"x\", en = \"x\" }}\n"
        );
        let book = RuleBook::compile(&small_catalogue(&rule).unwrap()).unwrap();
        let mut subject = Subject::new("nho", id(1), unit(), TODAY);
        for number in [Value::Integer(1), Value::Text("1".to_owned()), Value::List(vec![Value::Null])] {
            subject.values.insert("so2".to_owned(), number);
            let _ = book.judge(&subject, TODAY);
        }
    }
}

fn small_catalogue(rest: &str) -> Result<Catalogue, crate::catalogue::CatalogueError> {
    let field = |name: &str, kind: &str| {
        format!(
            "[[field]]\nname = \"{name}\"\ntype = \"{kind}\"\nclass = \"C1\"\nlabel = {{ vi = \"{name}\", en = \"{name}\" }}\n"
        )
    };
    let head = "name = \"nho\"\nlabel = { vi = \"x\", en = \"x\" }\nkey = { fields = [\"ten\"], scope = \"unit\" }\n";
    let fields = [field("ten", "text"), field("so", "integer"), field("so2", "integer")].concat();
    Catalogue::load([("records/nho.toml".to_owned(), format!("{head}{fields}{rest}"))])
}

#[test]
fn a_faulty_rule_is_named() {
    let rule = |rest: &str| {
        format!(
            "[[rule]]\nid = \"X_1\"\ndimension = \"dung\"\nseverity = \"error\"\nmessage = {{ vi = \"x\", en = \"x\" }}\n{rest}\n"
        )
    };
    let long = format!("cel = \"{}so == 1\"", "true || ".repeat(300));
    let deep = format!("cel = \"{}true{}\"", "(".repeat(60), ")".repeat(60));
    let chain = format!("cel = \"so{} == 1\"", " + 1".repeat(60));
    for (rest, says) in [
        ("", "exactly one of"),
        (chain.as_str(), "operators"),
        ("cel = \"true\"\ncross = { one_unit = {} }", "exactly one of"),
        ("cel = \"khac == 1\"", "khac"),
        ("cel = \"so ==\"", "X_1"),
        (long.as_str(), "long"),
        (deep.as_str(), "brackets"),
        ("cross = { unique = { by = [\"khac\"] } }", "khac"),
        ("cross = { resolves = { field = \"so\" } }", "no reference"),
        ("cross = { exists = { of = \"khong\", by = { a = \"so\" } } }", "khong"),
        ("cross = { exists = { of = \"nho\", by = { khac = \"so\" } } }", "khac"),
        ("cross = { counts = { of = \"nho\", by = { so = \"so\" } } }", "equals"),
        ("cross = { exists = { of = \"nho\", by = { so = \"so\" }, having = \"khac == 1\" } }", "khac"),
        ("late = { after = \"so\" }", "no date"),
        ("late = { after = \"so\", months = 1201 }", "at most 1200 months"),
        ("each = \"so\"\ncel = \"true\"", "items"),
    ] {
        let error =
            small_catalogue(&rule(rest)).and_then(|catalogue| RuleBook::compile(&catalogue).map(|_| ()));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("X_1"), "{rest}: {error}");
    }
    let twice = [rule("cel = \"true\""), rule("cel = \"false\"")].concat();
    assert!(small_catalogue(&twice).unwrap_err().to_string().contains("twice"));
    let taken = rule("cel = \"true\"").replace("X_1", "CCCD_FORMAT");
    assert!(RuleBook::compile(&small_catalogue(&taken).unwrap()).is_err());
}

#[test]
fn a_book_knows_which_catalogue_it_is_of() {
    let other = RuleBook::compile(&small_catalogue("").unwrap()).unwrap();
    assert_ne!(other.fingerprint(), BOOK.fingerprint());
    assert_eq!(other.rule(RuleIndex(9_999)).id, "RULE_UNKNOWN");
    let index = BOOK.rule_of_id("DV_HAI_DON_VI").unwrap();
    assert_eq!(BOOK.rule(index).severity, Severity::Error);
    assert!(other.judge(&good_world()[&id(1)], TODAY).defects.is_empty(), "a type it does not have");
}
