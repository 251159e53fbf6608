use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::Change;
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::quality::{MemoryQuality, RuleBook, Silence, Waiver};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_proto::verdict::{QuarantineReason, Verdict};
use proptest::prelude::*;

use super::*;
use crate::dataset::Dataset;
use crate::log::{Disk, HashFile};
use crate::replica::{Author, Draft, Intent, Journal, JournalOptions, NoReplay};
use crate::store::{MemoryView, View};

const UNITS: [&str; 2] = ["11953", "12004"];
/// Some steps between these are legal, some with a reason only, some never.
const STATES: [&str; 3] = ["CHINH_THUC", "XOA_TEN", "TU_TRAN"];

fn clock() -> UnixMillis {
    UnixMillis(1_795_000_000_000)
}

struct Bench {
    _dir: tempfile::TempDir,
    journal: Journal,
    dataset: Dataset,
    catalogue: Arc<Catalogue>,
}

impl Bench {
    fn new(view: Arc<dyn View>) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let replica = ReplicaId([7; 16]);
        let catalogue = Arc::new(Catalogue::embedded()?.clone());
        let opened = crate::log::open(&dir.path().join("log"), replica, Disk::real())?;
        let hashes = HashFile::open(&dir.path().join("log"), opened.writer.next_sequence().0)?;
        let author = Author { replica, unit: "33".parse()?, provincial_key: Arc::new([1; 32]) };
        let options = JournalOptions {
            frames_cached: NonZeroUsize::MIN,
            unflushed_max: 1_000,
            follow: false,
            secret: crate::replica::secret,
        };
        let journal = Journal::open(
            opened.writer,
            opened.reader,
            hashes,
            view,
            Arc::clone(&catalogue),
            author,
            options,
            &mut NoReplay,
        )?;
        let dataset = journal.dataset().clone();
        Ok(Self { _dir: dir, journal, dataset, catalogue })
    }

    fn write(&mut self, member: &Member) -> anyhow::Result<()> {
        let mut values = BTreeMap::from([
            ("so_cccd".to_owned(), Value::Text(format!("0330700000{:02}", member.number))),
            ("ho_ten".to_owned(), Value::Text(["Nguyễn Văn An", "Trần Văn Bình"][member.name].to_owned())),
            ("ngay_sinh".to_owned(), Value::Date(if member.late { 20_000 } else { 100 })),
            ("chi_bo".to_owned(), Value::Text("Chi bộ 1".to_owned())),
        ]);
        if member.complete {
            values.insert("gioi_tinh".to_owned(), Value::Code("NAM".to_owned()));
            values.insert("tinh_trang".to_owned(), Value::Code(STATES[member.state].to_owned()));
        }
        if member.reason {
            values.insert("ly_do_khoi_phuc".to_owned(), Value::Text("ghi nhầm".to_owned()));
        }
        let draft = Draft {
            record_type: "dang_vien".to_owned(),
            owner: UNITS[member.unit].parse()?,
            values,
            intent: Intent::Assert,
            author: "test".to_owned(),
        };
        self.journal.stage(draft, clock())?;
        self.journal.commit()?;
        self.journal.flush()?;
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct Member {
    number: u8,
    name: usize,
    unit: usize,
    late: bool,
    complete: bool,
    state: usize,
    reason: bool,
}

fn members() -> impl Strategy<Value = Vec<Member>> {
    let member = (0..4_u8, 0..2_usize, 0..2_usize, any::<bool>(), any::<bool>(), 0..3_usize, any::<bool>());
    let member = member.prop_map(|(number, name, unit, late, complete, state, reason)| Member {
        number,
        name,
        unit,
        late,
        complete,
        state,
        reason,
    });
    prop::collection::vec(member, 1..12)
}

fn scores(keeper: &Keeper) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for unit in UNITS {
        let score = keeper.score(&unit.parse()?, "dang_vien", Silence::Heard, keeper.today())?;
        lines.push(format!("{unit} {:?}", score.tally));
    }
    keeper.each_defective("dang_vien", None, keeper.today(), &mut |id, unit, defects| {
        lines.push(format!("{id} {unit} {defects:?}"));
        true
    })?;
    Ok(lines)
}

/// A report's values, stated.
fn states(fields: &[(&str, Value)]) -> Draft {
    let mut values = BTreeMap::from([
        ("ky".to_owned(), Value::Text("Quý I".to_owned())),
        ("phien_ban".to_owned(), Value::Integer(1)),
    ]);
    values.extend(fields.iter().map(|(path, value)| ((*path).to_owned(), value.clone())));
    Draft {
        record_type: "bao_cao_ky".to_owned(),
        owner: UNITS[0].parse().unwrap(),
        values,
        intent: Intent::Assert,
        author: "test".to_owned(),
    }
}

