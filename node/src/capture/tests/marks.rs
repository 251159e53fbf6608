//! Marks of secrecy that are of the whole file, and words that are none.

use lienthong_proto::catalogue::Catalogue;
use rust_xlsxwriter::{Note, Shape, Worksheet};

use super::super::source::Source;
use super::made::{self, Biff};
use super::titles::{MEMBERS, at, member, sheet, taken};
use super::*;

/// A member's list with those rows below it, from row 4.
fn list<'a>(below: &[Vec<&'a str>]) -> Vec<Vec<&'a str>> {
    let rows = [MEMBERS.to_vec(), member("033080000001", "", ""), vec![]];
    rows.into_iter().chain(below.iter().cloned()).collect()
}

/// Where the file is said to be marked; of a refused one no row was handed on.
fn marked(name: &str, bytes: &[u8]) -> Option<MarkPlace> {
    match taken("dang_vien", name, bytes) {
        (Err(FileRefusal::Classified(place)), rows) => {
            assert!(rows.is_empty(), "{name}: {rows:?}");
            Some(place)
        }
        (summary, _) => {
            summary.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
            None
        }
    }
}

fn row(row: u64) -> Option<MarkPlace> {
    Some(MarkPlace::Row { sheet: None, row })
}

fn text(rows: &[Vec<&str>]) -> Vec<u8> {
    rows.iter().map(|row| row.join(",")).collect::<Vec<_>>().join("\n").into_bytes()
}

fn xls(rows: &[Vec<&str>]) -> Vec<u8> {
    xls_with(rows, &|_| {})
}

fn xls_with(rows: &[Vec<&str>], stamp: &dyn Fn(&mut Biff)) -> Vec<u8> {
    let mut sheet = Biff::default();
    stamp(&mut sheet);
    for (row, cells) in (0..).zip(rows) {
        for (column, cell) in (0..).zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            sheet.text(row, column, cell);
        }
    }
    made::xls(&[("Danh", sheet)])
}

fn ods(rows: &[Vec<&str>]) -> Vec<u8> {
    ods_with(rows, "", "")
}

/// With the markup of shapes before the rows, and of what is printed.
fn ods_with(rows: &[Vec<&str>], shapes: &str, page: &str) -> Vec<u8> {
    let cell = |text: &&str| {
        format!("<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>")
    };
    let row = |cells: &Vec<&str>| {
        format!("<table:table-row>{}</table:table-row>", cells.iter().map(cell).collect::<String>())
    };
    let rows = rows.iter().map(row).collect::<String>();
    made::ods_printed(&[("Trang 1", &format!("{shapes}{rows}"))], page)
}

/// Goal: a mark alone in its row, or among what a list ends with, refuses the file wherever it stands, before a row is taken.
#[test]
fn a_mark_below_the_table_refuses_the_file() {
    for (below, merges) in [
        (at(&[(0, "MẬT")]), vec![]),
        (at(&[(4, "Tối mật")]), vec![]),
        (at(&[(14, "TUYỆT MẬT")]), vec![]),
        (at(&[(1, "(MẬT)")]), vec![(3, 1, 4, 9)]),
        (at(&[(0, "Nơi nhận: lưu"), (7, "Độ mật: Mật")]), vec![]),
        (at(&[(10, "Mật")]), vec![]),
    ] {
        let rows = list(std::slice::from_ref(&below));
        assert_eq!(marked("a.xlsx", &sheet(&rows, &merges)), row(4), "{below:?}");
        for (name, bytes) in [("a.csv", text(&rows)), ("a.xls", xls(&rows)), ("a.ods", ods(&rows))] {
            assert_eq!(marked(name, &bytes), row(4), "{name} {below:?}");
        }
    }
    let mut far = list(&[]);
    let ids: Vec<String> = (10..3_000).map(|serial| format!("033080{serial:06}")).collect();
    far.extend(ids.iter().map(|id| member(id, "", "")));
    far.push(at(&[(13, "MẬT")]));
    assert_eq!(marked("a.xlsx", &sheet(&far, &[])), row(2_994));
    assert_eq!(marked("a.csv", &text(&far)), row(2_994));
}

