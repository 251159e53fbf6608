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
}
