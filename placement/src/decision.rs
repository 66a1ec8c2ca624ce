//! How a candidate is scored and a choice explained.
//!
//! A [`Score`] is a list of terms in order of weight, each with the [`Rule`] it stands for; lower is better, and an
//! earlier term always outweighs all later ones. A [`Choice`] keeps every candidate's score or refusal, so that
//! "why there?" and "why not here?" can be answered later. Its `Display` is the text that is stored.

use std::fmt;

use crate::topology::NodeId;
use crate::view::Liveness;

/// A consideration that can decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// There was one candidate.
    OnlyCandidate,
    /// A live node goes before a suspect one.
    Liveness,
    /// Fewer replicas of the range in the same tier (with this name) go before more.
    Diversity {
        /// Name of the tier.
        tier: String,
    },
    /// Fewer replicas on the node go before more.
    ReplicaCount,
    /// Fewer leaders on the node go before more.
    LeaderCount,
    /// A draining node hands its leaders over.
    Draining,
    /// A dead node's replicas are replaced.
    Dead,
    /// A replica that cannot read all that it holds is replaced.
    Damaged,
    /// A range has fewer replicas than wanted.
    TooFew,
    /// A node on which a replica was begun before goes before others.
    Begun,
    /// All else was equal: an order from the seed, or from the node's id.
    Tie,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnlyCandidate => "only candidate",
            Self::Liveness => "liveness",
            Self::Diversity { tier } => tier,
            Self::ReplicaCount => "replicas",
            Self::LeaderCount => "leaders",
            Self::Draining => "draining",
            Self::Dead => "dead",
            Self::Damaged => "damaged",
            Self::TooFew => "too few",
            Self::Begun => "not begun",
            Self::Tie => "tie",
        })
    }
}

/// One term of a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// What it stands for.
    pub rule: Rule,
    /// Its value; lower is better.
    pub value: u64,
}

/// Terms in order of weight. Scores of one choice have the same rules in the same order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    terms: Vec<Term>,
}

impl Score {
    /// Adds a term that weighs less than those before.
    #[must_use]
    pub fn term(mut self, rule: Rule, value: u64) -> Self {
        self.terms.push(Term { rule, value });
        self
    }

    /// The terms, heaviest first.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    fn values(&self) -> impl Iterator<Item = u64> {
        self.terms.iter().map(|term| term.value)
    }

    /// The first rule by which the two differ.
    fn first_difference(&self, other: &Self) -> Option<&Rule> {
        let mut pairs = self.terms.iter().zip(&other.terms);
        pairs.find(|(mine, theirs)| mine.value != theirs.value).map(|(mine, _)| &mine.rule)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.terms.iter().filter(|term| term.rule != Rule::Tie);
        for (at, Term { rule, value }) in shown.enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{rule}={value}")?;
        }
        Ok(())
    }
}

/// Why a node was no candidate at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be counted on.
    NotLive(Liveness),
    /// Its disk is full.
    DiskFull,
    /// It has never reported: nobody knows whether it exists.
    NeverHeard,
    /// It says that its clock is wrong.
    ClockInDoubt,
    /// It was taken for an earlier replica of the same range.
    Taken,
    /// Its replica of the range is damaged.
    Damaged,
    /// A suspect node more would leave the live replicas without a majority.
    NoLiveMajority,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLive(liveness) => write!(f, "{liveness}"),
            Self::DiskFull => f.write_str("disk full"),
            Self::NeverHeard => f.write_str("never heard"),
            Self::ClockInDoubt => f.write_str("its clock is wrong"),
            Self::Taken => f.write_str("has a replica"),
            Self::Damaged => f.write_str("its replica is damaged"),
            Self::NoLiveMajority => f.write_str("suspect, and live replicas must be a majority"),
        }
    }
}

/// One node's part in a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The node.
    pub node: NodeId,
    /// Its score, or why it had none.
    pub standing: Result<Score, Refusal>,
}

/// A node chosen, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The node.
    pub node: NodeId,
    /// The first rule by which it beat the runner-up.
    pub rule: Rule,
    /// The next best candidate.
    pub runner_up: Option<NodeId>,
    /// All nodes asked about: the scored ones best first, then the refused ones by id.
    pub candidates: Vec<Candidate>,
}

impl Choice {
    /// The best of these candidates, or `None` where all were refused.
    pub fn best(mut candidates: Vec<Candidate>) -> Option<Self> {
        candidates.sort_by(compare);
        let mut scored = candidates.iter().filter_map(|c| Some((c.node, c.standing.as_ref().ok()?)));
        let (node, best) = scored.next()?;
        let second = scored.next();
        let rule = match second {
            None => Rule::OnlyCandidate,
            Some((_, score)) => best.first_difference(score).cloned().unwrap_or(Rule::Tie),
        };
        let runner_up = second.map(|(node, _)| node);
        Some(Self { node, rule, runner_up, candidates })
    }
}

fn compare(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    let refused = a.standing.is_err().cmp(&b.standing.is_err());
    let score = match (&a.standing, &b.standing) {
        (Ok(a), Ok(b)) => a.values().cmp(b.values()),
        (Err(_), _) | (_, Err(_)) => std::cmp::Ordering::Equal,
    };
    refused.then(score).then(a.node.cmp(&b.node))
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.node, self.rule)?;
        if let Some(runner_up) = self.runner_up {
            write!(f, " before {runner_up}")?;
        }
        for (at, candidate) in self.candidates.iter().enumerate() {
            let sign = if at == 0 { ": " } else { "; " };
            match &candidate.standing {
                Ok(score) => write!(f, "{sign}{} {score}", candidate.node)?,
                Err(refusal) => write!(f, "{sign}{} refused ({refusal})", candidate.node)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(node: u64, values: [u64; 2]) -> Candidate {
        let score = Score::default().term(Rule::ReplicaCount, values[0]).term(Rule::Tie, values[1]);
        Candidate { node: NodeId(node), standing: Ok(score) }
    }

    #[test]
    fn choice_names_the_first_rule_that_decided() {
        let choice = Choice::best(vec![scored(1, [2, 0]), scored(2, [1, 9])]).unwrap();
        assert_eq!(
            (choice.node, choice.rule.clone(), choice.runner_up),
            (NodeId(2), Rule::ReplicaCount, Some(NodeId(1)))
        );
        assert_eq!(choice.to_string(), "n2 by replicas before n1: n2 replicas=1; n1 replicas=2");
        assert_eq!(Choice::best(vec![scored(1, [1, 7]), scored(2, [1, 3])]).unwrap().rule, Rule::Tie);
    }

    #[test]
    fn choice_keeps_refusals_and_is_none_when_all_are_refused() {
        let refused = Candidate { node: NodeId(1), standing: Err(Refusal::DiskFull) };
        let choice = Choice::best(vec![refused.clone(), scored(2, [0, 0])]).unwrap();
        assert_eq!(choice.to_string(), "n2 by only candidate: n2 replicas=0; n1 refused (disk full)");
        assert_eq!(Choice::best(vec![refused]), None);
    }
}
