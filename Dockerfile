# syntax=docker/dockerfile:1
FROM rust:1.95-bookworm AS builder
ARG TARGET=x86_64-unknown-linux-musl
ENV CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_STRIP=debuginfo
RUN apt-get update \
    && apt-get install --yes --no-install-recommends musl-tools \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add "$TARGET"
WORKDIR /build

# Dependencies in a layer of their own: an edit in src/ does not build them again.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked --target "$TARGET" && rm -r src

# COPY keeps the times of files, and cargo would take an older file for one that it has built.
COPY . .
RUN find src -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --target "$TARGET" \
    && cp "target/$TARGET/release/sidegate" /sidegate \
    && ! readelf --program-headers /sidegate | grep INTERP

FROM scratch
COPY --from=builder /sidegate /sidegate
USER 65532:65532
EXPOSE 8080 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["/sidegate", "status", "--ready", "--admin", "127.0.0.1:9464"]
ENTRYPOINT ["/sidegate"]
CMD ["serve", "-c", "/etc/sidegate/sidegate.toml"]
