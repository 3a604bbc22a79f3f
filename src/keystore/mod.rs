//! Key records on disk (being built).