/// A member's list as a workbook with something more in it.
fn book(stamp: &dyn Fn(&mut Workbook)) -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (row, cells) in (0..).zip(&list(&[])) {
        for (column, cell) in (0..).zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            sheet.write(row, column, *cell).unwrap();
        }
    }
    stamp(&mut book);
    book.save_to_buffer().unwrap()
}

/// Goal: so does a mark on another sheet, on the page, or in old letters.
#[test]
fn a_mark_beside_the_table_refuses_the_file() {
    let book = |stamp: &dyn Fn(&mut Workbook)| marked("a.xlsx", &book(stamp));
    let first = |stamp: &dyn Fn(&mut Worksheet)| book(&|book| stamp(book.worksheet_from_index(0).unwrap()));
    assert_eq!(book(&|_| {}), None);
    let cover = book(&|book| {
        book.add_worksheet().write(2, 3, "TỐI MẬT").unwrap();
    });
    assert_eq!(cover, Some(MarkPlace::Row { sheet: Some(2), row: 3 }));
    let deep = book(&|book| {
        book.add_worksheet();
        book.add_worksheet().write(99, 0, "TỐI MẬT").unwrap();
    });
    assert_eq!(deep, Some(MarkPlace::Row { sheet: Some(3), row: 100 }), "a blank sheet is counted");
    let header = first(&|sheet| {
        sheet.set_header("&L&P&C&\"Arial,Bold\"&14MẬT");
    });
    assert_eq!(header, Some(MarkPlace::Page));
    let boxed = first(&|sheet| {
        sheet.insert_shape(0, 13, &Shape::textbox().set_text("MẬT")).unwrap();
    });
    assert_eq!(boxed, Some(MarkPlace::Page));
    let harmless = first(&|sheet| {
        sheet.set_header("&CBảo mật thông tin");
    });
    assert_eq!(harmless, None);
    let legacy = "Hä vµ tªn,Sè CCCD,Ngµy sinh\nNguyÔn V¨n §øc,033080000001,05/01/1980\nTrÇn ThÞ Hoa,034,1\n\nTèI MËT,,\n";
    let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(legacy);
    assert_eq!(marked("a.csv", &bytes), row(5));
    assert_eq!(marked("a.csv", legacy.as_bytes()), row(5));
}

/// Goal: a mark that a program wrote in two formats is one, and so is one in a note. Method: the library writes such
/// runs and notes; words that only look like a mark are written the same way.
#[test]
fn a_mark_of_several_runs_refuses_the_file() {
    let (plain, bold) = (CellFormat::new(), CellFormat::new().set_bold());
    let first = |stamp: &dyn Fn(&mut Worksheet)| {
        marked("a.xlsx", &book(&|book| stamp(book.worksheet_from_index(0).unwrap())))
    };
    let rich = |one: &str, other: &str| {
        first(&|sheet| {
            sheet.write_rich_string(3, 2, &[(&bold, one), (&plain, other)]).unwrap();
        })
    };
    assert_eq!(rich("M", "ẬT"), row(4));
    assert_eq!(rich("TỐI ", "MẬT"), row(4));
    assert_eq!(rich("Bảo ", "mật"), None);
    assert_eq!(rich("Nguyễn Thị ", "Mật"), None);
    let noted = |text: &str, author: bool| {
        first(&|sheet| {
            let note = Note::new(text).set_author("Lan").add_author_prefix(author);
            sheet.insert_note(1, 1, &note).unwrap();
        })
    };
    assert_eq!(noted("TỐI MẬT", false), Some(MarkPlace::Page));
    assert_eq!(noted("MẬT", true), Some(MarkPlace::Page));
    for text in ["Bảo mật thông tin", "Nguyễn Thị Mật", "Ghi một trong:\nThường\nMật\nTối mật"]
    {
        assert_eq!(noted(text, true), None, "{text}");
    }
    let boxed = |text: &str| {
        first(&|sheet| {
            sheet.insert_shape(0, 13, &Shape::textbox().set_text(text)).unwrap();
        })
    };
    assert_eq!(boxed("UBND XÃ\nMẬT"), Some(MarkPlace::Page));
    for text in ["Bảo mật thông tin", "Nguyễn Thị Mật", "Thường\nMật\nTối mật"] {
        assert_eq!(boxed(text), None, "{text}");
    }
    // What the library does not write: a cell that holds its own text, and another program's header.
    let sheet = "<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>Số CCCD</t></is></c></row>\
        <row r=\"3\"><c r=\"A3\" t=\"inlineStr\"><is><r><t>M</t></r><r><t>ẬT</t></r></is></c></row></sheetData></worksheet>";
    let folder = tempfile::tempdir().unwrap();
    let measured = |sheet: &str| {
        let path = folder.path().join("a.xlsx");
        std::fs::write(
            &path,
            made::zipped(&[("xl/workbook.xml", b""), ("xl/worksheets/sheet1.xml", sheet.as_bytes())]),
        )
        .unwrap();
        let source = open(&path).unwrap();
        (source.marks, source.stamped)
    };
    assert_eq!(measured(sheet), (true, false));
    assert_eq!(measured(&sheet.replace("<t>M<", "<t>Bí m<")), (false, false));
    let header = "<worksheet><headerFooter><firstHeader>&amp;C&amp;KFF0000M&#7852;T</firstHeader></headerFooter></worksheet>";
    assert_eq!(measured(header), (false, true));
}

