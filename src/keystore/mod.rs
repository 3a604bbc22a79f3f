//! Key records on disk (being built).

/// Permissions.
#[derive(Debug, Clone, Copy)]
pub enum Permissions {
    /// Private.
    Private,
    /// Insecure.
    Insecure,
}
