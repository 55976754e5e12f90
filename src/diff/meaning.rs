//! Values that are written differently and mean the same to Kubernetes: quantities (`1000m` and `1`), and ports that the
//! kubelet reads as text or number.

use std::cmp::Ordering;

use crate::yaml::{Node, Value};

use super::path::Path;

/// Keys whose values, or the values below them, are quantities (k8s.io/apimachinery, pkg/api/resource).
const QUANTITY_FIELDS: &[&str] = &[
    "limits",
    "requests",
    "hard",
    "capacity",
    "allocatable",
    "overhead",
    "podFixed",
    "default",
    "defaultRequest",
    "maxLimitRequestRatio",
    "max",
    "min",
    "sizeLimit",
    "storage",
    "averageValue",
    "divisor",
];
/// Keys whose value the kubelet reads as a port number even where it is text.
const PORT_FIELDS: &[&str] = &["port"];
const PORT_OWNERS: &[&str] = &["httpGet", "tcpSocket"];

/// Why two different values mean the same at this place, if they do.
pub fn same_meaning(path: &Path, old: &Node, new: &Node) -> Option<&'static str> {
    let keys: Vec<&str> = path.keys().collect();
    let (last, above) = keys.split_last()?;
    let above_last = above.last().copied().unwrap_or_default();
    let is_quantity = QUANTITY_FIELDS.contains(last) || QUANTITY_FIELDS.contains(&above_last);
    if is_quantity && let (Some(a), Some(b)) = (Quantity::of(&old.value), Quantity::of(&new.value)) {
        return (a.cmp(&b) == Ordering::Equal).then_some("the same quantity");
    }
    if PORT_FIELDS.contains(last) && PORT_OWNERS.contains(&above_last) {
        let number = |node: &Node| match &node.value {
            Value::Int(n) => Some(*n),
            Value::Str(text) => text.parse().ok(),
            _ => None,
        };
        let (a, b) = (number(old)?, number(new)?);
        return (a == b).then_some("the same port: the kubelet reads text as a number here");
    }
    None
}

/// A quantity as Kubernetes defines it: `digits[.digits]` and a suffix. Exact.
#[derive(Debug, Clone)]
pub struct Quantity {
    is_negative: bool,
    /// Decimal digits without zeros at either end.
    digits: String,
    /// The value is `0.digits × 10^exponent × 2^binary`.
    exponent: i64,
    binary: u32,
}

/// Digits that a quantity may have; longer ones are compared as texts only.
const QUANTITY_DIGITS_MAX: usize = 64;

impl Quantity {
    /// The quantity that a value stands for.
    pub fn of(value: &Value) -> Option<Quantity> {
        match value {
            Value::Str(text) => Quantity::parse(text),
            Value::Int(n) => Quantity::parse(&n.to_string()),
            Value::UInt(n) => Quantity::parse(&n.to_string()),
            Value::Float(f) => Quantity::parse(&format!("{f}")),
            _ => None,
        }
    }

    /// Reads `500m`, `1.5Gi`, `2e3`.
    pub fn parse(text: &str) -> Option<Quantity> {
        let (is_negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_number = !number.is_empty() && number != "." && !fraction.contains('.');
        if !is_number || number.len() > QUANTITY_DIGITS_MAX {
            return None;
        }
        let (power, binary) = scale(suffix)?;
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        if significant.is_empty() {
            return Some(Quantity { is_negative: false, digits: String::new(), exponent: 0, binary: 0 });
        }
        let zeros = i64::try_from(all.len() - significant.len()).ok()?;
        let exponent = i64::try_from(whole.len()).ok()? - zeros + power;
        Some(Quantity { is_negative, digits: significant.trim_end_matches('0').to_owned(), exponent, binary })
    }

    /// Digits before and after the point, with the binary factor multiplied out.
    fn decimal(&self) -> (i64, Vec<u8>) {
        let mut digits: Vec<u8> = self.digits.bytes().map(|b| b - b'0').collect();
        let mut exponent = self.exponent;
        for _ in 0..self.binary {
            let mut carry = 0;
            for digit in digits.iter_mut().rev() {
                let doubled = *digit * 2 + carry;
                *digit = doubled % 10;
                carry = doubled / 10;
            }
            if carry > 0 {
                digits.insert(0, carry);
                exponent += 1;
            }
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        (exponent, digits)
    }
}

impl PartialEq for Quantity {
    /// As numbers: `1000m` is `1`.
    fn eq(&self, other: &Quantity) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        let sign = |quantity: &Quantity| match (quantity.digits.is_empty(), quantity.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            let order = self.decimal().cmp(&other.decimal());
            if self.is_negative { order.reverse() } else { order }
        })
    }
}

/// The power of ten and of two of a suffix.
fn scale(suffix: &str) -> Option<(i64, u32)> {
    let decimal = |power| Some((power, 0));
    let binary = |power| Some((0, power));
    match suffix {
        "" => decimal(0),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let power: i64 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            (-1000..=1000).contains(&power).then_some((power, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::path::Step;

    #[test]
    fn quantities_compare_as_numbers() {
        let table = [
            ("1000m", "1", Ordering::Equal),
            ("1", "1.0", Ordering::Equal),
            ("0.5", "500m", Ordering::Equal),
            ("1Gi", "1024Mi", Ordering::Equal),
            ("1Gi", "1073741824", Ordering::Equal),
            ("1Gi", "1G", Ordering::Greater),
            ("1e3", "1k", Ordering::Equal),
            ("1E", "1000P", Ordering::Equal),
            ("1E3", "1000", Ordering::Equal),
            ("100m", "1", Ordering::Less),
            ("-1", "1", Ordering::Less),
            ("-2", "-1", Ordering::Less),
            ("0", "-0", Ordering::Equal),
            ("1.5Gi", "1536Mi", Ordering::Equal),
            ("9Ei", "9223372036854775807", Ordering::Greater),
        ];
        for (a, b, expected) in table {
            let (x, y) = (Quantity::parse(a).expect(a), Quantity::parse(b).expect(b));
            assert_eq!(x.cmp(&y), expected, "{a} and {b}");
            assert_eq!(y.cmp(&x), expected.reverse(), "{b} and {a}");
        }
        for text in ["", "m", "1x", "1.2.3", ".", "1 Gi", "e3"] {
            assert!(Quantity::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn only_fields_that_hold_quantities_are_compared_as_such() {
        let path = |keys: &[&str]| Path(keys.iter().map(|key| Step::Key((*key).into())).collect());
        let (a, b) = (Node::new("1000m"), Node::new("1"));
        assert!(same_meaning(&path(&["resources", "limits", "cpu"]), &a, &b).is_some());
        assert!(same_meaning(&path(&["env", "value"]), &a, &b).is_none());
        let (a, b) = (Node::new("8080"), Node::new(8080_i64));
        assert!(same_meaning(&path(&["livenessProbe", "httpGet", "port"]), &a, &b).is_some());
        assert!(same_meaning(&path(&["spec", "targetPort"]), &a, &b).is_none());
    }
}
