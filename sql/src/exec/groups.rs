//! Groups with running aggregates: fed with rows, or with partial states from the ranges.

use std::collections::{HashMap, HashSet};

use super::memory::{Budget, datum_bytes, row_bytes};
use crate::error::SqlError;
use crate::expr::aggregate::AggregateState;
use crate::expr::{Aggregate, AggregateFunction};
use crate::types::compare::GroupKey;
use crate::types::{Datum, Row};

/// Estimate of the bytes that an aggregate's state takes.
const STATE_BYTES: usize = 96;

struct Group {
    keys: Row,
    states: Vec<AggregateState>,
    /// Of `DISTINCT` aggregates: the values fed so far, by the aggregate's position.
    seen: HashMap<usize, HashSet<GroupKey>>,
}

/// All groups of one aggregation.
pub struct Groups {
    key_count: usize,
    aggregates: Vec<Aggregate>,
    groups: HashMap<GroupKey, Group>,
    budget: Budget,
}

impl Groups {
    /// No groups yet; without group keys there is one from the start.
    pub fn new(key_count: usize, aggregates: Vec<Aggregate>) -> Self {
        let mut groups =
            Self { key_count, aggregates, groups: HashMap::new(), budget: Budget::new("GROUP BY") };
        if key_count == 0 {
            let group = groups.empty_group(Vec::new());
            groups.groups.insert(GroupKey::of(&[]), group);
        }
        groups
    }

    /// Takes a row: its group keys, and the argument of each aggregate (`None` for `count(*)`).
    ///
    /// # Errors
    /// 53200, and those of the aggregates.
    pub fn add(&mut self, keys: Row, arguments: &[Option<Datum>]) -> Result<(), SqlError> {
        let (aggregates, budget) = (&self.aggregates, &mut self.budget);
        let group = find(&mut self.groups, aggregates, budget, keys)?;
        for (position, (aggregate, argument)) in aggregates.iter().zip(arguments).enumerate() {
            let Some(state) = group.states.get_mut(position) else { continue };
            let Some(argument) = argument else {
                state.count_row();
                continue;
            };
            let is_kept = aggregate.function == AggregateFunction::ArrayAgg;
            if aggregate.distinct && (is_kept || !argument.is_null()) {
                let key = GroupKey::of(std::slice::from_ref(argument));
                let bytes = key.size_bytes() + size_of::<GroupKey>();
                if !group.seen.entry(position).or_default().insert(key) {
                    continue;
                }
                budget.add(bytes)?;
            }
            if is_kept {
                budget.add(datum_bytes(argument))?;
            }
            state.update(argument)?;
        }
        Ok(())
    }

    /// Values of a row of [`Groups::merge`].
    pub fn partial_width(&self) -> usize {
        self.key_count + self.aggregates.iter().map(AggregateState::partial_width).sum::<usize>()
    }

    /// Takes what a range made of one group: its keys, then the partial states.
    ///
    /// # Errors
    /// 53200, those of the aggregates, and XX000 for states of another aggregation.
    pub fn merge(&mut self, mut row: Row) -> Result<(), SqlError> {
        let partials = row.split_off(self.key_count.min(row.len()));
        let group = find(&mut self.groups, &self.aggregates, &mut self.budget, row)?;
        let mut rest = partials.as_slice();
        for (aggregate, state) in self.aggregates.iter().zip(&mut group.states) {
            let width = AggregateState::partial_width(aggregate).min(rest.len());
            let (values, behind) = rest.split_at(width);
            rest = behind;
            state.merge(&AggregateState::from_partial(aggregate, values)?)?;
        }
        Ok(())
    }

    /// The groups, by their keys' bytes: keys, then aggregates.
    ///
    /// # Errors
    /// Those of the aggregates.
    pub fn finish(self) -> Result<Vec<Row>, SqlError> {
        let mut groups: Vec<_> = self.groups.into_iter().collect();
        groups.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        groups
            .into_iter()
            .map(|(_, group)| {
                let mut row = group.keys;
                for state in &group.states {
                    row.push(state.finish()?);
                }
                Ok(row)
            })
            .collect()
    }

    fn empty_group(&self, keys: Row) -> Group {
        Group {
            keys,
            states: self.aggregates.iter().map(AggregateState::new).collect(),
            seen: HashMap::new(),
        }
    }
}

fn find<'a>(
    groups: &'a mut HashMap<GroupKey, Group>,
    aggregates: &[Aggregate],
    budget: &mut Budget,
    keys: Row,
) -> Result<&'a mut Group, SqlError> {
    match groups.entry(GroupKey::of(&keys)) {
        std::collections::hash_map::Entry::Occupied(found) => Ok(found.into_mut()),
        std::collections::hash_map::Entry::Vacant(place) => {
            budget.add(2 * row_bytes(&keys) + aggregates.len() * STATE_BYTES)?;
            let states = aggregates.iter().map(AggregateState::new).collect();
            Ok(place.insert(Group { keys, states, seen: HashMap::new() }))
        }
    }
}
