//! Rules that make a plan cheaper and never change its rows, one file each.
//!
//! They run once, in this order, over the tree as the statement said it:
//!
//! 1. [`mod@fold_constants`] (before, in planning): what has no column becomes a literal.
//! 2. [`push_filter`]: a filter over a scan runs where the rows are.
//! 3. [`key_access`]: conditions on the primary key become point lookups or spans.
//! 4. [`distinct_to_groups`]: DISTINCT is grouping without aggregates.
//! 5. [`push_aggregate`]: groups are made where the rows are, and merged.
//! 6. [`sort_by_key`]: rows that come in key order need no sort.
//! 7. [`push_limit`]: what is above needs only so many rows.
//! 8. [`push_project`]: only the columns that are needed are sent.
//! 9. [`merge_values`]: a projection of constant rows is constant rows.

use std::convert::Infallible;

use crate::plan::node::Query;

mod conjunction;
mod distinct_to_groups;
mod fold_constants;
mod key_access;
mod merge_values;
mod push_aggregate;
mod push_filter;
mod push_limit;
mod push_project;
mod sort_by_key;

pub use conjunction::conjuncts;
pub use fold_constants::fold_constants;
pub use key_access::points;

#[cfg(test)]
mod tests;

/// Runs all rules over a tree.
pub fn optimize(query: Query) -> Query {
    let rules = [
        push_filter::apply,
        key_access::apply,
        distinct_to_groups::apply,
        push_aggregate::apply,
        sort_by_key::apply,
        push_limit::apply,
        push_project::apply,
        merge_values::apply,
    ];
    rules.into_iter().fold(query, |query, rule| rule(query))
}

/// Does `change` to each node, inputs first.
fn bottom_up(query: Query, change: &dyn Fn(Query) -> Query) -> Query {
    change(map_inputs(query, &mut |input| bottom_up(input, change)))
}

/// Does `change` to the direct inputs of a node.
fn map_inputs(query: Query, change: &mut dyn FnMut(Query) -> Query) -> Query {
    match query.map_inputs(&mut |input| Ok::<_, Infallible>(change(input))) {
        Ok(query) => query,
    }
}
