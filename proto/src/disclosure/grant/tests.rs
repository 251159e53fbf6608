use super::*;

fn terms(text: &str) -> Result<Terms, GrantError> {
    GrantFile::parse(text)?.terms(Catalogue::embedded().unwrap())
}

const HEAD: &str =
    "agency = 'TTT'\npurpose = 'đối chiếu'\ndocument = '12/CV'\nfrom = '2026-11-01'\nuntil = '2027-03-31'\n";

fn shares(rest: &str) -> Result<Terms, GrantError> {
    terms(&format!("{HEAD}{rest}"))
}

#[test]
fn a_ceiling_names_every_field_up_to_it_and_no_long_text() {
    let terms = shares("[[share]]\ntype = 'cuoc_kiem_tra'\nceiling = 'C2'\n").unwrap();
    let share = terms.share("cuoc_kiem_tra").unwrap();
    assert!(share.opens("ma_cuoc") && share.opens("doi_tuong") && share.opens("_type"));
    assert!(!share.opens("noi_dung"), "a long text leaves only by name");
    assert!(!share.opens("nhat_ky") && !share.opens("_id") && !share.opens("_why") && !share.opens("_into"));
    assert!(!share.opens("dau_hieu_id") && !share.refers("dau_hieu_id"), "C3");
    assert_eq!(Terms::parse(&terms.to_json()), Ok(terms));
}

#[test]
fn items_open_by_subfield_and_references_are_pseudonyms() {
    let terms = shares(
        "[[share]]\ntype = 'ket_luan'\nfields = ['yeu_cau', 'thu_hoi_tien']\n[[share]]\ntype = 'ky_luat'\nceiling = 'C2'\n",
    )
    .unwrap();
    let share = terms.share("ket_luan").unwrap();
    let sub = share.fields.iter().find_map(|path| path.strip_prefix("yeu_cau/")).unwrap();
    assert!(share.opens(&format!("yeu_cau/1/{sub}")) && share.opens("yeu_cau/1/_gone"));
    assert!(!share.opens("yeu_cau/1/x") && !share.opens("ra_soat/1/_gone") && !share.opens("vi_pham"));
    let other = terms.share("ky_luat").unwrap();
    assert!(other.refers("cuoc_id") && !other.opens("cuoc_id"));
}

#[test]
fn what_cannot_be_is_refused() {
    let error = |rest: &str| shares(rest).unwrap_err();
    assert!(matches!(error("[[share]]\ntype = 'khong'\nceiling = 'C2'\n"), GrantError::Type(_)));
    assert!(matches!(error("[[share]]\ntype = 'don_thu'\nceiling = 'C3'\n"), GrantError::Ceiling(_)));
    assert!(matches!(error("[[share]]\ntype = 'don_thu'\nfields = ['nguoi_gui']\n"), GrantError::Never(..)));
    assert!(matches!(error("[[share]]\ntype = 'don_thu'\nfields = ['x']\n"), GrantError::Field(..)));
    assert!(matches!(error("[[share]]\ntype = 'don_thu'\n"), GrantError::Nothing(_)));
    let case =
        "[[share]]\ntype = 'dau_hieu'\nceiling = 'C1'\n[[share.only]]\nfield = 'cuoc_id'\nis = ['x']\n";
    assert!(matches!(error(case), GrantError::Reference(_, field) if field == "cuoc_id"));
    let twice = "[[share]]\ntype = 'don_thu'\nceiling = 'C1'\n".repeat(2);
    assert!(matches!(error(&twice), GrantError::Type(_)));
    assert!(matches!(error("colour = 1\n"), GrantError::Form(_)));
    let backwards = HEAD.replace("2027-03-31", "2026-10-31");
    let share = "[[share]]\ntype = 'don_thu'\nceiling = 'C1'\n";
    assert_eq!(terms(&format!("{backwards}{share}")), Err(GrantError::Days));
    let long = HEAD.replace("2027-03-31", "2029-10-31");
    assert_eq!(terms(&format!("{long}{share}")), Err(GrantError::Days));
    let nameless = HEAD.replace("đối chiếu", " ");
    assert_eq!(terms(&format!("{nameless}{share}")), Err(GrantError::Extent("purpose")));
}

/// Goal: nothing of an item is opened whose key is not: its path has the key's hash, which a name can be guessed from.
#[test]
fn an_item_is_opened_with_its_key_or_not_at_all() {
    let team = |fields: &str| shares(&format!("[[share]]\ntype = 'cuoc_kiem_tra'\nfields = [{fields}]\n"));
    let refused = team("'ma_cuoc', 'thanh_vien_doan/vai_tro'").unwrap_err();
    assert!(
        matches!(&refused, GrantError::ItemKey(_, items, key) if items == "thanh_vien_doan" && key == "thanh_vien_doan/thanh_vien")
    );
    let training = "[[share]]\ntype = 'can_bo'\nfields = ['boi_duong/khoa']\n";
    assert!(matches!(shares(training), Err(GrantError::ItemKey(..))), "half of a key is none");
    let with_key = team("'thanh_vien_doan/vai_tro', 'thanh_vien_doan/thanh_vien'").unwrap();
    let share = with_key.share("cuoc_kiem_tra").unwrap();
    assert!(share.opens("thanh_vien_doan/1/vai_tro") && !share.opens("thanh_vien_doan/1/tu"));
    // Terms of before that was refused.
    let declared = Catalogue::embedded().unwrap().record_type("cuoc_kiem_tra").unwrap();
    assert!(share.shows_key_of(declared, "thanh_vien_doan/1/vai_tro"));
    let mut older = share.clone();
    older.fields.remove("thanh_vien_doan/thanh_vien");
    for path in ["thanh_vien_doan/1/vai_tro", "thanh_vien_doan/1/_gone"] {
        assert!(older.opens(path) && !older.shows_key_of(declared, path), "{path}");
    }
    assert!(older.shows_key_of(declared, "ma_cuoc") && older.shows_key_of(declared, "_type"));
}

#[test]
fn conditions_are_about_shown_values() {
    let share = shares(
        "[[share]]\ntype = 'cuoc_kiem_tra'\nceiling = 'C1'\n[[share.only]]\nfield = 'ngay_quyet_dinh'\nfrom = '2026-01-01'\nuntil = '2026-12-31'\n[[share.only]]\nfield = 'linh_vuc'\nis = ['LV01']\n",
    )
    .unwrap();
    let share = share.share("cuoc_kiem_tra").unwrap();
    let day = |text: &str| Value::Date(days_of(text.parse().unwrap()));
    let admits = |date: Option<Value>, field: &str| {
        let field = Value::Code(field.to_owned());
        share.admits(|name| match name {
            "linh_vuc" => Some(&field),
            _ => date.as_ref(),
        })
    };
    assert!(admits(Some(day("2026-12-31")), "LV01"));
    assert!(!admits(Some(day("2027-01-01")), "LV01"));
    assert!(!admits(Some(day("2026-05-01")), "LV02"));
    assert!(!admits(None, "LV01"));
}
