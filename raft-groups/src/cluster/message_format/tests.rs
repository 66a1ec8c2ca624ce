//! Messages between members survive their bytes.
