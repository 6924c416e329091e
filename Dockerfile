# The test-worker image: every program of the suite, and what they and workflow functions need.
#
#   docker build --tag test-worker .                            the image
#   docker build --tag test-worker:tools --target tools .       the programs alone, for images of a team's own
#
# It keeps to what every builder understands: BuildKit, the classic one, Kaniko, Buildah. `make image` adds the arguments
# and labels that say what is built from which commit.

# The Rust of rust-toolchain.toml; a slim image has the C compiler and linker that are needed as well.
ARG BUILDER_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim


# The workspace without its code: what decides on the dependencies, so that these are compiled once and stay in the
# builder's cache until Cargo.lock or a Cargo.toml changes.
FROM ${BUILDER_IMAGE} AS skeleton
WORKDIR /source
COPY . .
RUN set -eu; \
    find . -name Cargo.toml | while read -r manifest; do \
      folder=$(dirname "$manifest"); \
      if [ -d "$folder/src" ]; then \
        mkdir -p "/skeleton/$folder/src"; \
        echo '//! Nothing yet.' >"/skeleton/$folder/src/lib.rs"; \
        if [ -e "$folder/src/main.rs" ]; then printf '//! Nothing yet.\nfn main() {}\n' >"/skeleton/$folder/src/main.rs"; fi; \
      fi; \
      cp "$manifest" "/skeleton/$folder/Cargo.toml"; \
    done; \
    cp Cargo.lock images/cargo-build /skeleton/


FROM ${BUILDER_IMAGE} AS programs
ENV CARGO_HOME=/cargo
WORKDIR /source
COPY --from=skeleton /skeleton .
RUN ./cargo-build && cargo clean --quiet --workspace --release --target "$(rustc --print host-tuple)"
COPY . .
# What the programs say of themselves with --version, and the records of when they were made.
ARG VERSION=unknown
ARG REVISION=unknown
ARG COMMIT_TIME=0
RUN TEST_WORKER_VERSION="$VERSION ($REVISION)" images/cargo-build --to /image


# An init container that puts the programs on a volume: `tools install DIR`. Nothing else is in it.
FROM scratch AS tools
COPY --from=programs /image/programs /usr/local/bin
COPY --from=programs /image/records /usr/share/doc/test-worker
ENV PATH=/usr/local/bin
USER 65532:65532
CMD ["tools", "install", "/tools"]
LABEL org.opencontainers.image.title="test-worker tools" \
      org.opencontainers.image.description="The programs of test-worker, to be copied to a volume by `tools install DIR`"


FROM ${BASE_IMAGE} AS worker
# What git, ssh and Python need and no step does is left out: the files, not the packages, so that apt-get still works
# in images built on this one (`apt-get install --reinstall perl perl-modules-5.36` brings perl whole).
RUN set -eu; \
    rules=/etc/dpkg/dpkg.cfg.d/test-worker; \
    for path in '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/info/*' '/usr/share/lintian/*' '/usr/share/locale/*' \
        '/usr/share/bash-completion/*' '/usr/share/gitweb/*' '/usr/share/perl/*' '/usr/share/perl5/*' \
        '/usr/lib/*/perl/*' '/usr/lib/*/libperl.so*' '/usr/lib/git-core/git-daemon' '/usr/lib/git-core/git-http-backend' \
        '/usr/lib/git-core/git-http-fetch' '/usr/lib/git-core/git-http-push' '/usr/lib/git-core/git-imap-send' \
        '/usr/*/git-shell' '/usr/*/scalar' '/usr/bin/ssh-keyscan' '/usr/lib/openssh/ssh-keysign' \
        '/usr/lib/openssh/ssh-pkcs11-helper' '/usr/lib/openssh/ssh-sk-helper'; do \
      echo "path-exclude=$path"; \
    done >$rules; \
    echo 'path-include=/usr/share/doc/*/copyright' >>$rules; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update -qq; \
    apt-get install -qq --yes --no-install-recommends \
      ca-certificates git openssh-client python3 python3-six python3-yaml >/dev/null; \
    rm -rf $rules /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/lib/python3*/pydoc_data /usr/lib/python3*/test; \
    git config --system --add safe.directory '*'; \
    useradd --uid 65532 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin worker
COPY --from=programs /image/programs /usr/local/bin
COPY --from=programs /image/records /usr/share/doc/test-worker
# /tmp is the one folder that a pod with a read-only root file system has all the same, as a volume.
ENV HOME=/tmp LANG=C.UTF-8
WORKDIR /
USER 65532:65532
# What a Prow job runs that names no command.
CMD ["run_workflows.sh"]
LABEL org.opencontainers.image.title="test-worker" \
      org.opencontainers.image.description="Runs end-to-end tests: checkout, test steps, artifacts and the verdict"
