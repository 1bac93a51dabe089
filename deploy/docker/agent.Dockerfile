# syntax=docker/dockerfile:1
# crmscope-agent alone: a static program, nothing else, as a user without a name.
#
#   docker build --file deploy/docker/agent.Dockerfile --tag crmscope-agent .
#
# To watch its host, the container needs the host's process and network namespaces, /var/log and the like
# read-only, and sources.filesystem.root_path; the Kubernetes chart does that.
ARG RUST=1.95.0
FROM rust:${RUST}-alpine3.23 AS build
# Versions of the compiler's tools do not reach the result, which has no library.
# hadolint ignore=DL3018
RUN apk add --no-cache musl-dev gcc make perl
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    RUSTFLAGS='-Csymbol-mangling-version=v0 -Ctarget-feature=+crt-static' \
    cargo build --release --locked --bin crmscope-agent && \
    install -D -m 0755 target/release/crmscope-agent /out/usr/bin/crmscope-agent && \
    mkdir -p /out/usr/share/crmscope/rules /out/etc/crmscope && \
    cp -r deploy/rules/application deploy/rules/auth deploy/rules/web /out/usr/share/crmscope/rules/ && \
    install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt && \
    install -d -m 0700 -o 65532 -g 65532 /out/var/lib/crmscope-agent

FROM scratch
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="crmscope-agent" \
      org.opencontainers.image.description="Watches one CRM host and streams what it sees to a collector" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out /
USER 65532:65532
ENTRYPOINT ["/usr/bin/crmscope-agent"]
CMD ["--config", "/etc/crmscope/agent.toml"]