/// Goal: the history of a record is read only where its course needs it, and a reason counts for the step it is stated
/// with, also one that was said before or is said later. Method: one report on its way.
#[test]
fn a_history_is_read_where_the_course_needs_it_and_a_reason_goes_with_its_step() {
    let mut bench = Bench::new(Arc::new(MemoryView::default())).unwrap();
    let keeper = Keeper::open(bench.dataset.clone(), Arc::clone(&bench.catalogue), clock).unwrap();
    let code = |code: &str| ("trang_thai", Value::Code(code.to_owned()));
    let reason = ("ly_do_mo_lai", Value::Text("số liệu sai".to_owned()));
    let hash = |letter: &str| ("ma_bam", Value::Text(letter.repeat(64)));
    let other_reason = ("ly_do_mo_lai", Value::Text("khác".to_owned()));
    // What is stated, how many changes are read for it, what is broken then.
    let ways = [
        (vec![code("DA_NOP")], 0, vec![]),
        (vec![hash("a")], 0, vec![]),
        (vec![code("DA_KHOA")], 3, vec![]),
        (vec![hash("b")], 4, vec!["BC_SUA_KHI_KHOA"]),
        (vec![code("DA_NOP")], 5, vec!["BC_MO_LAI", "BC_SUA_KHI_KHOA"]),
        (vec![reason], 6, vec!["BC_MO_LAI", "BC_SUA_KHI_KHOA"]),
        (vec![code("DA_NOP"), other_reason.clone()], 7, vec![]),
        (vec![code("DA_KHOA")], 8, vec![]),
        (vec![code("DA_NOP"), other_reason], 9, vec![]),
    ];
    for (fields, read, expected) in ways {
        let staged = bench.journal.stage(states(&fields), clock()).unwrap();
        bench.journal.commit().unwrap();
        bench.journal.flush().unwrap();
        keeper.settle().unwrap();
        let judged = course::judged(&bench.dataset, &bench.catalogue, "bao_cao_ky", staged.record).unwrap();
        assert_eq!(judged.unwrap().history.len(), read, "{fields:?}");
        let (sorted, _) = keeper.defects("bao_cao_ky", staged.record, keeper.today()).unwrap();
        let course = bench.catalogue.record_type("bao_cao_ky").unwrap().course.clone().unwrap();
        let rules = sorted.counted.iter().map(|defect| keeper.book().unwrap().rule(defect.rule).id.clone());
        let mut broken: Vec<String> = rules.filter(|id| course.rules().any(|rule| rule == id)).collect();
        broken.sort_unstable();
        assert_eq!(broken, expected, "{fields:?}");
    }
}

/// Goal: a record written over and over is judged by what is latest, and its last step as ever.
#[test]
fn of_a_record_written_over_for_ever_the_latest_is_read() {
    let mut bench = Bench::new(Arc::new(MemoryView::default())).unwrap();
    let keeper = Keeper::open(bench.dataset.clone(), Arc::clone(&bench.catalogue), clock).unwrap();
    let mut write = |state: &str| {
        let draft = states(&[("trang_thai", Value::Code(state.to_owned()))]);
        bench.journal.stage(draft, clock()).unwrap().record
    };
    for round in 0..=course::PAST_READ_MAX {
        write(["DU_THAO", "DA_NOP"][round % 2]);
    }
    write("DA_DUYET");
    let record = write("DU_THAO");
    bench.journal.commit().unwrap();
    bench.journal.flush().unwrap();
    keeper.settle().unwrap();
    assert_eq!(bench.dataset.history("bao_cao_ky", record).unwrap().len(), course::PAST_READ_MAX + 3);
    let judged = course::judged(&bench.dataset, &bench.catalogue, "bao_cao_ky", record).unwrap().unwrap();
    let live = bench.dataset.state("bao_cao_ky", record).unwrap().unwrap().sources.len();
    assert_eq!(
        (judged.history.len(), live),
        (course::PAST_READ_MAX + 2, 2),
        "the first, for its period, and the last"
    );
    let (sorted, _) = keeper.defects("bao_cao_ky", record, keeper.today()).unwrap();
    let book = keeper.book().unwrap();
    assert!(sorted.counted.iter().any(|defect| book.rule(defect.rule).id == "BC_BUOC"));
}

