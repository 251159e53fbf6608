//! Grants to begin with: what each receiver may usually have (Kế hoạch phối hợp; classes up to C2). C3 fields are not
//! among them: they are named one by one, by signed request.

/// Name and text of each.
pub const TEMPLATES: &[(&str, &str)] = &[
    ("thanh-tra", include_str!("templates/thanh-tra.toml")),
    ("kiem-toan", include_str!("templates/kiem-toan.toml")),
    ("tai-chinh", include_str!("templates/tai-chinh.toml")),
    ("noi-chinh", include_str!("templates/noi-chinh.toml")),
    ("to-tung", include_str!("templates/to-tung.toml")),
    ("to-chuc", include_str!("templates/to-chuc.toml")),
];

/// The text of one, by name.
#[must_use]
pub fn template(name: &str) -> Option<&'static str> {
    TEMPLATES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use lienthong_proto::catalogue::Catalogue;
    use lienthong_proto::disclosure::GrantFile;

    use super::*;

    #[test]
    fn every_template_is_a_grant_under_the_catalogue() {
        let catalogue = Catalogue::embedded().unwrap();
        for (name, text) in TEMPLATES {
            let terms = GrantFile::parse(text).and_then(|file| file.terms(catalogue));
            let terms = terms.unwrap_or_else(|error| panic!("{name}: {error}"));
            // What no receiver of these gets (DOMAIN's last column): letters' content, declarations, identities.
            for share in &terms.shares {
                assert!(
                    !["ke_khai", "dau_hieu"].contains(&share.record_type.as_str()) || *name == "noi-chinh",
                    "{name}"
                );
                for never in ["noi_dung", "so_cccd", "nhat_ky", "nguoi_gui", "tong_gia_tri"] {
                    assert!(!share.opens(never), "{name}: {}.{never}", share.record_type);
                }
            }
        }
    }

    /// Goal: what each receiver may have and no more is what the templates give: the records, and the part of them.
    #[test]
    fn each_template_gives_its_receivers_part_of_the_table() {
        const CORRUPTION: &str = "linh_vuc=LV01|LV02|LV03|LV04|LV05";
        const ALL: &[(&str, &[(&str, &str)])] = &[
            (
                "thanh-tra",
                &[
                    ("chuong_trinh", ""),
                    ("cuoc_kiem_tra", ""),
                    ("ket_luan", ""),
                    ("thong_tin_phoi_hop", "co_quan=Thanh tra tỉnh"),
                ],
            ),
            ("kiem-toan", &[("cuoc_kiem_tra", ""), ("ket_luan", "")]),
            ("tai-chinh", &[("ket_luan", ""), ("cuoc_kiem_tra", "loai=KT_TC_DANG")]),
            (
                "noi-chinh",
                &[
                    ("cuoc_kiem_tra", CORRUPTION),
                    ("dau_hieu", CORRUPTION),
                    ("ky_luat", ""),
                    ("ket_luan", ""),
                    ("don_thu", ""),
                ],
            ),
            ("to-tung", &[("thong_tin_phoi_hop", "co_quan=Cơ quan Cảnh sát điều tra Công an tỉnh&chieu=DI")]),
            ("to-chuc", &[("ky_luat", "trang_thai=HIEU_LUC"), ("can_bo", "")]),
        ];
        let catalogue = Catalogue::embedded().unwrap();
        let mut found = Vec::new();
        for (name, text) in TEMPLATES {
            let terms = GrantFile::parse(text).and_then(|file| file.terms(catalogue)).unwrap();
            let only = |share: &lienthong_proto::disclosure::Share| {
                let each = share.only.iter().map(|it| format!("{}={}", it.field, it.is.join("|")));
                (share.record_type.clone(), each.collect::<Vec<_>>().join("&"))
            };
            found.push((*name, terms.shares.iter().map(only).collect::<Vec<_>>()));
            // A condition asks for values there are.
            for share in &terms.shares {
                let declared = catalogue.record_type(&share.record_type).unwrap();
                for condition in &share.only {
                    let codes = declared.field(&condition.field).unwrap().codes.as_deref();
                    let list = codes.map(|codes| catalogue.code_list(codes).unwrap());
                    assert!(list.is_none_or(|list| condition.is.iter().all(|is| list.resolve(is).is_some())));
                }
            }
        }
        let wanted: Vec<(&str, Vec<(String, String)>)> = ALL
            .iter()
            .map(|(name, shares)| {
                (*name, shares.iter().map(|(kind, only)| ((*kind).to_owned(), (*only).to_owned())).collect())
            })
            .collect();
        assert_eq!(found, wanted);
        let opens = |name: &str, record_type: &str, path: &str| {
            let terms = GrantFile::parse(template(name).unwrap()).unwrap().terms(catalogue).unwrap();
            terms.share(record_type).unwrap().opens(path)
        };
        for never in ["ma_don", "ngay_nhan", "doi_tuong", "ngay_giai_quyet", "co_quan_giai_quyet"] {
            assert!(!opens("noi-chinh", "don_thu", never), "{never}");
        }
        assert!(!opens("kiem-toan", "ket_luan", "nguoi_dung_dau"));
        assert!(!opens("kiem-toan", "ket_luan", "yeu_cau/1/xac_nhan_boi"));
        assert!(opens("kiem-toan", "ket_luan", "yeu_cau/1/tinh_trang"));
        assert!(!opens("tai-chinh", "cuoc_kiem_tra", "doi_tuong"));
    }
}
