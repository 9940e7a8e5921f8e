# The gateway in an image without shell or package manager: the binary, the C library and the
# usual roots for https upstreams (distroless/cc brings both).
#
#   docker build -t oncegate:0.1.0 .
#   docker run --stop-timeout 45 -p 8080:8080 -v oncegate:/var/lib/oncegate \
#       -e ONCEGATE__SERVER__LISTEN=0.0.0.0:8080 oncegate:0.1.0 serve --upstream http://api:9000
#
# `docker build --build-arg FEATURES=otel` adds features that are off by default.
#
# `--stop-timeout`, because docker kills a container after 10 s, and the gateway may drain for
# `server.drain_timeout`.

# The same Debian release as the image below: the binary links the C library of its build image.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
ARG FEATURES=""

# A layer with the compiled dependencies, until Cargo.toml or Cargo.lock change. The stand-in program is
# removed again, because cargo compares times and must not take it for the real program.
COPY Cargo.toml Cargo.lock ./
# Cargo.toml names the benchmarks and an example, so cargo must find their files, although they are not built.
COPY benches benches
COPY examples examples
RUN mkdir src \
    && touch src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --profile dist --locked --features "$FEATURES" --bin oncegate \
    && cargo clean --profile dist --package oncegate \
    && rm -r src

COPY src src
RUN cargo build --profile dist --locked --features "$FEATURES" --bin oncegate && mkdir data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/dist/oncegate /usr/local/bin/oncegate
# The default store, ./oncegate-data, is here. A new named volume takes over the owner. There is no
# VOLUME: it would give a container without a volume an anonymous one, which looks durable and is not.
COPY --from=build --chown=65532:65532 /build/data /var/lib/oncegate
WORKDIR /var/lib/oncegate
# As a number, because a kubelet cannot tell whether a name is root.
USER 65532:65532
# The public listener, and the one for health, metrics, records and the console.
EXPOSE 8080 9464
# No HEALTHCHECK: the image has no program for it, and an orchestrator has probes: /healthz, /readyz.
ENTRYPOINT ["oncegate"]
CMD ["serve", "--config", "/etc/oncegate/oncegate.toml"]