/// Goal: what the hub keeps out of the dataset is no step of a record's course.
#[test]
fn what_is_kept_out_changes_nothing_under_a_lock() {
    let mut bench = Bench::new(Arc::new(MemoryView::default())).unwrap();
    let keeper = Keeper::open(bench.dataset.clone(), Arc::clone(&bench.catalogue), clock).unwrap();
    let code = |code: &str| ("trang_thai", Value::Code(code.to_owned()));
    let mut record = None;
    for fields in [[code("DA_NOP")], [code("DA_KHOA")], [("ma_bam", Value::Text("b".repeat(64)))]] {
        record = Some(bench.journal.stage(states(&fields), clock()).unwrap().record);
        bench.journal.commit().unwrap();
    }
    let record = record.unwrap();
    let broken = || {
        keeper.refresh("bao_cao_ky", record).unwrap();
        let (sorted, _) = keeper.defects("bao_cao_ky", record, keeper.today()).unwrap();
        let book = keeper.book().unwrap();
        sorted.counted.iter().any(|defect| book.rule(defect.rule).id == "BC_SUA_KHI_KHOA")
    };
    assert!(broken());
    let last = bench.dataset.history("bao_cao_ky", record).unwrap().pop().unwrap();
    let bytes = bench.dataset.entries().entry(last.source.at).unwrap();
    let change = Change::of(&Entry::decode(&bytes).unwrap()).unwrap();
    assert_eq!(change.writes.first().unwrap().path, "ma_bam");
    bench.dataset.pending_state("bao_cao_ky", record).unwrap();
    let verdict = Verdict::Quarantined(QuarantineReason::IdentityGuard);
    bench.dataset.decide(&change, clock(), &verdict).unwrap();
    bench.dataset.publish(&bench.catalogue).unwrap();
    assert_eq!(bench.dataset.history("bao_cao_ky", record).unwrap().len(), 3);
    assert!(!broken());
}

/// Goal: however many refer to a record that comes later than they do, none of them goes on saying that it is missing.
/// Method: more than are gone through where one more cannot matter.
#[test]
fn a_crowd_that_refers_to_one_is_judged_again_when_it_comes() {
    let mut bench = Bench::new(Arc::new(MemoryView::default())).unwrap();
    let keeper = Keeper::open(bench.dataset.clone(), Arc::clone(&bench.catalogue), clock).unwrap();
    let crowd = 4_200;
    for day in 0..crowd {
        let values = BTreeMap::from([
            ("dang_vien_id".to_owned(), Value::Text("033070000001".to_owned())),
            ("ngay_gioi_thieu".to_owned(), Value::Date(day)),
        ]);
        let draft = Draft {
            record_type: "chuyen_sinh_hoat".to_owned(),
            owner: UNITS[0].parse().unwrap(),
            values,
            intent: Intent::Assert,
            author: "test".to_owned(),
        };
        bench.journal.stage(draft, clock()).unwrap();
    }
    bench.journal.commit().unwrap();
    bench.journal.flush().unwrap();
    let missing = |keeper: &Keeper| {
        keeper.settle().unwrap();
        let (book, mut count) = (keeper.book().unwrap(), 0);
        keeper
            .each_defective("chuyen_sinh_hoat", None, keeper.today(), &mut |_, _, defects| {
                count += i32::from(defects.iter().any(|it| book.rule(it.rule).id == "REF_UNKNOWN"));
                true
            })
            .unwrap();
        count
    };
    assert_eq!(missing(&keeper), crowd);
    bench.write(&member(1, 0)).unwrap();
    assert_eq!(missing(&keeper), 0);
}

/// Goal: those on a circle of organisations are found when its last link is written, and none once it is opened, as judged
/// from scratch.
#[test]
fn a_circle_of_organisations_is_kept_up() {
    let mut bench = Bench::new(Arc::new(MemoryView::default())).unwrap();
    let keeper = Keeper::open(bench.dataset.clone(), Arc::clone(&bench.catalogue), clock).unwrap();
    let mut circle = |links: &[(&str, &str)]| {
        for (code, parent) in links {
            let text = |text: &str| Value::Text(text.to_owned());
            let draft = Draft {
                record_type: "to_chuc_dang".to_owned(),
                owner: UNITS[0].parse().unwrap(),
                values: BTreeMap::from([("ma".to_owned(), text(code)), ("ma_cha".to_owned(), text(parent))]),
                intent: Intent::Assert,
                author: "test".to_owned(),
            };
            bench.journal.stage(draft, clock()).unwrap();
        }
        bench.journal.commit().unwrap();
        bench.journal.flush().unwrap();
        let scratch = Keeper::open(bench.dataset.clone(), Arc::clone(&bench.catalogue), clock).unwrap();
        let found = |keeper: &Keeper| {
            keeper.settle().unwrap();
            let (book, mut found) = (keeper.book().unwrap(), 0);
            keeper
                .each_defective("to_chuc_dang", None, keeper.today(), &mut |_, _, defects| {
                    found += u32::from(defects.iter().any(|it| book.rule(it.rule).id == "TCD_VONG"));
                    true
                })
                .unwrap();
            found
        };
        let kept = found(&keeper);
        scratch.begin_anew().unwrap();
        assert_eq!(found(&scratch), kept);
        kept
    };
    assert_eq!(circle(&[("CB01", "CB02"), ("CB02", "CB03"), ("CB04", "CB01")]), 0);
    assert_eq!(circle(&[("CB03", "CB01")]), 3);
    assert_eq!(circle(&[("CB02", "DU01")]), 0);
}

