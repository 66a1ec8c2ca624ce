//! Which keys a workload touches: uniform, zipfian, or the latest. Everything follows from a seed.
//!
//! The zipfian generator is that of Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (1994), section
//! 3.2; hot keys are scattered by a hash, as in YCSB (Cooper et al., 2010), so that they do not lie in one range.

use std::str::FromStr;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// YCSB's skew: the hottest of 100,000 keys gets about 8 % of the requests.
const THETA: f64 = 0.99;

/// How requests are spread over the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// All alike.
    Uniform,
    /// Few of them get most requests.
    Zipfian,
}

impl FromStr for Distribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "uniform" => Ok(Self::Uniform),
            "zipfian" => Ok(Self::Zipfian),
            _ => Err("write uniform or zipfian".to_owned()),
        }
    }
}

impl Distribution {
    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Zipfian => "zipfian",
        }
    }
}

/// A generator of one client: others of the same run get other numbers from the same seed.
pub fn client_rng(seed: u64, client: usize) -> SmallRng {
    let mut state = seed ^ (client as u64).rotate_left(40);
    SmallRng::seed_from_u64(crate::values::mix(&mut state))
}

/// Ranks from 0 to before `items`, the lower the more often.
#[derive(Clone, Debug)]
pub struct Zipf {
    items: u64,
    alpha: f64,
    zeta_items: f64,
    eta: f64,
}

impl Zipf {
    /// Over this many items, at least one. Takes time in proportion to them: make it once and clone it.
    pub fn new(items: u64) -> Self {
        let items = items.max(1);
        let zeta = |n: u64| (1..=n).map(|rank| 1.0 / (rank as f64).powf(THETA)).sum::<f64>();
        let (zeta_items, zeta_two) = (zeta(items), zeta(2));
        let eta = (1.0 - (2.0 / items as f64).powf(1.0 - THETA)) / (1.0 - zeta_two / zeta_items);
        Self { items, alpha: 1.0 / (1.0 - THETA), zeta_items, eta }
    }

    /// The next rank.
    pub fn next(&self, rng: &mut SmallRng) -> u64 {
        let uniform: f64 = rng.random();
        let scaled = uniform * self.zeta_items;
        if scaled < 1.0 || self.items == 1 {
            return 0;
        }
        if scaled < 1.0 + 0.5_f64.powf(THETA) {
            return 1;
        }
        let rank = self.items as f64 * (self.eta * uniform - self.eta + 1.0).powf(self.alpha);
        whole(rank).min(self.items - 1)
    }
}

/// The whole part of a number that is not negative and below 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the part behind the point is not wanted"
)]
fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}

/// FNV-1a of a number's bytes: scatters ranks over the keys.
pub fn scatter(number: u64) -> u64 {
    number.to_le_bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The keys of one client.
#[derive(Clone, Debug)]
pub struct Keys {
    items: u64,
    zipf: Option<Zipf>,
    rng: SmallRng,
}

/// Keys as all clients of a run share them, to be given to each with its own generator.
#[derive(Clone, Debug)]
pub struct KeySpace {
    items: u64,
    zipf: Option<Zipf>,
    seed: u64,
}

impl KeySpace {
    /// Keys from 0 to before `items`.
    pub fn new(items: u64, distribution: Distribution, seed: u64) -> Self {
        let zipf = match distribution {
            Distribution::Uniform => None,
            Distribution::Zipfian => Some(Zipf::new(items)),
        };
        Self { items: items.max(1), zipf, seed }
    }

    /// The keys of a client.
    pub fn of_client(&self, client: usize) -> Keys {
        Keys { items: self.items, zipf: self.zipf.clone(), rng: client_rng(self.seed, client) }
    }
}

impl Keys {
    /// The next key.
    pub fn next_key(&mut self) -> u64 {
        match &self.zipf {
            None => self.rng.random_range(0..self.items),
            Some(zipf) => scatter(zipf.next(&mut self.rng)) % self.items,
        }
    }

    /// The generator, for other choices of the same client.
    pub fn rng(&mut self) -> &mut SmallRng {
        &mut self.rng
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn counts(distribution: Distribution, seed: u64) -> BTreeMap<u64, u32> {
        let mut keys = KeySpace::new(1_000, distribution, seed).of_client(3);
        let mut counts = BTreeMap::new();
        for _ in 0..100_000 {
            *counts.entry(keys.next_key()).or_default() += 1;
        }
        counts
    }

    #[test]
    fn keys_follow_from_the_seed() {
        assert_eq!(counts(Distribution::Zipfian, 1), counts(Distribution::Zipfian, 1));
        assert_ne!(counts(Distribution::Zipfian, 1), counts(Distribution::Zipfian, 2));
    }

    #[test]
    fn keys_uniform_are_alike() {
        let counts = counts(Distribution::Uniform, 1);
        assert_eq!(counts.len(), 1_000);
        assert!(counts.values().all(|count| (40..200).contains(count)), "100 are expected of each");
    }

    #[test]
    fn keys_zipfian_are_skewed_as_the_law_says() {
        let counts = counts(Distribution::Zipfian, 1);
        let zeta: f64 = (1..=1000).map(|rank| 1.0 / f64::from(rank).powf(THETA)).sum();
        let expected = 100_000.0 / zeta;
        let hottest = f64::from(counts[&(scatter(0) % 1_000)]);
        assert!((hottest / expected - 1.0).abs() < 0.15, "{hottest} of {expected}");
        let mut sorted: Vec<u32> = counts.into_values().collect();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        assert!(sorted.iter().take(100).sum::<u32>() > 60_000, "a tenth of the keys gets most requests");
    }

    #[test]
    fn zipf_of_one_item_is_that_item() {
        let mut rng = client_rng(1, 0);
        assert!((0..100).all(|_| Zipf::new(1).next(&mut rng) == 0));
    }
}
