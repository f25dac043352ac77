//! From when until when a certificate is valid (RFC 5280 section 4.1.2.5): the one thing of it
//! that rustls does not tell, read from its DER without a parser for all the rest.

use crate::base::clock::Micros;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The span of a certificate's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Not valid before.
    pub from: Micros,
    /// Not valid after.
    pub until: Micros,
}

/// The validity of a DER certificate; `None` when it is not one.
pub fn read(certificate: &[u8]) -> Option<Validity> {
    let mut outer = Der(certificate);
    let mut whole = Der(outer.take(SEQUENCE)?);
    let mut signed = Der(whole.take(SEQUENCE)?);
    if signed.peek() == Some(VERSION) {
        signed.take(VERSION)?;
    }
    signed.take(INTEGER)?; // serial number
    signed.take(SEQUENCE)?; // signature algorithm
    signed.take(SEQUENCE)?; // issuer
    let mut validity = Der(signed.take(SEQUENCE)?);
    Some(Validity { from: validity.time()?, until: validity.time()? })
}

/// What is left of a run of DER values.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next value, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.0.split_first()?;
        let (length, rest) = rest.split_first()?;
        let (length, rest) = match *length {
            short @ 0..=0x7f => (usize::from(short), rest),
            // The long form: how many bytes the length has, then the length.
            long => {
                let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                // Four bytes are 4 GiB; no digits at all is BER's open end.
                if !(1..=4).contains(&digits.len()) {
                    return None;
                }
                (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (*found == tag).then_some(content)
    }

    /// `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` from 2050.
    fn time(&mut self) -> Option<Micros> {
        let tag = self.peek()?;
        let text = std::str::from_utf8(self.take(tag)?).ok()?;
        let (year, rest) = match tag {
            UTC_TIME => {
                let (year, rest) = text.split_at_checked(2)?;
                // RFC 5280: 50 to 99 are of the last century.
                (if year < "50" { format!("20{year}") } else { format!("19{year}") }, rest)
            }
            GENERALIZED_TIME => text.split_at_checked(4).map(|(year, rest)| (year.to_owned(), rest))?,
            _ => return None,
        };
        let digits = rest.strip_suffix('Z')?;
        if digits.len() != 10 || !digits.is_ascii() {
            return None;
        }
        let part = |at: usize| digits.get(at..at + 2);
        let text = format!("{year}-{}-{}T{}:{}:{}Z", part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
        Micros::parse_rfc3339(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut wanted = rcgen::CertificateParams::new(vec![String::from("x.example")]).unwrap();
        wanted.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        wanted.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        wanted.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn both_forms_of_time_are_read() {
        for (from, until, expected) in [
            ((2020, 1, 2), (2049, 12, 31), ["2020-01-02T00:00:00.000Z", "2049-12-31T00:00:00.000Z"]),
            ((1999, 12, 31), (2050, 1, 1), ["1999-12-31T00:00:00.000Z", "2050-01-01T00:00:00.000Z"]),
            ((1975, 1, 1), (4096, 1, 1), ["1975-01-01T00:00:00.000Z", "4096-01-01T00:00:00.000Z"]),
        ] {
            let found = read(&made(from, until)).unwrap();
            assert_eq!([found.from, found.until].map(Micros::to_rfc3339), expected.map(str::to_owned));
        }
    }

    #[test]
    fn a_damaged_certificate_has_no_validity_and_does_no_harm() {
        let good = made((2020, 1, 1), (2030, 1, 1));
        for cut in 0..200 {
            assert_eq!(read(&good[..cut]), None, "{cut}");
        }
        for bad in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x85\x01\x01\x01\x01\x01", b"0"]
        {
            assert_eq!(read(bad), None);
        }
        for at in 0..good.len().min(300) {
            let mut changed = good.clone();
            changed[at] ^= 0x55;
            let _ = read(&changed);
        }
    }
}
