//! The citizen number: PPP G YY NNNNNN, without a check digit (DOMAIN 3.1).

/// Provinces of birth registration: the 63 codes of before 1/7/2025.
const PROVINCES: [u16; 63] = [
    1, 2, 4, 6, 8, 10, 11, 12, 14, 15, 17, 19, 20, 22, 24, 25, 26, 27, 30, 31, 33, 34, 35, 36, 37, 38, 40,
    42, 44, 45, 46, 48, 49, 51, 52, 54, 56, 58, 60, 62, 64, 66, 67, 68, 70, 72, 74, 75, 77, 79, 80, 82, 83,
    84, 86, 87, 89, 91, 92, 93, 94, 95, 96,
];

/// A number whose form holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CitizenNumber {
    /// Its 12 digits.
    pub digits: String,
    /// Leading zeros were put back.
    pub padded: bool,
    province: u16,
    gender: u16,
    year: u16,
}

/// Why text is no citizen number, or not this person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CitizenFault {
    /// Not 12 digits.
    Format,
    /// 9 digits: the former identity card.
    FormerCard,
    /// No province has that code.
    Province,
    /// Century or sex do not fit the person.
    CenturySex,
    /// The birth year does not fit the person.
    BirthYear,
}

impl CitizenNumber {
    /// Reads a number: separators, full-width digits, an apostrophe and `.0` aside; 10 or 11 digits are
    /// padded, to be accepted only if every check then passes.
    ///
    /// # Errors
    /// [`CitizenFault::Format`], [`CitizenFault::FormerCard`] or [`CitizenFault::Province`].
    pub fn parse(text: &str) -> Result<Self, CitizenFault> {
        let text = text.trim().trim_start_matches('\'');
        let text = text.strip_suffix(".0").unwrap_or(text);
        let mut digits = String::with_capacity(12);
        for c in text.chars() {
            match c {
                '0'..='9' => digits.push(c),
                '\u{FF10}'..='\u{FF19}' => {
                    digits.extend(char::from_digit(u32::from(c) - 0xFF10, 10));
                }
                ' ' | '.' | '-' | '\u{A0}' => {}
                _ => return Err(CitizenFault::Format),
            }
        }
        let padded = match digits.len() {
            12 => false,
            10 | 11 => true,
            9 => return Err(CitizenFault::FormerCard),
            _ => return Err(CitizenFault::Format),
        };
        let digits = if padded { format!("{digits:0>12}") } else { digits };
        let part = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse().ok());
        let (Some(province), Some(gender), Some(year)) = (part(0, 3), part(3, 4), part(4, 6)) else {
            return Err(CitizenFault::Format);
        };
        // Codes beyond the provinces are of people born abroad.
        if province == 0 || province < 100 && !PROVINCES.contains(&province) {
            return Err(CitizenFault::Province);
        }
        Ok(Self { digits, padded, province, gender, year })
    }

    /// Whether it was given for a birth abroad.
    #[must_use]
    pub fn is_abroad(&self) -> bool {
        self.province >= 100
    }

    /// Whether the two digits are of this birth year.
    #[must_use]
    pub fn confirms_two_digit_year(&self, year: u16) -> bool {
        year % 100 == self.year
    }

    /// Whether it can be a person's of that birth year and sex, as far as they are known.
    ///
    /// # Errors
    /// [`CitizenFault::CenturySex`] or [`CitizenFault::BirthYear`].
    pub fn fits(&self, birth_year: Option<i16>, female: Option<bool>) -> Result<(), CitizenFault> {
        if let Some(year) = birth_year {
            let Ok(year) = u16::try_from(year) else { return Err(CitizenFault::BirthYear) };
            let century = (year / 100).checked_sub(19).ok_or(CitizenFault::CenturySex)?;
            if self.gender / 2 != century {
                return Err(CitizenFault::CenturySex);
            }
            if year % 100 != self.year {
                return Err(CitizenFault::BirthYear);
            }
        }
        if female.is_some_and(|female| (self.gender % 2 == 1) != female) {
            return Err(CitizenFault::CenturySex);
        }
        Ok(())
    }
}
