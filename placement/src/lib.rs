//! Where replicas and leaders should be: pure decisions, each with its reason.
//!
//! The life of an allocator pass:
//!
//! 1. Whoever holds range 1's lease builds a [`view::View`] from the reports of the nodes and the range directory:
//!    nodes with their [`topology::Locality`], liveness and disk, ranges with their replicas and leaders, and the moves
//!    that are under way already.
//! 2. It asks one question: where a new range goes ([`new_range::place_new_range`]), which leader moves next
//!    ([`leaders::next_leader_transfer`]), or which ranges are short of replicas ([`repair::shortages`]).
//! 3. Each candidate gets a [`decision::Score`], a list of terms compared in order, and the best one wins. The
//!    [`decision::Choice`] keeps all scores, the rule that decided, and the runner-up.
//! 4. The caller acts, stores the reason, and builds the next view. Nothing is remembered here.
//!
//! [`sim`] runs the same functions on a cluster that exists only in memory: it shows that leaders end spread and then
//! stay where they are.
//!
//! Invariant: this crate is std only and knows no keys, bytes, clocks, async or Raft; equal input gives equal output.

pub mod decision;
pub mod leaders;
pub mod new_range;
pub mod policy;
pub mod repair;
pub mod sim;
pub mod topology;
pub mod view;
