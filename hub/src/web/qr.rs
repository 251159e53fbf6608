//! A QR code as a picture drawn here: its secret goes to no other service.

use maud::{Markup, PreEscaped, html};
use qrcodegen::{QrCode, QrCodeEcc};

/// Light modules around it, as ISO/IEC 18004 asks.
const MARGIN: i32 = 4;

/// The picture of a text; nothing if the text is too long for one.
#[must_use]
pub(super) fn picture(text: &str, label: &str) -> Option<Markup> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let side = code.size() + 2 * MARGIN;
    let places = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
    let path: String = places
        .filter(|(x, y)| code.get_module(*x, *y))
        .map(|(x, y)| format!("M{} {}h1v1h-1z", x + MARGIN, y + MARGIN))
        .collect();
    let view_box = format!("0 0 {side} {side}");
    let inner =
        format!("<path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path fill=\"#000\" d=\"{path}\"/>");
    Some(html! {
        svg.qr xmlns="http://www.w3.org/2000/svg" viewBox=(view_box) role="img" aria-label=(label)
            shape-rendering="crispEdges" { (PreEscaped(inner)) }
    })
}
