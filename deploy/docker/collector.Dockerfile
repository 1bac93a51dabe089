# syntax=docker/dockerfile:1
# crmscope-collector, and crmscope-clickhouse, which is ClickHouse's engine on one machine without a server of its
# own. Both need glibc, the collector OpenSSL.
#
#   docker build --file deploy/docker/collector.Dockerfile --tag crmscope-collector .
#
# The engine's library is fetched, checked against the checksum in deploy/local/src/engine/ and loaded once while
# the image is made; crmscope-clickhouse takes it with --library /usr/lib/crmscope/libchdb.so.
ARG RUST=1.95.0
ARG BASE=gcr.io/distroless/cc-debian12:nonroot
FROM rust:${RUST}-slim-bookworm AS build
# What links is Debian's stable OpenSSL, with whatever mends it.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates curl g++ make pkg-config libssl-dev && \
    rm -rf /var/lib/apt/lists/*
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin crmscope-collector --bin crmscope-clickhouse && \
    install -D -m 0755 -t /out/usr/bin target/release/crmscope-collector target/release/crmscope-clickhouse
# The engine is loaded, and ends at once as standard input has. The base of the last stage has no zlib.
RUN CRMSCOPE_CACHE_DIR=/tmp/engine /out/usr/bin/crmscope-clickhouse --data-dir /tmp/tables --listen 127.0.0.1:0 \
      --stop-on-stdin-end </dev/null && \
    install -D -m 0755 "$(find /tmp/engine -name libchdb.so)" /out/usr/lib/crmscope/libchdb.so && \
    install -D -m 0644 "$(find /lib /usr/lib -name libz.so.1 | head -n 1)" \
      "/out/usr/lib/$(uname -m)-linux-gnu/libz.so.1" && \
    mkdir -p /out/usr/share/crmscope/collector-rules /out/etc/crmscope && \
    cp -r deploy/rules/application deploy/rules/auth deploy/rules/web deploy/rules/correlation \
      /out/usr/share/crmscope/collector-rules/ && \
    install -d -m 0700 -o 65532 -g 65532 /out/var/lib/crmscope-clickhouse

# glibc, libgcc, libstdc++, OpenSSL 3, certificates; no shell. A release names it by digest.
FROM ${BASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="crmscope-collector" \
      org.opencontainers.image.description="Takes what crmscope agents send and stores it exactly in ClickHouse" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out /
USER 65532:65532
EXPOSE 7070 8080
ENTRYPOINT ["/usr/bin/crmscope-collector"]
CMD ["--config", "/etc/crmscope/collector.toml"]
