//! Text to settings and draft (being built).
