//! Writes metrics as Prometheus reads them (text format 0.0.4).

use std::fmt::Write as _;

use super::{Histogram, Metric};

/// A text being written, family by family.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// The content type of the text.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// A metric without labels; none if there is nothing to tell.
    pub fn one(&mut self, metric: &Metric, value: impl Into<Option<f64>>) {
        self.head(metric);
        if let Some(value) = value.into() {
            let _ = writeln!(self.text, "{} {value}", metric.name);
        }
    }

    /// A metric with labels: their values in the declared order, and the number.
    pub fn many<const N: usize>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([String; N], f64)>,
    ) {
        self.head(metric);
        for (labels, value) in samples {
            let labels: Vec<String> = metric
                .labels
                .iter()
                .zip(&labels)
                .map(|(name, label)| format!("{name}=\"{}\"", escaped(label)))
                .collect();
            let _ = writeln!(self.text, "{}{{{}}} {value}", metric.name, labels.join(","));
        }
    }

    /// How often something took how long.
    pub fn times(&mut self, metric: &Metric, taken: &Histogram) {
        self.head(metric);
        let name = metric.name;
        for (bound, count) in taken.up_to() {
            let _ = writeln!(self.text, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let count = taken.count();
        let _ = writeln!(self.text, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(self.text, "{name}_sum {}", taken.seconds());
        let _ = writeln!(self.text, "{name}_count {count}");
    }

    /// All of it.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    fn head(&mut self, metric: &Metric) {
        let Metric { name, kind, help, .. } = metric;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A count as the text format has it: exact up to 2^53, which nothing here reaches.
#[expect(clippy::cast_precision_loss, reason = "the format's numbers are floats")]
#[must_use]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

impl Exposition {
    /// A count as the text format has it.
    #[must_use]
    pub fn number(count: u64) -> f64 {
        float(count)
    }

    /// Milliseconds as seconds.
    #[must_use]
    pub fn seconds(millis: u64) -> f64 {
        float(millis) / 1_000.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::observe::{gauge, histogram};

    const STATES: Metric = gauge("x_units", "units", &["state"], "Units by state.");
    const TAKEN: Metric = histogram("x_seconds", "How long.");

    #[test]
    fn labels_are_escaped_and_buckets_add_up() {
        let mut text = Exposition::default();
        text.many(&STATES, [(["a\"b\\c\n".to_owned()], 2.0)]);
        let taken = Histogram::default();
        taken.note(std::time::Duration::from_millis(3));
        taken.note(std::time::Duration::from_secs(3_600));
        text.times(&TAKEN, &taken);
        let text = text.finish();
        assert!(text.contains("x_units{state=\"a\\\"b\\\\c\\n\"} 2\n"), "{text}");
        assert!(text.contains("x_seconds_bucket{le=\"0.002\"} 0\n"), "{text}");
        assert!(text.contains("x_seconds_bucket{le=\"0.005\"} 1\n"), "{text}");
        assert!(text.contains("x_seconds_bucket{le=\"+Inf\"} 2\n"), "{text}");
        assert!(text.contains("x_seconds_sum 3600.003\n"), "{text}");
    }
}
