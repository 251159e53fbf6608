//! What was rejected once is rejected again: also out of the report, and however the file is cut.

use super::*;

fn classes(row: &CapturedRow) -> Vec<&str> {
    row.judgement.errors.iter().map(|found| found.rule.as_str()).collect()
}

/// Goal: of two values under one key none is taken; nor of a file that is no JSON lines at all.
#[test]
fn json_that_is_not_one_object_a_line_is_told() {
    let text = "{\"so_cccd\":\"1\",\"Họ tên\":\"A\",\"Họ tên\":\"B\"}\n\
                {\"so_cccd\":\"2\",\"fields\":{\"so_cccd\":\"3\",\"so_cccd\":\"4\"}}\n\
                {\"so_cccd\":\"5\",\"x\":[{\"a\":1.5,\"b\":-1,\"c\":[null,true,18446744073709551615]}]}\n\
                {\"so_cccd\":\"6\"} {}\n";
    let (summary, rows, _) = take("a.jsonl", text.as_bytes());
    summary.unwrap();
    let found: Vec<_> = rows.iter().map(|row| (classes(row), row.verdict)).collect();
    assert_eq!(found[0], (vec!["ROW_SHAPE"], Verdict::Rejected));
    assert_eq!(rows[0].judgement.errors[0].column.as_deref(), Some("Họ tên"));
    assert_eq!(found[1].0, ["ROW_SHAPE"]);
    assert_eq!(found[2], (vec![], Verdict::Good));
    assert_eq!(found[3].0, ["LINE_SYNTAX"]);
    let wide: Vec<u8> = "{\"so_cccd\":\"1\"}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(class("a.jsonl", &wide), "ENCODING");
    assert_eq!(class("a.jsonl", &[b"\xff\xfe", &wide[..]].concat()), "ENCODING");
    for name in ["a.json", "a.jsonl", "a.txt"] {
        let refusal = take(name, b"\xef\xbb\xbf [\n {\"so_cccd\":\"1\"}\n]\n").0.unwrap_err();
        assert_eq!(refusal.class(), "FILE_TYPE");
        assert!(refusal.message().vi.contains("mỗi dòng một đối tượng"), "{name}");
    }
}
