//! Numbers and amounts as people write them.

/// A whole number: separators of thousands aside.
#[must_use]
pub fn parse_integer(text: &str) -> Option<i64> {
    grouped(text.trim())
}

/// An amount in đồng: `1.250.000.000`, `1,250,000,000`, `1 250 000 000 đ`, `1,25 tỷ`, `850 triệu`,
/// `(300.000.000)`; mixed separators are refused, and so is what can be read in two ways: `1.250 triệu`.
#[must_use]
pub fn parse_money(text: &str) -> Option<i64> {
    let mut text = text.trim().to_lowercase();
    let negative = text.starts_with('(') && text.ends_with(')') || text.starts_with('-');
    let bare = text.strip_prefix('-').unwrap_or(&text);
    let bare = bare.strip_prefix('(').and_then(|bare| bare.strip_suffix(')')).unwrap_or(bare);
    if bare.starts_with(['-', '(']) {
        return None;
    }
    text = bare.trim().to_owned();
    for unit in ["vnđ", "vnd", "đồng", "đ", "₫"] {
        if let Some(bare) = text.strip_suffix(unit) {
            text = bare.trim().to_owned();
            break;
        }
    }
    let scales = [("tỷ", 1_000_000_000), ("tỉ", 1_000_000_000), ("triệu", 1_000_000), ("nghìn", 1_000)];
    let scaled =
        scales.iter().find_map(|(word, scale)| text.strip_suffix(word).map(|bare| (bare.trim(), *scale)));
    let amount = match scaled {
        Some((bare, scale)) => scaled_by(bare, scale)?,
        None => grouped(&text)?,
    };
    Some(if negative { -amount } else { amount })
}

/// A whole number whose thousands are set apart by one and the same sign, or by none.
fn grouped(text: &str) -> Option<i64> {
    let (sign, body) = match text.strip_prefix('-') {
        Some(body) => (-1, body),
        None => (1, text),
    };
    let separator = body.chars().find(|c| !c.is_ascii_digit());
    let digits = match separator {
        None => body.to_owned(),
        Some(separator @ ('.' | ',' | ' ' | '\u{A0}')) => {
            let mut groups = body.split(separator);
            let first = groups.next()?;
            let rest: Vec<&str> = groups.collect();
            if first.is_empty() || first.len() > 3 || rest.iter().any(|group| group.len() != 3) {
                // Excel's own `.0` behind a number stored as text.
                return if rest == ["0"] { sign_of(sign, first) } else { None };
            }
            format!("{first}{}", rest.concat())
        }
        Some(_) => return None,
    };
    sign_of(sign, &digits)
}

fn sign_of(sign: i64, digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(sign)
}

/// A decimal with comma or point, or a number of thousands, of a scale. Three digits behind one sign may be either, unless
/// what stands before them can be no thousands.
fn scaled_by(text: &str, scale: i64) -> Option<i64> {
    if text.matches([',', '.', ' ', '\u{A0}']).count() > 1 {
        return grouped(text)?.checked_mul(scale);
    }
    let (whole, fraction) = text.split_once([',', '.']).unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    if fraction.len() == 3 && whole.len() <= 3 && !whole.starts_with('0') {
        return None;
    }
    let mut amount = whole.parse::<i64>().ok()?.checked_mul(scale)?;
    let mut part = scale;
    for digit in fraction.bytes() {
        if part % 10 != 0 {
            return None;
        }
        part /= 10;
        amount = amount.checked_add(part * i64::from(digit - b'0'))?;
    }
    Some(amount)
}
