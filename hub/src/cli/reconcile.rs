//! What people see of a comparison.

use std::fmt::Write as _;

use lienthong_node::cli::{Tongue, say, table};
use serde_json::Value as Json;

/// Records shown one by one; `--json` has them all.
const SHOWN: usize = 50;

/// Prints what a comparison came to.
pub(super) fn print(body: &Json, tongue: Tongue) {
    if let Some(error) = body["error"].as_str() {
        let (vi, en) = error.split_once(" · ").unwrap_or((error, error));
        eprintln!("{}", tongue.pick(vi, en));
    }
    say(&text(body, tongue));
}

fn text(body: &Json, tongue: Tongue) -> String {
    let mut text = String::new();
    let (unit, records, bytes) = (&body["unit"], &body["records"], &body["bytes"]);
    let unit = unit.as_str().unwrap_or_default();
    let differing = body["differing"].as_array().map_or(&[][..], Vec::as_slice);
    if let Some(repair) = body.get("repair") {
        let count = |side: &str| repair.get(side).and_then(Json::as_u64).unwrap_or(0);
        let (here, there) = (count("here"), count("there"));
        let _ = match tongue {
            Tongue::Vi => writeln!(text, "đã sửa: {here} bản ghi ở tỉnh, {there} bản ghi ở máy xã"),
            Tongue::En => writeln!(text, "mended: {here} records at the hub, {there} at the node"),
        };
    }
    let _ = match (body["equal"] == true, body["state"] == "differing", tongue) {
        (true, _, Tongue::Vi) => {
            writeln!(text, "{unit}: {records} bản ghi, hai bên giống hệt nhau ({bytes} byte)")
        }
        (true, _, Tongue::En) => {
            writeln!(text, "{unit}: {records} records, both sides are equal ({bytes} bytes)")
        }
        (_, true, Tongue::Vi) => {
            writeln!(text, "{unit}: {} trên {records} bản ghi khác nhau ({bytes} byte)", differing.len())
        }
        (_, true, Tongue::En) => {
            writeln!(text, "{unit}: {} of {records} records differ ({bytes} bytes)", differing.len())
        }
        (_, _, Tongue::Vi) => writeln!(text, "{unit}: không so sánh được"),
        (_, _, Tongue::En) => writeln!(text, "{unit}: nothing was compared"),
    };
    if !differing.is_empty() {
        text.push_str(&table(&rows(differing, tongue)));
    }
    if differing.len() > SHOWN {
        let more = differing.len() - SHOWN;
        let _ = match tongue {
            Tongue::Vi => writeln!(text, "… và {more} bản ghi nữa: --json"),
            Tongue::En => writeln!(text, "… and {more} more: --json"),
        };
    }
    text
}

fn rows(differing: &[Json], tongue: Tongue) -> Vec<Vec<String>> {
    let heads = match tongue {
        Tongue::Vi => ["Loại", "Mã bản ghi", "Khác thế nào"],
        Tongue::En => ["Type", "Record", "How"],
    };
    let rows = differing.iter().take(SHOWN).map(|found| {
        let how = match (found["here"].is_null(), found["there"].is_null()) {
            (true, _) => tongue.pick("chỉ máy xã có", "only the node has it"),
            (_, true) => tongue.pick("máy xã không có", "the node has it not"),
            _ => tongue.pick("nội dung khác", "held otherwise"),
        };
        let cell = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        vec![cell("type"), cell("id"), how.to_owned()]
    });
    std::iter::once(heads.map(str::to_owned).to_vec()).chain(rows).collect()
}
