#[test]
fn tmp() {
    let book = super::RuleBook::compile(crate::catalogue::Catalogue::embedded().unwrap()).unwrap();
    assert!(book.rules().count() > 100);
}
