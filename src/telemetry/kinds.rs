//! What goes wrong with connections, as metrics and log call it.

/// Why an upstream did not answer as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamErrorKind {
    /// No connection could be made.
    Connect,
    /// None was made in time.
    ConnectTimeout,
    /// Its name has no address, or none that is known yet.
    Dns,
    /// As many requests as are allowed are in flight at each of its endpoints.
    Full,
    /// What came is not HTTP.
    Protocol,
    /// It closed or reset the connection before it had answered.
    Reset,
    /// It did not answer in time.
    Timeout,
    /// It could not prove who it is, or TLS failed otherwise.
    Tls,
    /// It opens no WebSocket where one was asked for.
    Upgrade,
}

impl UpstreamErrorKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::ConnectTimeout,
        Self::Dns,
        Self::Full,
        Self::Protocol,
        Self::Reset,
        Self::Timeout,
        Self::Tls,
        Self::Upgrade,
    ];

    /// As it stands in the metric and in the log.
    pub fn code(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Dns => "dns",
            Self::Full => "full",
            Self::Protocol => "protocol",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
        }
    }
}

/// Why an HTTP/2 connection was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutKind {
    /// Too many frames that carry nothing.
    Flood,
    /// Too many requests that were taken back.
    Resets,
    /// A head was not whole in time.
    SlowHead,
    /// The client did not read.
    Stalled,
}

impl CutKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Flood, Self::Resets, Self::SlowHead, Self::Stalled];

    /// As it stands in the metric and in the log.
    pub fn code(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::Resets => "resets",
            Self::SlowHead => "slow_head",
            Self::Stalled => "stalled",
        }
    }
}

/// Why a TLS handshake with a client failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeErrorKind {
    /// The client did not take what it was shown, and said so.
    Alert,
    /// The client's certificate is missing or not of ours.
    ClientCertificate,
    /// The client went away.
    Closed,
    /// There is no version, algorithm or certificate that both sides take.
    Incompatible,
    /// The client speaks HTTP without TLS.
    Plain,
    /// What came is not TLS, or breaks its rules.
    Protocol,
    /// It was not over in time.
    Timeout,
}

impl HandshakeErrorKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Alert,
        Self::ClientCertificate,
        Self::Closed,
        Self::Incompatible,
        Self::Plain,
        Self::Protocol,
        Self::Timeout,
    ];

    /// As it stands in the metric and in the log.
    pub fn code(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::ClientCertificate => "client_certificate",
            Self::Closed => "closed",
            Self::Incompatible => "incompatible",
            Self::Plain => "plain",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
        }
    }
}

/// Why a connection was not taken that had to begin with where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginErrorKind {
    /// Its checksum is not that of the header.
    Checksum,
    /// The proxy went away.
    Closed,
    /// The header breaks the rules of the protocol.
    Malformed,
    /// What came is no header of version 2.
    Missing,
    /// It was not whole in time.
    Timeout,
    /// It is longer than it has to be.
    TooLong,
    /// It does not say who is behind it, or in a way that is not known.
    Unknown,
    /// Who connected is not trusted.
    Untrusted,
}

impl OriginErrorKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Checksum,
        Self::Closed,
        Self::Malformed,
        Self::Missing,
        Self::Timeout,
        Self::TooLong,
        Self::Unknown,
        Self::Untrusted,
    ];

    /// As it stands in the metric and in the log.
    pub fn code(self) -> &'static str {
        match self {
            Self::Checksum => "checksum",
            Self::Closed => "closed",
            Self::Malformed => "malformed",
            Self::Missing => "missing",
            Self::Timeout => "timeout",
            Self::TooLong => "too_long",
            Self::Unknown => "unknown",
            Self::Untrusted => "untrusted",
        }
    }
}

/// Which limit a request went past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of its body.
    BodyBytes,
    /// A pause within its body.
    BodyTimeout,
    /// Bytes of its head.
    HeaderBytes,
    /// The time for its head.
    HeaderTimeout,
    /// Fields of its head.
    Headers,
    /// Requests in flight in the process.
    Requests,
    /// Bytes of its body, on its route.
    RouteBodyBytes,
    /// Requests in flight on its route.
    RouteRequests,
    /// The time that its route has for the whole answer.
    RouteTimeout,
    /// Bytes of its target.
    TargetBytes,
}

impl Limit {
    /// Every limit.
    pub const ALL: [Self; 10] = [
        Self::BodyBytes,
        Self::BodyTimeout,
        Self::HeaderBytes,
        Self::HeaderTimeout,
        Self::Headers,
        Self::Requests,
        Self::RouteBodyBytes,
        Self::RouteRequests,
        Self::RouteTimeout,
        Self::TargetBytes,
    ];

    /// As it stands in the metric.
    pub fn code(self) -> &'static str {
        match self {
            Self::BodyBytes => "body_bytes",
            Self::BodyTimeout => "body_timeout",
            Self::HeaderBytes => "header_bytes",
            Self::HeaderTimeout => "header_timeout",
            Self::Headers => "headers",
            Self::Requests => "requests",
            Self::RouteBodyBytes => "route_body_bytes",
            Self::RouteRequests => "route_requests",
            Self::RouteTimeout => "route_timeout",
            Self::TargetBytes => "target_bytes",
        }
    }
}
