//! When to look; load, compile, swap or keep the last good (being built).
