//! What goes wrong between a permitted request and its answer, and how the client is told.

use std::fmt;

use crate::telemetry::{Limit, UpstreamErrorKind};

/// Why a request that policy allows gets an answer of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The client stopped sending its body, or broke it.
    BodyBroken,
    /// The client paused for too long within its body.
    BodyTimeout,
    /// The head has more fields than the limit.
    HeadTooLarge,
    /// What let the request through no longer does.
    Lost,
    /// More requests than the limit are in flight.
    Overloaded,
    /// The body is larger than its route takes.
    RouteBodyTooLarge,
    /// More requests than the route takes are in flight on it.
    RouteFull,
    /// The answer took longer than its route allows.
    RouteLate,
    /// The target is longer than the limit.
    TargetTooLong,
    /// The audit log, which has to have it, cannot be written.
    Unaudited,
    /// The upstream failed.
    Upstream(UpstreamErrorKind),
}

impl Fault {
    /// The status (RFC 9110 §15.5 and §15.6, RFC 6585).
    pub(super) fn status(self) -> u16 {
        match self {
            Self::BodyBroken => 400,
            Self::Lost => 403,
            Self::BodyTimeout => 408,
            Self::BodyTooLarge | Self::RouteBodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::HeadTooLarge => 431,
            Self::Overloaded | Self::RouteFull | Self::Unaudited => 503,
            Self::RouteLate => 504,
            Self::Upstream(kind) => match kind {
                UpstreamErrorKind::Connect
                | UpstreamErrorKind::Dns
                | UpstreamErrorKind::Protocol
                | UpstreamErrorKind::Reset
                | UpstreamErrorKind::Tls
                | UpstreamErrorKind::Upgrade => 502,
                UpstreamErrorKind::Full => 503,
                UpstreamErrorKind::ConnectTimeout | UpstreamErrorKind::Timeout => 504,
            },
        }
    }

    /// The limit that a request went past, where it is one.
    pub(super) fn limit(self) -> Option<Limit> {
        match self {
            Self::BodyTimeout => Some(Limit::BodyTimeout),
            Self::BodyTooLarge => Some(Limit::BodyBytes),
            Self::HeadTooLarge => Some(Limit::Headers),
            Self::Overloaded => Some(Limit::Requests),
            Self::RouteBodyTooLarge => Some(Limit::RouteBodyBytes),
            Self::RouteFull => Some(Limit::RouteRequests),
            Self::RouteLate => Some(Limit::RouteTimeout),
            Self::TargetTooLong => Some(Limit::TargetBytes),
            // What was lost, the audit log's and the upstream's have metrics of their own.
            Self::BodyBroken | Self::Lost | Self::Unaudited | Self::Upstream(_) => None,
        }
    }

    /// The error type of `Proxy-Status` (RFC 9209 §2.3).
    pub(super) fn proxy_error(self) -> &'static str {
        match self {
            Self::BodyBroken
            | Self::BodyTimeout
            | Self::BodyTooLarge
            | Self::HeadTooLarge
            | Self::RouteBodyTooLarge
            | Self::TargetTooLong => "http_request_error",
            Self::Lost => "http_request_denied",
            Self::Overloaded | Self::RouteFull => "connection_limit_reached",
            Self::RouteLate => "http_response_timeout",
            Self::Unaudited => "proxy_internal_error",
            Self::Upstream(kind) => match kind {
                UpstreamErrorKind::Connect => "destination_unavailable",
                UpstreamErrorKind::ConnectTimeout => "connection_timeout",
                UpstreamErrorKind::Dns => "dns_error",
                UpstreamErrorKind::Full => "connection_limit_reached",
                UpstreamErrorKind::Protocol => "http_protocol_error",
                UpstreamErrorKind::Reset => "connection_terminated",
                UpstreamErrorKind::Timeout => "http_response_timeout",
                UpstreamErrorKind::Tls => "tls_protocol_error",
                UpstreamErrorKind::Upgrade => "http_upgrade_failed",
            },
        }
    }

    /// For the client.
    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::BodyBroken => "the request's body ended before it was whole",
            Self::BodyTimeout => "the request's body did not come in time",
            Self::BodyTooLarge | Self::RouteBodyTooLarge => {
                "the request's body is larger than is taken here"
            }
            Self::HeadTooLarge => "the request has more fields than are taken here",
            Self::Lost => "what let the request through no longer does",
            Self::Overloaded => "more requests are in flight than are taken at once",
            Self::RouteFull => "more requests are in flight here than are taken at once",
            Self::RouteLate => "the answer was not whole in the time that it may take here",
            Self::TargetTooLong => "the request's target is longer than is taken here",
            Self::Unaudited => "what is written here must be recorded, and cannot be now",
            Self::Upstream(kind) => match kind {
                UpstreamErrorKind::Connect => "the service cannot be reached",
                UpstreamErrorKind::ConnectTimeout => "the service could not be reached in time",
                UpstreamErrorKind::Dns => "the service's address is not known",
                UpstreamErrorKind::Full => "the service has as many requests as it takes at once",
                UpstreamErrorKind::Protocol => "the service's answer is not HTTP",
                UpstreamErrorKind::Reset => "the service closed the connection without an answer",
                UpstreamErrorKind::Timeout => "the service did not answer in time",
                UpstreamErrorKind::Tls => "no secure connection to the service can be made",
                UpstreamErrorKind::Upgrade => "the service opens no WebSocket",
            },
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

impl std::error::Error for Fault {}