/// Goal: of many units that listen only the one that is told something hears that there is news.
#[test]
fn news_of_one_unit_wake_no_other() {
    let mut bench = Bench::new(Arc::new(MemoryView::default())).unwrap();
    let catalogue = Arc::clone(&bench.catalogue);
    let keeper = Keeper::open_telling(bench.dataset.clone(), catalogue, clock).unwrap();
    let [mut told, other] = UNITS.map(|unit| keeper.news_of(&unit.parse().unwrap()).unwrap());
    // Two of one name and birth date: each is a doubt about the other.
    bench.write(&member(1, 0)).unwrap();
    bench.write(&member(2, 0)).unwrap();
    keeper.settle().unwrap();
    assert!(told.has_changed().unwrap() && !other.has_changed().unwrap());
    let next = *told.borrow_and_update();
    let telling = keeper.telling(&UNITS[0].parse().unwrap(), ToldCursor::default(), 64).unwrap().unwrap();
    assert_eq!((telling.told.len(), telling.cursor.next), (2, next));
    bench.write(&member(2, 1)).unwrap();
    keeper.settle().unwrap();
    assert!(told.has_changed().unwrap() && !other.has_changed().unwrap());
}

/// A good member of the first unit.
fn member(number: u8, name: usize) -> Member {
    Member { number, name, unit: 0, late: false, complete: true, state: 0, reason: false }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Goal: kept up step by step, kept up late, begun anew, and the engine in memory all say the same.
    #[test]
    fn kept_up_equals_judged_from_scratch(history in members(), steps in prop::collection::vec(any::<bool>(), 12)) {
        let view: Arc<dyn View> = Arc::new(MemoryView::default());
        let mut bench = Bench::new(Arc::clone(&view)).unwrap();
        let keeper = Keeper::open(bench.dataset.clone(), Arc::clone(&bench.catalogue), clock).unwrap();
        for (member, now) in history.iter().zip(steps) {
            bench.write(member).unwrap();
            if now {
                keeper.settle().unwrap();
            }
        }
        keeper.settle().unwrap();
        let kept_up = scores(&keeper).unwrap();
        // Without the fingerprint everything is judged anew.
        let mut batch = crate::store::Batch::default();
        batch.delete(crate::store::Keyspace::Meta, b"quality");
        view.commit(batch).unwrap();
        let anew = Keeper::open(bench.dataset.clone(), Arc::clone(&bench.catalogue), clock).unwrap();
        anew.settle().unwrap();
        prop_assert_eq!(&scores(&anew).unwrap(), &kept_up);
        let book = RuleBook::compile(&bench.catalogue).unwrap();
        let mut memory = MemoryQuality::new(&book, keeper.today());
        for (id, _) in bench.dataset.page("dang_vien", None, 100).unwrap() {
            let judged = course::judged(&bench.dataset, &bench.catalogue, "dang_vien", id).unwrap();
            memory.apply(judged.unwrap());
        }
        let ids: Vec<_> = bench.dataset.page("dang_vien", None, 2).unwrap().into_iter().map(|(id, _)| id).collect();
        let waiver = |(number, record): (u64, &lienthong_proto::ids::RecordId)| Waiver {
            number,
            record_type: "dang_vien".to_owned(),
            record: *record,
            rule: ["REQ_MISSING", "DV_TRUNG_TEN"][usize::try_from(number).unwrap() % 2].to_owned(),
            field: None,
            reason: "thử".to_owned(),
            approver: "lan".to_owned(),
            until: keeper.today() + 5,
        };
        for waivers in [Vec::new(), (0..).zip(&ids).map(waiver).collect::<Vec<_>>()] {
            let mut batch = crate::store::Batch::default();
            waivers.iter().for_each(|waiver| put_waiver(waiver, &mut batch));
            view.commit(batch).unwrap();
            keeper.forget_waivers();
            for (unit, as_of) in UNITS.into_iter().zip([keeper.today(), keeper.today() + 6]) {
                let unit = unit.parse().unwrap();
                let here = keeper.score(&unit, "dang_vien", Silence::Heard, as_of).unwrap();
                prop_assert_eq!(here, memory.score(&unit, "dang_vien", Silence::Heard, &waivers, as_of));
            }
        }
    }
}