/// Goal: a mark in an open document's shape or note, or on its page, refuses the file; one in a cell is of its row.
#[test]
fn a_mark_beside_the_cells_of_an_open_document_refuses_the_file() {
    let split = "<text:p>T<text:span>ỐI</text:span><text:s/>M<text:span>ẬT</text:span></text:p>";
    let placed = |inner: &str| {
        [
            (
                format!(
                    "<table:shapes><draw:frame><draw:text-box>{inner}</draw:text-box></draw:frame></table:shapes>"
                ),
                String::new(),
            ),
            (
                format!(
                    "<table:shapes><draw:g><draw:custom-shape><text:p>Lưu</text:p></draw:custom-shape><draw:custom-shape>{inner}<draw:enhanced-geometry/></draw:custom-shape></draw:g></table:shapes>"
                ),
                String::new(),
            ),
            (
                format!(
                    "<table:table-row><table:table-cell><draw:custom-shape>{inner}</draw:custom-shape></table:table-cell></table:table-row>"
                ),
                String::new(),
            ),
            (
                format!(
                    "<table:table-row><table:table-cell><office:annotation><dc:date/>{inner}</office:annotation></table:table-cell></table:table-row>"
                ),
                String::new(),
            ),
            (String::new(), format!("<style:header>{inner}</style:header><style:footer/>")),
            (
                String::new(),
                format!(
                    "<style:footer-first><style:region-left>{inner}</style:region-left></style:footer-first>"
                ),
            ),
        ]
    };
    let rows = list(&[]);
    for text in ["<text:p>MẬT</text:p>", split, "<text:p>Lan:</text:p><text:p>M&#7852;T</text:p>"] {
        for (shapes, page) in placed(text) {
            let bytes = ods_with(&rows, &shapes, &page);
            assert_eq!(marked("a.ods", &bytes), Some(MarkPlace::Page), "{shapes}{page}");
        }
    }
    let list = "<text:p>Thường</text:p><text:p>Mật</text:p>";
    for text in ["<text:p>Bảo <text:span>mật</text:span></text:p>", "<text:p>Nguyễn Thị Mật</text:p>", list]
    {
        for (shapes, page) in placed(text) {
            assert_eq!(marked("a.ods", &ods_with(&rows, &shapes, &page)), None, "{shapes}{page}");
        }
    }
    let cell = format!("<table:table-row><table:table-cell>{split}</table:table-cell></table:table-row>");
    assert_eq!(marked("a.ods", &ods_with(&rows, &cell, "")), row(1));
}

