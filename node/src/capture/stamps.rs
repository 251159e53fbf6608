//! Marks of secrecy beside the cells: in text boxes, in notes, at the head and foot of printed pages.
//!
//! A word that a program set in two formats is two texts with tags between. They are put together before they are judged,
//! and only where there are such tags, since measuring goes through all bytes of a file.

use lienthong_proto::text::normalise;

use super::marks::{has_stem, is_mark, is_open, may_be_mark};

/// As much of a text that comes in pieces is looked at.
const MARKUP_MARK_MAX: usize = 4 << 10;
/// Two of them beside each other are a list.
const LEVELS: [&str; 3] = ["mật", "tối mật", "tuyệt mật"];
/// The heads and feet of a sheet's printed pages.
const HEADS: [&[u8]; 6] =
    [b"oddHeader", b"oddFooter", b"evenHeader", b"evenFooter", b"firstHeader", b"firstFooter"];

/// Whether a text box or a note is a mark: a line of it is one, and its lines do not list the words for secrecy.
pub(super) fn is_stamp(text: &str) -> bool {
    let mut marked = false;
    let mut level: Option<String> = None;
    for line in text.split(['\n', '\r', '\u{b}']) {
        if is_open(line) {
            return false;
        }
        if !is_mark(line) {
            continue;
        }
        marked = true;
        let letters = normalise(line).to_lowercase();
        let words = letters.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let said = words.collect::<Vec<_>>().join(" ");
        if LEVELS.contains(&said.as_str()) && level.replace(said.clone()).is_some_and(|other| other != said) {
            return false;
        }
    }
    marked
}

/// The same of the head or foot of printed pages: `&C&"Arial,Bold"&14MẬT`.
pub(super) fn is_page_stamp(coded: &str) -> bool {
    is_stamp(&printed(coded))
}

/// What is printed, each place in a line of its own.
fn printed(coded: &str) -> String {
    let mut parts = coded.split('&');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut behind = part.chars();
        let code = behind.next().map(|code| code.to_ascii_uppercase());
        let said = match code {
            None => "",
            Some('"') => behind.as_str().split_once('"').map_or("", |(_, behind)| behind),
            Some('0'..='9') => part.trim_start_matches(|c: char| c.is_ascii_digit()),
            // A colour has six signs.
            Some('K') => behind.as_str().get(6..).unwrap_or_default(),
            Some('B' | 'I' | 'U' | 'E' | 'S' | 'X' | 'Y' | 'O' | 'H') => behind.as_str(),
            // A place on the page, or what is filled in: its number, the day, the name of the file.
            Some(_) => {
                text.push('\n');
                behind.as_str()
            }
        };
        text.push_str(said);
    }
    text
}

/// How far one text goes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// To the next tag.
    #[default]
    Tag,
    /// Over the runs of a cell's text.
    Runs,
    /// Over the paragraphs of a text box, or a note.
    Box,
    /// Over the head or foot of a page, which stands between two tags.
    Page,
    /// Over a paragraph of an open document, whatever is within it.
    Paragraph,
}

/// The texts of a workbook's markup as they go by, each put together and judged.
#[derive(Debug, Default)]
pub(super) struct Texts {
    is_open_document: bool,
    reach: Reach,
    /// The last tag begins what is text of a run.
    in_run: bool,
    /// What of a text went by, as much as a mark can have.
    text: Vec<u8>,
    /// A cell may be a mark; in an open document, any paragraph.
    pub(super) marks: bool,
    /// A text box is one, a note, or what is printed on each page.
    pub(super) stamped: bool,
}

impl Texts {
    /// Of a member of an archive.
    pub(super) fn of(member: &str) -> Self {
        Self { is_open_document: matches!(member, "content.xml" | "styles.xml"), ..Self::default() }
    }

    /// Takes what stands between two tags, or a piece of it.
    pub(super) fn take(&mut self, piece: &[u8], ended: bool) {
        match self.reach {
            Reach::Tag if ended && self.text.is_empty() => self.marks |= may_be_mark(piece),
            Reach::Runs | Reach::Box if !self.in_run => {}
            _ => self.keep(piece),
        }
        if ended && self.reach == Reach::Tag && !self.text.is_empty() {
            self.end();
        }
    }

    /// Takes a tag of which no more is to be known than that it stands around a cell's value.
    pub(super) fn value_tag(&mut self, tag: &[u8]) {
        self.in_run = tag == b"t";
    }

    /// Takes any other: its name, and that without the prefix of its namespace.
    pub(super) fn tag(&mut self, name: &[u8], local: &[u8], closing: bool) {
        if self.is_open_document {
            return self.tag_of_open_document(name, closing);
        }
        self.in_run = !closing && matches!(local, b"t" | b"text");
        match (self.reach, local) {
            (Reach::Box, b"p" | b"br") => self.keep(b"\n"),
            (Reach::Runs, b"c" | b"si" | b"rPh") | (Reach::Box, b"txBody" | b"text") | (Reach::Page, _) => {
                self.end();
            }
            _ => {}
        }
        if self.reach == Reach::Tag && !closing {
            self.reach = match local {
                b"r" => Reach::Runs,
                b"txBody" | b"text" => Reach::Box,
                _ if HEADS.contains(&local) => Reach::Page,
                _ => Reach::Tag,
            };
        }
    }

