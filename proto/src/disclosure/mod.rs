//! What an audit agency is given, and how it is checked offline: grants, bundles, and the proofs in them.

mod cover;
mod facts;
mod grant;
mod line;
mod notice;
mod receipt;
mod report;
mod trust;
mod verify;

pub use cover::{Cover, CoverError, covered_edge, covered_root};
pub use facts::event;
pub use grant::{Condition, Day, GrantError, GrantFile, SHOWN_OF_ALL, Share, ShareFile, Terms};
pub use line::{
    Access, Again, BUNDLE_VERSION, Bytes, End, Hash, Head, LINE_BYTES_MAX, Left, LeftWhy, Line, LogHead,
    Proof, Shown, Since, Unseen,
};
pub use notice::{Became, CHANGES_FORM, ChangeNotice, ChangedRecord, ErasureNotice, NOTICE_FORM};
pub use receipt::{BadSigner, DeliveryReceipt, RECEIPT, RECEIPT_FORM, ReceiptFile, ReceiptSigner};
pub use report::{Disclosed, LogReport, Refused, Report, Told, TypeCount};
pub use trust::{Believed, Cosigned, Trust, TrustError};
pub use verify::{Progress, Verification};
