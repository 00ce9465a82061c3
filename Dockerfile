# syntax=docker/dockerfile:1
# The one binary in a small image. `docker build -t stampede .`, then for example
# `docker run --init -p 127.0.0.1:8000:8000 -v stampede:/data stampede up --http 0.0.0.0:8000`.

FROM rust:1.95-slim-bookworm AS build
# librdkafka, zlib and SQLite are built from their sources and linked in.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches outlive the layer, so the binary is copied out of them; a second build compiles only what changed. Without
# line numbers it is a quarter of the size, and a backtrace still has the names of functions.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p stampede --bin stampede \
    && strip --strip-debug -o /usr/local/bin/stampede target/release/stampede

FROM debian:bookworm-slim
# Whom TLS connections trust.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usr/local/bin/stampede /usr/local/bin/stampede
# A volume mounted at /data takes over this owner.
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin stampede \
    && install -d -m 700 -o stampede -g stampede /data
USER stampede
WORKDIR /data
# HTTP of `up` and `gateway`; gRPC of `node`.
EXPOSE 8000 50051
ENTRYPOINT ["stampede"]
CMD ["--help"]
