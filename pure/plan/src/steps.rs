use serde::Serialize;

/// One figure of a plan, and the sum that it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// What it is.
    pub what: String,
    /// The sum, with the numbers put in.
    pub sum: String,
    /// What comes out.
    pub value: f64,
    /// In which unit.
    pub unit: &'static str,
}

/// Figures in the order in which they follow from each other.
#[derive(Debug, Default)]
pub(crate) struct Steps(pub(crate) Vec<Step>);

impl Steps {
    /// Notes a figure, and gives it back.
    pub(crate) fn take(&mut self, what: &str, sum: String, value: f64, unit: &'static str) -> f64 {
        self.0.push(Step { what: what.to_owned(), sum, value, unit });
        value
    }
}

/// A number as people write it: no more digits than mean something.
pub fn short(value: f64) -> String {
    let digits = if value >= 100.0 || value.fract() == 0.0 { 0 } else { 2 };
    let written = format!("{value:.digits$}");
    let (whole, part) = written.split_once('.').map_or((written.as_str(), ""), |(whole, part)| (whole, part));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    let part = part.trim_end_matches('0');
    if part.is_empty() { grouped } else { format!("{grouped}.{part}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let written = [0.65, 1.0, 1.2, 55.556, 1_234_567.8, 999.0].map(short);
        assert_eq!(written, ["0.65", "1", "1.2", "55.56", "1 234 568", "999"]);
    }
}