/// Goal: so does one in a text box or on the page of an old workbook, however its letters are written.
#[test]
fn a_mark_beside_the_cells_of_an_old_workbook_refuses_the_file() {
    let rows = list(&[]);
    let stamped = |stamp: &dyn Fn(&mut Biff)| marked("a.xls", &xls_with(&rows, stamp));
    let wide = |text: &str| [&[1], &made::wide(text)[..]].concat();
    for (expected, texts) in [
        (Some(MarkPlace::Page), ["&C&\"Arial,Bold\"&14MẬT", "&RTỐI MẬT", "&CDo mat: Mat"]),
        (None, ["&CBảo mật thông tin", "&LNguyễn Thị Mật&R&P", ""]),
    ] {
        for text in texts {
            for kind in [0x0014, 0x0015] {
                assert_eq!(stamped(&|sheet| sheet.head(kind, text)), expected, "{text}");
            }
            let more = [&[0; 38][..], &made::string("&CTrang &P"), &made::string(text)].concat();
            assert_eq!(stamped(&|sheet| sheet.record(0x089C, &more)), expected, "{text}");
        }
    }
    let page = Some(MarkPlace::Page);
    assert_eq!(stamped(&|sheet| sheet.text_box(&[&wide("TỐI MẬT")], 7)), page);
    assert_eq!(stamped(&|sheet| sheet.text_box(&[&wide("Lan:\nMẬT")], 8)), page);
    assert_eq!(stamped(&|sheet| sheet.text_box(&[b"\0TOI MAT"], 7)), page);
    assert_eq!(stamped(&|sheet| sheet.text_box(&[b"\0M\xcbT"], 3)), page, "TCVN3");
    assert_eq!(stamped(&|sheet| sheet.text_box(&[b"\0T", &wide("ỐI MẬT")], 7)), page, "of two records");
    assert_eq!(stamped(&|sheet| sheet.text_box(&[&wide("Bảo mật")], 7)), None);
    assert_eq!(stamped(&|sheet| sheet.text_box(&[&wide("Thường\nMật\nTối mật")], 19)), None);
    assert_eq!(stamped(&|sheet| sheet.text_box(&[&wide("M"), b"\0"], 3)), None, "cut");
    // Of a year when a letter was a byte.
    for (expected, text) in [
        (true, &b"&C&14M\xc2\xf2T"[..]),
        (true, b"&CT\xe8i M\xcbT"),
        (false, b"&CB\xb6o M\xcbT"),
        (false, b""),
    ] {
        let mut book = Biff::default();
        book.record(0x0809, &[0, 5, 5, 0, 0, 0, 0, 0]);
        book.record(0x0014, &[&[u8::try_from(text.len()).unwrap()], text].concat());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.xls");
        std::fs::write(&path, made::compound("/Book", &book.into_bytes())).unwrap();
        assert_eq!(open(&path).unwrap().stamped, expected, "{text:?}");
    }
}

