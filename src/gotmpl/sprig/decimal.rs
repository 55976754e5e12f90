//! shopspring/decimal v1.4: exact decimal arithmetic, so that 0.1 + 0.2 is 0.3; division to sixteen places.
//!
//! In: floats, as their shortest digits. Out: the float nearest to the result.

use std::cmp::Ordering;

use super::super::strconv::format_float;

/// Digits behind the point that a division keeps.
const DIVISION_PLACES: i32 = 16;
/// Numbers of more digits than this are given up; each factor of a product has at most 17.
const DIGITS_MAX: usize = 10_000;

/// `digits × 10^exponent`, most significant digit first and not zero; no digits are zero.
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i32,
}

impl Decimal {
    pub(super) fn new(value: f64) -> Result<Decimal, String> {
        if !value.is_finite() {
            return Err(format!("Cannot create a Decimal from {}", format_float(value, b'g', None)));
        }
        let text = format!("{:e}", value.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let places = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
        let exponent = exponent.parse::<i32>().unwrap_or(0) - places;
        Ok(Decimal { negative: value < 0.0, digits: trimmed(digits), exponent })
    }

    pub(super) fn to_float(&self) -> f64 {
        let digits: String = self.digits.iter().map(|d| char::from(d + b'0')).collect();
        let sign = if self.negative && !digits.is_empty() { "-" } else { "" };
        format!("{sign}0{digits}e{}", self.exponent).parse().unwrap_or(0.0)
    }

    pub(super) fn add(&self, other: &Decimal) -> Result<Decimal, String> {
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.scaled(exponent)?, other.scaled(exponent)?);
        let (negative, digits) = match (self.negative == other.negative, compare(&a, &b)) {
            (true, _) => (self.negative, sum(&a, &b)),
            (false, Ordering::Less) => (other.negative, difference(&b, &a)),
            (false, _) => (self.negative, difference(&a, &b)),
        };
        Ok(Decimal { negative, digits, exponent })
    }

    pub(super) fn sub(&self, other: &Decimal) -> Result<Decimal, String> {
        self.add(&Decimal { negative: !other.negative, ..other.clone() })
    }

    pub(super) fn mul(&self, other: &Decimal) -> Result<Decimal, String> {
        if self.digits.len() + other.digits.len() > DIGITS_MAX {
            return Err(format!("the product has more than {DIGITS_MAX} digits"));
        }
        let mut product = vec![0u32; self.digits.len() + other.digits.len()];
        for (i, a) in self.digits.iter().rev().enumerate() {
            let mut carry = 0;
            for (j, b) in other.digits.iter().rev().enumerate() {
                let value = product[i + j] + u32::from(*a) * u32::from(*b) + carry;
                product[i + j] = value % 10;
                carry = value / 10;
            }
            product[i + other.digits.len()] += carry;
        }
        let digits = trimmed(product.into_iter().rev().map(|d| d as u8).collect());
        let negative = self.negative != other.negative;
        Ok(Decimal { negative, digits, exponent: self.exponent.saturating_add(other.exponent) })
    }

    /// Rounds half away from zero.
    pub(super) fn div(&self, other: &Decimal) -> Result<Decimal, String> {
        if other.digits.is_empty() {
            return Err("decimal division by 0".into());
        }
        // numerator / denominator is the quotient in units of the last place.
        let shift = self.exponent - other.exponent + DIVISION_PLACES;
        let at = |digits: &[u8], zeros: i32| {
            let zeros = usize::try_from(zeros).unwrap_or(0);
            if digits.is_empty() { Vec::new() } else { [digits, &vec![0; zeros.min(DIGITS_MAX)]].concat() }
        };
        let (numerator, denominator) = (at(&self.digits, shift), at(&other.digits, -shift));
        let (mut quotient, mut remainder) = (Vec::with_capacity(numerator.len()), Vec::new());
        for digit in numerator {
            remainder.push(digit);
            remainder = trimmed(remainder);
            let mut times = 0;
            while compare(&remainder, &denominator) != Ordering::Less {
                remainder = difference(&remainder, &denominator);
                times += 1;
            }
            quotient.push(times);
        }
        let mut quotient = trimmed(quotient);
        if compare(&sum(&remainder, &remainder), &denominator) != Ordering::Less {
            quotient = sum(&quotient, &[1]);
        }
        Ok(Decimal { negative: self.negative != other.negative, digits: quotient, exponent: -DIVISION_PLACES })
    }

    fn scaled(&self, exponent: i32) -> Result<Vec<u8>, String> {
        let zeros = (self.exponent - exponent) as usize;
        if self.digits.is_empty() {
            return Ok(Vec::new());
        }
        if self.digits.len() + zeros > DIGITS_MAX {
            return Err(format!("the sum has more than {DIGITS_MAX} digits"));
        }
        Ok([&self.digits[..], &vec![0; zeros]].concat())
    }
}

fn trimmed(mut digits: Vec<u8>) -> Vec<u8> {
    let zeros = digits.iter().take_while(|d| **d == 0).count();
    digits.drain(..zeros);
    digits
}

fn compare(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let (mut out, mut carry) = (Vec::with_capacity(a.len().max(b.len()) + 1), 0);
    let (mut a, mut b) = (a.iter().rev(), b.iter().rev());
    loop {
        let (x, y) = (a.next(), b.next());
        if x.is_none() && y.is_none() {
            break;
        }
        let value = x.unwrap_or(&0) + y.unwrap_or(&0) + carry;
        out.push(value % 10);
        carry = value / 10;
    }
    out.push(carry);
    out.reverse();
    trimmed(out)
}

/// `a - b`, where a is not the smaller one.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let (mut out, mut borrow) = (Vec::with_capacity(a.len()), 0);
    let mut b = b.iter().rev();
    for x in a.iter().rev() {
        let y = b.next().unwrap_or(&0) + borrow;
        borrow = u8::from(*x < y);
        out.push(x + 10 * borrow - y);
    }
    out.reverse();
    trimmed(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let d = |value| Decimal::new(value).unwrap();
        assert_eq!(d(0.1).add(&d(0.2)).unwrap().to_float(), 0.3);
        assert_eq!(d(1.0).sub(&d(0.9)).unwrap().to_float(), 0.1);
        assert_eq!(d(-0.5).add(&d(0.5)).unwrap().to_float(), 0.0);
        assert_eq!(d(1.1).mul(&d(-1.1)).unwrap().to_float(), -1.21);
        assert_eq!(d(10.0).div(&d(3.0)).unwrap().to_float(), 3.333_333_333_333_333_3);
        assert_eq!(d(2.0).div(&d(-3.0)).unwrap().to_float(), -0.666_666_666_666_666_7);
        assert_eq!(d(1e300).div(&d(1e-8)).unwrap().to_float(), f64::INFINITY.min(1e308));
        assert_eq!(d(1e-300).div(&d(7.0)).unwrap().to_float(), 0.0);
        assert!(Decimal::new(f64::NAN).is_err() && d(1.0).div(&d(0.0)).is_err());
    }
}
