//! Transactions over ranges that are played by a fake.