/// Goal: a mark on a hidden sheet is one; a list of the words there, which cells are chosen from, is none.
#[test]
fn a_mark_on_a_hidden_sheet_refuses_the_file() {
    let with = |rows: &[&[&str]]| {
        book(&|book| {
            for hidden in [true, false] {
                book.add_worksheet().set_hidden(hidden);
            }
            let sheet = book.add_worksheet().set_very_hidden(true);
            for (row, cells) in (0..).zip(rows) {
                sheet.write_row(row, 0, cells.iter().copied()).unwrap();
            }
        })
    };
    let hidden = |row| Some(MarkPlace::Hidden { sheet: 2, row });
    assert_eq!(marked("a.xlsx", &with(&[&["Mật"]])), hidden(1));
    assert_eq!(marked("a.xlsx", &with(&[&["Bìa"], &["", "", "", "(TỐI MẬT)"]])), hidden(2));
    let wide = ["a", "b", "c", "d"];
    assert_eq!(marked("a.xlsx", &with(&[&wide, &["Tối mật"]])), hidden(2));
    for rows in [
        &[&["Thường"][..], &["Mật"], &["Tối mật"]][..],
        &[&["Độ mật", "Giới", "Dân tộc", "Loại"], &["Mật", "Nam", "Kinh", "A"], &["Tối mật", "Nữ"]],
        &[&["Bảo mật thông tin"], &["Nguyễn Thị Mật"], &["Mật khẩu"]],
    ] {
        assert_eq!(marked("a.xlsx", &with(rows)), None, "{rows:?}");
    }
    let said = FileRefusal::Classified(MarkPlace::Hidden { sheet: 2, row: 7 }).message();
    assert!(said.vi.contains("ở trang ẩn thứ 2, dòng 7"), "{}", said.vi);
    // Also where nothing else can be seen.
    let mut only = Workbook::new();
    only.add_worksheet();
    only.add_worksheet().set_hidden(true).write(0, 0, "MẬT").unwrap();
    let bytes = only.save_to_buffer().unwrap();
    assert_eq!(marked("a.xlsx", &bytes), Some(MarkPlace::Hidden { sheet: 1, row: 1 }));
    assert!(is_forbidden("a.xlsx", &bytes));
}

/// Whether a file that was handed in is not to be kept.
fn is_forbidden(name: &str, bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    forbidden(&open(&path).unwrap(), Catalogue::embedded().unwrap())
}

/// Goal: the word within others, a name, a count of such papers, a list of the words, and a record's own word mark no file.
#[test]
fn words_that_only_look_like_a_mark_refuse_nothing() {
    for below in [
        vec![at(&[(0, "Ghi chú: giữ bí mật")])],
        vec![at(&[(0, "Bí mật")])],
        vec![at(&[(0, "Mật khẩu")])],
        vec![at(&[(0, "Không mật")])],
        vec![at(&[(0, "Độ mật: Thường")])],
        vec![at(&[(0, "Độ mật:")])],
        vec![at(&[(0, "Người lập biểu")]), at(&[(1, "Nguyễn Thị Mật")])],
        vec![at(&[(0, "Trong đó:")]), at(&[(0, "Mật"), (1, "0")])],
        vec![at(&[(0, "Thường")]), at(&[(0, "Mật")]), at(&[(0, "Tối mật")])],
        vec![at(&[(0, "Thường"), (1, "Mật"), (2, "Tối mật")])],
        vec![at(&[(1, "Nguyễn Văn A"), (10, "Mật")])],
        vec![at(&[(1, "Mật"), (4, "033080000002")])],
        vec![at(&[(0, "2"), (1, "Mật")])],
    ] {
        let rows = list(&below);
        for (name, bytes) in [("a.xlsx", sheet(&rows, &[])), ("a.csv", text(&rows))] {
            assert_eq!(marked(name, &bytes), None, "{name} {below:?}");
        }
    }
}

/// Goal: a marked file is not kept, whatever it is of; its own word makes no file so.
#[test]
fn a_marked_file_of_no_type_is_not_kept_either() {
    let catalogue = Catalogue::embedded().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = |text: &str| -> Source {
        let path = folder.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        open(&path).unwrap()
    };
    let odd = source("Cột lạ,Cột khác\nmột,hai\n,\nTỐI MẬT,\n");
    assert!(forbidden(&odd, catalogue));
    assert!(matches!(fitting(&odd, catalogue), Err(FileRefusal::Classified(_))));
    let (refused, _) = taken("dang_vien", "a.csv", "Cột lạ,Cột khác\nTỐI MẬT,\n".as_bytes());
    assert_eq!(refused.unwrap_err().class(), "CLASSIFIED");
    assert!(!forbidden(&source("Cột lạ,Cột khác\nmột,Mật khẩu\n"), catalogue));
    let below = text(&list(&[at(&[(0, "MẬT")])]));
    let whole = source(std::str::from_utf8(&below).unwrap());
    assert!(forbidden(&whole, catalogue) && fitting(&whole, catalogue).is_err());
}
