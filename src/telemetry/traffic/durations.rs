//! A histogram as counts that can be added and subtracted.

/// Counts of durations by upper bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Durations {
    /// Upper bounds in seconds, ascending, with the number of durations in the bucket. The last bound is
    /// infinite.
    pub buckets: Vec<(f64, u64)>,
}

impl Durations {
    /// Adds the cumulative count of a series to the bucket with this bound.
    pub(super) fn add(&mut self, bound: f64, cumulative: u64) {
        match self.buckets.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, count)) => *count += cumulative,
            None => self.buckets.push((bound, cumulative)),
        }
    }

    /// Turns cumulative counts into counts of each bucket.
    pub(super) fn into_parts(mut self) -> Self {
        self.buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let mut below = 0;
        for (_, count) in &mut self.buckets {
            let cumulative = *count;
            *count = cumulative.saturating_sub(below);
            below = cumulative;
        }
        self
    }

    /// Combines two histograms of the same bounds, bucket by bucket.
    pub(super) fn combined(&self, other: &Self, buckets: fn(u64, u64) -> u64) -> Self {
        let of_other = |bound: f64| {
            let same = other.buckets.iter().find(|(known, _)| *known == bound);
            same.map_or(0, |(_, count)| *count)
        };
        let longer = if self.buckets.is_empty() { &other.buckets } else { &self.buckets };
        let own = |bound: f64| {
            let same = self.buckets.iter().find(|(known, _)| *known == bound);
            same.map_or(0, |(_, count)| *count)
        };
        let combine = |(bound, _): &(f64, u64)| (*bound, buckets(own(*bound), of_other(*bound)));
        Self { buckets: longer.iter().map(combine).collect() }
    }

    /// Returns the number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// Estimates a quantile in seconds, if there is a duration. Durations count as evenly spread within their
    /// bucket, and those above the last finite bound as equal to it, as in Prometheus.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let (rank, mut below, mut lower) = (quantile * count as f64, 0.0, 0.0);
        for (bound, count) in &self.buckets {
            let count = *count as f64;
            if below + count >= rank && count > 0.0 {
                let width = if bound.is_finite() { bound - lower } else { 0.0 };
                return Some(lower + width * ((rank - below) / count).clamp(0.0, 1.0));
            }
            below += count;
            lower = *bound;
        }
        Some(lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let infinite = f64::INFINITY;
        let durations = Durations { buckets: vec![(0.1, 90), (1.0, 10), (infinite, 0)] };
        assert_eq!(durations.count(), 100);
        let p99 = durations.quantile(0.99).expect("there are durations");
        assert!((p99 - 0.91).abs() < 1e-9, "{p99}");
        let beyond = Durations { buckets: vec![(0.1, 0), (60.0, 0), (infinite, 3)] };
        assert_eq!(beyond.quantile(0.5), Some(60.0));
        assert_eq!(Durations::default().quantile(0.5), None);
    }
}
