//! The bench suite: workloads, the systems that they run on, the limits of the machine, and the report.