    fn tag_of_open_document(&mut self, name: &[u8], closing: bool) {
        match name {
            b"text:p" => {
                self.end();
                self.reach = if closing { Reach::Tag } else { Reach::Paragraph };
            }
            b"text:s" | b"text:tab" | b"text:line-break" if self.reach == Reach::Paragraph => self.keep(b" "),
            _ => {}
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = MARKUP_MARK_MAX.saturating_sub(self.text.len());
        self.text.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    /// Judges a text that is whole.
    fn end(&mut self) {
        match self.reach {
            Reach::Tag | Reach::Runs | Reach::Paragraph => self.marks |= may_be_mark(&self.text),
            Reach::Box if !has_stem(&self.text) => {}
            Reach::Box => self.stamped |= is_stamp(&unescaped(&self.text)),
            Reach::Page => self.stamped |= is_page_stamp(&unescaped(&self.text)),
        }
        self.text.clear();
        self.reach = Reach::Tag;
    }
}

fn unescaped(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    quick_xml::escape::unescape(&text).unwrap_or(text.as_ref().into()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_a_mark_makes_a_stamp_and_a_list_of_levels_none() {
        for text in ["MẬT", "UBND XÃ\nMẬT", "Tác giả:\r\nTối mật", "TÀI LIỆU MẬT\nTỐI MẬT", "MËT", "MẬT\nMật"]
        {
            assert!(is_stamp(text), "{text}");
        }
        for text in ["", "Bảo mật", "Nguyễn Thị\nMật khẩu", "Thường\nMật", "- Mật\n- Tối mật\n- Tuyệt mật"]
        {
            assert!(!is_stamp(text), "{text}");
        }
    }

    #[test]
    fn the_codes_of_a_page_are_no_part_of_what_it_says() {
        for coded in [
            "MẬT",
            "&C&\"Times New Roman,Bold\"&14TỐI MẬT",
            "&L&P&RMẬT",
            "&CUBND XÃ\nMẬT&R&D",
            "&C&KFF0000&BM&BẬT",
            "&C&\"Arial\"MẬT&P/&N",
        ] {
            assert!(is_page_stamp(coded), "{coded}");
        }
        for coded in
            ["", "&", "&K12", "&\"Arial", "&CBảo mật", "&CBảo &Bmật", "&LThường&CMật", "&CNguyễn Thị Mật"]
        {
            assert!(!is_page_stamp(coded), "{coded}");
        }
    }

    /// Method: markup of each kind, with what is to be seen in it: a cell that may be a mark, a stamp.
    #[test]
    fn a_text_is_whole_over_its_tags() {
        let seen = |member: &str, markup: &str| {
            let mut texts = Texts::of(member);
            let mut rest = markup;
            while let Some((text, behind)) = rest.split_once('<') {
                let (tag, behind) = behind.split_once('>').unwrap();
                let (half, other) = text.as_bytes().split_at(text.len() / 2);
                texts.take(half, false);
                texts.take(other, true);
                let name = tag.trim_start_matches('/').trim_end_matches('/').split(' ').next().unwrap();
                let local = name.rsplit(':').next().unwrap();
                texts.tag(name.as_bytes(), local.as_bytes(), tag.starts_with('/'));
                rest = behind;
            }
            (texts.marks, texts.stamped)
        };
        let boxed = |inner: &str| format!("<xdr:txBody><a:p>{inner}</a:p>\n</xdr:txBody><x>");
        let run = |text: &str| format!("<a:r>\n<a:rPr/>\n<a:t>{text}</a:t>\n</a:r>\n");
        for (markup, expected) in [
            ("<si><t>MẬT</t></si>".to_owned(), (true, false)),
            (
                "<si>\n <r><rPr><b/></rPr>\n <t>M</t></r>\n <r><t xml:space=\"preserve\">ẬT</t></r></si>"
                    .to_owned(),
                (true, false),
            ),
            ("<si><r><t>M</t></r><r><t>ẬT</t></r><rPh><t>x</t></rPh></si>".to_owned(), (true, false)),
            ("<c><is><r><t>M</t></r><r><t>ẬT</t></r></is></c>".to_owned(), (true, false)),
            ("<si><r><t>M</t></r></si><si><r><t>ẬT</t></r></si>".to_owned(), (false, false)),
            ("<si><r><t>Bảo </t></r><r><t>mật</t></r></si>".to_owned(), (false, false)),
            (boxed(&(run("M") + &run("ẬT"))), (false, true)),
            (boxed(&(run("T&#7889;i") + "<a:br/>" + &run("m&#7853;t"))), (false, true)),
            (boxed(&(run("Bảo ") + &run("mật"))), (false, false)),
            (boxed(&(run("Thường") + "</a:p><a:p>" + &run("Mật"))), (false, false)),
            ("<comment><text><t>MẬT</t></text></comment>".to_owned(), (false, true)),
            (
                "<comment><text>\n<r><t>A:</t></r><r><t>\nM</t></r><r><t>ẬT</t></r></text></comment>"
                    .to_owned(),
                (false, true),
            ),
            ("<comment><text><r><t>Nguyễn Thị Mật</t></r></text></comment>".to_owned(), (false, false)),
            ("<threadedComment><text>MẬT</text></threadedComment>".to_owned(), (false, true)),
            ("<oddHeader>&amp;C&amp;\"Arial,Bold\"MẬT</oddHeader>".to_owned(), (false, true)),
            ("<firstFooter>MẬT</firstFooter>".to_owned(), (false, true)),
            ("<oddHeader>&amp;CBảo mật</oddHeader>".to_owned(), (false, false)),
        ] {
            assert_eq!(seen("xl/any.xml", &markup), expected, "{markup}");
        }
        for (markup, expected) in [
            ("<number:text/><text:p>M<text:span>Ậ</text:span>T</text:p>", true),
            ("<text:p>TỐI<text:s/>MẬT</text:p>", true),
            ("<text:p>M</text:p><text:p>ẬT</text:p>", false),
            ("<text:p>Bảo <text:span>mật</text:span></text:p>", false),
        ] {
            assert_eq!(seen("content.xml", markup), (expected, false), "{markup}");
        }
    }
}
