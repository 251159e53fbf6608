//! Laws over random histories: what was kept up record by record equals what is computed from scratch.

use proptest::prelude::*;

use super::super::expression::{Expression, Item, Items, Scope};
use super::super::plan::Judge;
use super::*;

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    Apply(Subject),
    Remove(RecordId),
    Advance(u8),
}

/// A record of a small population in which everything meets: few names, days, cells, cases and letters.
fn any_subject() -> impl Strategy<Value = Subject> {
    let numbers = (0u8..12, 0usize..12, 0usize..3, 0usize..3, 0usize..3);
    let picks = (0usize..3, 0usize..3, 0usize..4, any::<bool>(), any::<bool>());
    (numbers, picks).prop_map(|((number, of, a, b, c), (d, e, f, conflicted, twice))| {
        let pick = |choices: [&'static str; 3], at: usize| choices[at];
        let name = pick(["Nguyễn Thị Hòa", "NGUYỄN THỊ HOÀ", "Nguyễn Thị Hoa"], a);
        let born = pick(["1980-01-05", "1980-05-01", "2027-02-01"], b);
        let number_of = pick(["033180000123", "033180000132", "033180000999"], c);
        let cell = pick(["Chi bộ thôn 1", "CB01", ""], d);
        let state = ["CHINH_THUC", "DU_BI", "KHAI_TRU", "DANG_CHUYEN"][f];
        let year = pick(["2024", "2025", "2027"], e);
        let other = pick(["#1", "#5", "#9"], e);
        let text = pick(["cấp đất sai thẩm quyền cho ba hộ tại thôn Đoài năm 2024", "cấp đất sai thẩm quyền cho ba hộ tại thôn Đoài năm 2025", "bổ nhiệm không đúng quy trình và tiêu chuẩn trong năm"], a);
        let day = pick(["2024-01-01", "2025-01-05", "2026-01-01"], b);
        let (until, level) = (pick(["", "2025-01-05", "2026-06-01"], d), pick(["CO_SO", "XA_PHUONG", "TINH"], d));
        let (kind, fields) = match of {
            0 => ("dang_vien", format!("ho_ten={name}|ngay_sinh={born}|so_cccd={number_of}|chi_bo={cell}|tinh_trang={state}|dien_ke_khai=true|so_the_dang=0123456{e}")),
            1 => ("to_chuc_dang", format!("ten=Chi bộ thôn 1|ma=CB0{e}|cap=CB|ma_cha=CB0{b}|bi_thu_id={other}|so_dang_vien={d}")),
            2 => ("ke_khai", format!("dang_vien_id={other}|nam_ke_khai={year}|loai_ke_khai=HANG_NAM|ngay_nop={born}|bien_dong=400000000")),
            3 => ("cuoc_kiem_tra", format!("ma_cuoc=KT{e}|loai=KT_DHVP|trang_thai=DA_KET_LUAN|doi_tuong=A;B|so_quyet_dinh=1|ngay_quyet_dinh={born}")),
            4 => ("ket_luan", format!("so_thong_bao={d}|ma_cuoc=KT{e}|ngay_ban_hanh={born}|yeu_cau/a/han_khac_phuc={born}|yeu_cau/a/tinh_trang=DANG")),
            5 => ("don_thu", format!("doi_tuong=Chủ tịch|noi_dung={text}|tinh_trang=MOI|ngay_nhan={born}")),
            6 => ("chuong_trinh", format!("chu_the=Đảng ủy|ky={year}|ngay={year}-01-20")),
            7 => ("can_bo", format!("dang_vien_id={other}|don_vi=11953|chuc_danh=CHU_NHIEM|tu_ngay={day}|den_ngay={until}")),
            8 => ("ky_luat", format!("doi_tuong={number_of}|loai_doi_tuong=DANG_VIEN|hinh_thuc=CACH_CHUC|cap_qd={level}|trang_thai=HIEU_LUC|so_qd={e}|ngay={day}|hieu_luc_tu={day}")),
            9 => ("xac_minh_ts", format!("dang_vien_id={other}|ke_khai_id=#3|ke_hoach=KH{d}|can_cu=NGAU_NHIEN|bien_ban_boc_tham=BB{e}|ngay_ket_luan={day}")),
            10 => ("chuyen_sinh_hoat", format!("dang_vien_id={other}|tu_don_vi=11953|den_don_vi=11977|ngay_gioi_thieu={day}")),
            _ => ("dau_hieu", format!("ma=DH{e}|doi_tuong=A|noi_dung={text}|nguon=DON_THU|don_thu_id={other}|trang_thai=XAC_DINH|ngay_phat_hien={day}")),
        };
        let mut subject = subject(&format!("{kind} #{number}: {fields}"));
        subject.unit = pick(["11953", "11977", "33-CA"], b).parse().unwrap();
        subject.conflicted = conflicted;
        subject.claims = if twice { vec!["11977".parse().unwrap()] } else { Vec::new() };
        subject.confirmed = TODAY - 370 + i32::from(number) * 3;
        subject
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any_subject().prop_map(Step::Apply),
        3 => (0u8..12).prop_map(|number| Step::Remove(id(number))),
        1 => (0u8..60).prop_map(Step::Advance),
    ]
}

/// Everything a keeper answers.
fn answers(quality: &MemoryQuality<'_>, as_of: i32) -> String {
    let mut out =
        format!("{:#?}\n{:#?}\n{:#?}\n", quality.totals(), quality.gaps(as_of), quality.duplicates());
    for (record, held) in quality.records() {
        out += &format!("{record} {:?} {:?}\n", quality.defects(record, as_of), held.judgement);
        out += &format!("{:?}\n", quality.duplicates_of(record));
    }
    for unit in ["11953", "11977", "33-CA"] {
        for (silence, alike) in
            [(Silence::Heard, Some(true)), (Silence::Silent, None), (Silence::Amber, Some(false))]
        {
            let seen = Seen { silence, alike };
            out += &format!("{:?}\n", quality.unit_score(&unit.parse().unwrap(), seen, &[], as_of));
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_history_ends_where_computing_from_scratch_does(steps in proptest::collection::vec(any_step(), 1..40)) {
        let mut kept = MemoryQuality::new(&BOOK, TODAY);
        let mut there: BTreeMap<RecordId, Subject> = BTreeMap::new();
        let mut today = TODAY;
        for step in steps {
            match step {
                Step::Apply(subject) => {
                    there.insert(subject.id, subject.clone());
                    kept.apply(subject);
                }
                Step::Remove(record) => {
                    there.remove(&record);
                    kept.remove(&record);
                }
                Step::Advance(days) => {
                    today += i32::from(days);
                    kept.advance(today);
                }
            }
        }
        let mut forwards = MemoryQuality::new(&BOOK, today);
        there.values().for_each(|subject| { forwards.apply(subject.clone()); });
        let mut backwards = MemoryQuality::new(&BOOK, today);
        there.values().rev().for_each(|subject| { backwards.apply(subject.clone()); });
        prop_assert_eq!(answers(&kept, today), answers(&forwards, today));
        prop_assert_eq!(answers(&backwards, today), answers(&forwards, today));
    }

    #[test]
    fn an_emptied_keeper_keeps_nothing(subjects in proptest::collection::vec(any_subject(), 1..20)) {
        let mut quality = MemoryQuality::new(&BOOK, TODAY);
        let ids: Vec<RecordId> = subjects.iter().map(|subject| subject.id).collect();
        subjects.into_iter().for_each(|subject| { quality.apply(subject); });
        for record in ids {
            quality.remove(&record);
        }
        let empty = MemoryQuality::new(&BOOK, TODAY);
        prop_assert_eq!(format!("{quality:?}"), format!("{empty:?}"));
    }

    #[test]
    fn a_judgement_comes_back_from_its_bytes_and_no_others_do(subject in any_subject(), cut in 0usize..400, byte: u8) {
        let judgement = BOOK.judge(&subject, TODAY);
        let bytes = judgement.encode();
        prop_assert_eq!(Judgement::decode(&bytes).unwrap(), judgement);
        if cut < bytes.len() {
            prop_assert!(Judgement::decode(&bytes[..cut]).is_err());
        }
        prop_assert!(Judgement::decode(&[bytes.as_slice(), &[byte]].concat()).is_err());
    }

    #[test]
    fn totals_come_back_from_their_bytes(subjects in proptest::collection::vec(any_subject(), 1..8)) {
        let mut quality = MemoryQuality::new(&BOOK, TODAY);
        subjects.into_iter().for_each(|subject| { quality.apply(subject); });
        for totals in quality.totals().values() {
            let bytes = totals.encode();
            prop_assert_eq!(&Totals::decode(&bytes).unwrap(), totals);
            prop_assert!(Totals::decode(&bytes[..bytes.len() - 1]).is_err());
        }
    }

    #[test]
    fn as_many_defects_are_counted_as_listed(subjects in proptest::collection::vec(any_subject(), 1..8), later in 0..2_000) {
        let mut quality = MemoryQuality::new(&BOOK, TODAY);
        subjects.into_iter().for_each(|subject| { quality.apply(subject); });
        let day = TODAY + later;
        let listed = quality.records().map(|(_, held)| held.judgement.defects_on(&BOOK, &held.cross, day).len() as u64);
        let counted = quality.totals().values().map(|totals| totals.defects_on(day));
        prop_assert_eq!(counted.sum::<u64>(), listed.sum::<u64>());
    }

    #[test]
    fn bytes_of_a_stranger_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(judgement) = Judgement::decode(&[&[1u8], bytes.as_slice()].concat()) {
            let _ = judgement.defects_on(&BOOK, &[], TODAY);
        }
    }

    #[test]
    fn likeness_is_symmetric(one in any_subject(), other in any_subject()) {
        let there = BOOK.likeness(&one.record_type, &one.values, &other.values);
        prop_assert_eq!(there, BOOK.likeness(&one.record_type, &other.values, &one.values));
    }

    #[test]
    fn whatever_stands_in_the_fields_is_judged_without_panic(kind in 0usize..21, seed in any::<u64>()) {
        let declared = Catalogue::embedded().unwrap().record_types().nth(kind).unwrap();
        let mut subject = Subject::new(declared.name.clone(), id(1), UNIT.parse().unwrap(), i32::MAX);
        let mut random = seed;
        for field in &declared.fields {
            let paths = field.fields.iter().map(|sub| format!("{}/k/{}", field.name, sub.name));
            for path in paths.chain([field.name.clone()]) {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                subject.values.insert(path, any_value(random >> 33));
            }
        }
        let judgement = BOOK.judge(&subject, i32::MIN);
        prop_assert_eq!(Judgement::decode(&judgement.encode()).unwrap(), judgement);
        let _ = BOOK.judge(&subject, i32::MAX);
    }
}

/// The organisations that going up from leads back to, by looking from each, of those that lead up at all.
fn on_circles(there: &BTreeMap<u8, (u8, u8)>) -> Vec<u8> {
    let up = |codes: &[u8]| -> Vec<u8> {
        let of = there.values().filter(|(code, parent)| code != parent && codes.contains(code));
        of.map(|(_, parent)| *parent).collect()
    };
    let is_back = |code: u8, parent: u8| {
        let mut ends = vec![parent];
        (0..6).any(|_| {
            let back = ends.contains(&code);
            ends = up(&ends);
            back
        })
    };
    let back = there.iter().filter(|(_, (code, parent))| code != parent && is_back(*code, *parent));
    back.map(|(number, _)| *number).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Goal: after each step those on a circle are known, and no others, also where two records have one code.
    #[test]
    fn circles_of_organisations_are_kept_up(
        steps in proptest::collection::vec((0u8..8, 0u8..6, 0u8..6, 0u8..4), 1..40)
    ) {
        let mut kept = MemoryQuality::new(&BOOK, TODAY);
        let mut there: BTreeMap<u8, (u8, u8)> = BTreeMap::new();
        for (number, code, parent, kind) in steps {
            if kind == 0 {
                there.remove(&number);
                kept.remove(&id(number));
            } else {
                there.insert(number, (code, parent));
                kept.apply(subject(&format!("to_chuc_dang #{number}: ma=CB0{code}|ma_cha=CB0{parent}")));
            }
            let broken = |number: &u8| broken(&kept, &id(*number), TODAY).iter().any(|rule| rule == "TCD_VONG");
            let found: Vec<u8> = there.keys().copied().filter(broken).collect();
            prop_assert_eq!(found, on_circles(&there));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Goal: after each step those in post at one time are known, and no others. Method: each beside each.
    #[test]
    fn posts_at_one_time_are_kept_up(
        steps in proptest::collection::vec((0u8..6, 0i32..60, proptest::option::of(0i32..30), 0u8..4), 1..30)
    ) {
        let mut kept = MemoryQuality::new(&BOOK, TODAY);
        let mut there: BTreeMap<u8, (i32, i32)> = BTreeMap::new();
        let day = |day: i32| crate::value::civil(20_000 + day).unwrap().to_string();
        for (number, from, length, kind) in steps {
            if kind == 0 {
                there.remove(&number);
                kept.remove(&id(number));
            } else {
                there.insert(number, (from, length.map_or(i32::MAX, |days| from + days.max(1))));
                let until = length.map(|days| day(from + days)).unwrap_or_default();
                let post = format!("don_vi=11953|chuc_danh=CHU_NHIEM|tu_ngay={}|den_ngay={until}", day(from));
                kept.apply(subject(&format!("can_bo #{number}: {post}")));
            }
            let broken = |number: &u8| broken(&kept, &id(*number), TODAY).iter().any(|rule| rule == "CB_CHU_NHIEM");
            let found: Vec<u8> = there.keys().copied().filter(broken).collect();
            let meets = |one: &u8, other: &u8| {
                let (a, b) = (there[one], there[other]);
                one != other && a.0 < b.1 && b.0 < a.1
            };
            let meant: Vec<u8> = there.keys().copied().filter(|one| there.keys().any(|other| meets(one, other))).collect();
            prop_assert_eq!(found, meant);
        }
    }
}

fn any_value(random: u64) -> Value {
    match random % 13 {
        0 => Value::Null,
        1 => Value::Text("\u{0}=Ð".repeat((random % 90) as usize)),
        2 => Value::Integer(i64::MIN),
        3 => Value::Money(i64::MAX),
        4 => Value::Date(i32::MIN),
        5 => Value::Date(i32::MAX),
        6 => Value::Boolean(true),
        7 => Value::Code("DA_KHAC_PHUC".into()),
        8 => Value::Unit("99999".parse().unwrap()),
        9 => Value::Reference(id(3)),
        10 => Value::List(vec![Value::Integer(1), Value::Reference(id(4)), Value::Null]),
        11 => Value::Decimal("1.5".into()),
        _ => Value::Timestamp(crate::time::UnixMillis(u64::MAX)),
    }
}

/// Every condition of a type, with the items it is over.
fn conditions(plan: &super::super::plan::TypePlan) -> Vec<(Option<&str>, &Expression)> {
    let mut all: Vec<(Option<&str>, &Expression)> = Vec::new();
    for rule in &plan.rules {
        let each = rule.each.as_deref();
        all.extend(rule.when.iter().map(|condition| (each, condition)));
        if let Judge::Holds(condition) = &rule.judge {
            all.push((each, condition));
        }
    }
    all.extend(plan.probes.iter().filter_map(|probe| probe.when.as_ref()).map(|condition| (None, condition)));
    all.extend(plan.publishes.iter().filter_map(|publish| publish.having.as_ref()).map(|c| (None, c)));
    all.extend(plan.freshness.iter().filter_map(|(_, limited)| limited.as_ref()).map(|c| (None, c)));
    all
}

/// Evaluates all conditions both ways; answers how many there are, and how many went the short way.
fn both_ways(subject: &Subject) -> (usize, usize) {
    let plan = &BOOK.types[&subject.record_type];
    let mut items: BTreeMap<&str, Items<'_>> = BTreeMap::new();
    for (name, field) in &plan.fields {
        if field.field.kind == FieldKind::Items {
            items.insert(name, Items::new());
        }
    }
    for (path, value) in subject.values.iter().filter(|(path, _)| path.contains('/')) {
        let parts: Vec<&str> = path.split('/').collect();
        items.get_mut(parts[0]).unwrap().entry(parts[1]).or_default().insert(parts[2], value);
    }
    let (mut all, mut short) = (0, 0);
    for (each, condition) in conditions(plan) {
        let none = Item::new();
        let item = each.map(|each| (items[each].values().next().unwrap_or(&none), &plan.fields[each].names));
        let (known, values) = (&plan.names, &subject.values);
        let calendar = &BOOK.calendar;
        let scope = Scope { known, values, items: &items, item, today: TODAY, this_year: 2026, calendar };
        all += 1;
        if let Some(outcome) = condition.shortly(&scope) {
            short += 1;
            assert_eq!(outcome, condition.interpret(&BOOK.env, &scope), "{condition:?} {:?}", subject.values);
        }
    }
    (all, short)
}

#[test]
fn most_conditions_go_the_short_way() {
    let counts: Vec<(usize, usize)> = good_world().values().map(both_ways).collect();
    let sum = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    assert!(sum.1 * 10 >= sum.0 * 8, "{sum:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_short_way_comes_to_what_the_interpreter_does(kind in 0usize..21, seed in any::<u64>()) {
        let declared = Catalogue::embedded().unwrap().record_types().nth(kind).unwrap();
        let mut subject = Subject::new(declared.name.clone(), id(1), UNIT.parse().unwrap(), TODAY);
        let mut random = seed;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random >> 33
        };
        for field in &declared.fields {
            let subfields = field.fields.iter().map(|sub| (format!("{}/k/{}", field.name, sub.name), sub));
            for (path, field) in subfields.chain([(field.name.clone(), field)]) {
                let value = match (next() % 4, field.codes.as_deref(), field.kind) {
                    (_, _, FieldKind::Items) | (0, ..) => continue,
                    (1, ..) => any_value(next()),
                    (_, Some(codes), _) => {
                        let codes = &Catalogue::embedded().unwrap().code_list(codes).unwrap().codes;
                        Value::Code(codes[(next() % codes.len() as u64) as usize].code.clone())
                    }
                    (_, _, FieldKind::Date) => Value::Date(TODAY - 400 + i32::try_from(next() % 800).unwrap()),
                    (_, _, FieldKind::Integer) => Value::Integer(i64::try_from(2020 + next() % 10).unwrap()),
                    _ => any_value(next()),
                };
                subject.values.insert(path, value);
            }
        }
        both_ways(&subject);
    }
}
