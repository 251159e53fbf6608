//! Rotations that take the recovery kit: the next key is made here, and the new kit before the hub hears of it, so that
//! whatever the hub goes on with can be restored.

use anyhow::Context as _;
use lienthong_node::cli::author;
use lienthong_node::control::Answer;

use super::args::KitArguments;
use super::password;
use crate::pki::Kit;
use crate::service::{AuthorityRequest, Request};

/// Goes on with another authority of certificates.
pub(super) async fn authority(
    kits: &KitArguments,
    mut ask: impl AsyncFnMut(Request) -> anyhow::Result<Answer>,
) -> anyhow::Result<Answer> {
    let shown = ask(Request::Authority(AuthorityRequest::Show)).await?;
    let number = number(&shown)?;
    anyhow::ensure!(
        shown.body.get("former").is_none_or(serde_json::Value::is_null),
        "gốc trước chưa nghỉ: xem authority show · the one before is not retired yet: see authority show"
    );
    let (kit, passphrase) = opened(kits)?;
    let (sealed, root) = kit.rotated(&passphrase, number + 1)?;
    write(kits, &sealed)?;
    ask(Request::Authority(AuthorityRequest::Rotate { root: Box::new(root), actor: author() })).await
}

/// Goes on with another key of receipts.
pub(super) async fn receipt_key(
    kits: &KitArguments,
    mut ask: impl AsyncFnMut(Request) -> anyhow::Result<Answer>,
) -> anyhow::Result<Answer> {
    let number = number(&ask(Request::ReceiptKeyShow).await?)?;
    let (kit, passphrase) = opened(kits)?;
    let (sealed, next) = kit.with_receipt_key(&passphrase, number + 1)?;
    write(kits, &sealed)?;
    ask(Request::ReceiptKeyRotate { next: Box::new(next), actor: author() }).await
}

/// The number of the one in use, as the hub says; why not, if it does not.
fn number(shown: &Answer) -> anyhow::Result<u32> {
    let said = |name: &str| shown.body.get(name).unwrap_or(&serde_json::Value::Null);
    let number = said("number").as_u64().and_then(|number| u32::try_from(number).ok());
    number.with_context(|| said("error").as_str().unwrap_or("?").to_owned())
}

fn opened(kits: &KitArguments) -> anyhow::Result<(Kit, String)> {
    let passphrase = password(Some(&kits.passphrase_file), "kit")?;
    Ok((Kit::open(&kits.kit, &passphrase)?, passphrase))
}

fn write(kits: &KitArguments, sealed: &[u8]) -> anyhow::Result<()> {
    let path = &kits.new_kit;
    anyhow::ensure!(
        !path.exists(),
        "{} đã có, không ghi đè · is there already; nothing was overwritten",
        path.display()
    );
    lienthong_node::identity::write_private(path, sealed).with_context(|| path.display().to_string())
}
