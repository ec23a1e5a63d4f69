# The images of the server and of the client. Why they are made like this: docs/adr/0014-the-image.md.
#
#   docker build --tag user-server:0.1.0 .
#   docker build --tag user-client:0.1.0 --target user-client .
#
# It needs BuildKit (Docker 20.10 with DOCKER_BUILDKIT=1, or any newer one), the base images, and
# crates.io. TARGETARCH is amd64 or arm64; BuildKit sets it, `docker buildx build --platform` chooses it.

# The compiler runs on the builder's own architecture, also for another one: emulated it takes hours.
FROM --platform=$BUILDPLATFORM rust:1.95-bookworm AS toolchain
ARG CARGO_AUDITABLE_VERSION=0.7.7
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo install --quiet --locked --version "$CARGO_AUDITABLE_VERSION" cargo-auditable
ARG BUILDARCH
ARG TARGETARCH
# An image for the builder's own architecture needs nothing beyond what is here already.
# hadolint ignore=DL3008
RUN case "$TARGETARCH" in \
        amd64) triple=x86_64-unknown-linux-gnu; gcc='gcc-x86-64-linux-gnu' ;; \
        arm64) triple=aarch64-unknown-linux-gnu; gcc='gcc-aarch64-linux-gnu' ;; \
        *) echo "TARGETARCH is '$TARGETARCH'; expected amd64 or arm64" >&2; exit 64 ;; \
    esac; \
    echo "$triple" > /triple; \
    [ "$TARGETARCH" = "$BUILDARCH" ] || { \
        rustup target add "$triple" && apt-get update && \
        apt-get install --yes --no-install-recommends "$gcc" "libc6-dev-$TARGETARCH-cross" && \
        rm -rf /var/lib/apt/lists/*; \
    }

FROM toolchain AS build
WORKDIR /src
COPY . .
# glibc is linked into the programs. The flag is meant for them alone, and not for what runs while
# building: cargo makes this difference where a target is named.
ENV CARGO_TERM_COLOR=never \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc \
    RUSTFLAGS="-C target-feature=+crt-static"
# The dependencies are kept between builds, the members of the workspace are not: the cache is shared
# by every checkout on this machine, and cargo tells old from new by file times alone.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    find . -path ./target -prune -o -type f -exec touch {} + && \
    cargo auditable build --release --locked --target "$(cat /triple)" --package user-server --package user-client && \
    install -D --target-directory=/out "target/$(cat /triple)/release/user-server" "target/$(cat /triple)/release/user-client" && \
    touch --date=@0 /out/*

# No shell, no package manager, no libc; USER is a number, which runAsNonRoot can check.
FROM gcr.io/distroless/static-debian12:nonroot AS runtime
USER 65532:65532
ARG VERSION=0.1.0
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM runtime AS user-client
LABEL org.opencontainers.image.title="user-client" \
      org.opencontainers.image.description="The command line of user.v1.UserService, and its load generator"
COPY --from=build /out/user-client /user-client
ENTRYPOINT ["/user-client"]

# The last target is what a build without --target makes.
FROM runtime AS user-server
LABEL org.opencontainers.image.title="user-server" \
      org.opencontainers.image.description="The server of user.v1.UserService"
COPY --from=build /out/user-server /user-server
# gRPC, and the plain HTTP of the probes.
EXPOSE 50051 9090
ENTRYPOINT ["/user-server"]
