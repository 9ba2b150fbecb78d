# Two commands for a newcomer: `make run` and `make test`. `make help` lists the rest.
SHELL := /bin/sh
# One target directory outside the clone, named by the workspace, kept from run to run.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/strowger/target
PROFILE ?= ci
BIN := $(CARGO_TARGET_DIR)/$(if $(filter release,$(PROFILE)),release,$(PROFILE))/strowger

# What building needs, and what the tests' peers are.
BUILD_PACKAGES := gcc libc6-dev
TEST_PACKAGES := $(BUILD_PACKAGES) iproute2 nftables sip-tester baresip-core postgresql nats-server rabbitmq-server
BENCH_PACKAGES := $(BUILD_PACKAGES) sip-tester kamailio rtpengine-daemon postgresql nats-server

.DEFAULT_GOAL := help
.PHONY: help run build test format lint tidy fuzz simulate drill bench clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: ## build, start the platform with a demo tenant, and prove it with a call (ARGS=--once: then stop)
	@scripts/packages.sh $(BUILD_PACKAGES)
	@command -v cargo >/dev/null || { echo "strowger: a Rust toolchain is needed (cargo is not there)" >&2; exit 1; }
	@echo "strowger: building (some minutes the first time)"
	@cargo build -p strowger --profile $(PROFILE) --locked
	@$(BIN) demo $(ARGS)

build: ## the release binary
	cargo build --release --locked -p strowger

test: ## all that CI runs
	@scripts/packages.sh $(TEST_PACKAGES)
	@scripts/test.sh

format: ## write the code as rustfmt likes it
	cargo fmt --all

lint: ## clippy, with warnings as errors
	cargo clippy --workspace --all-targets --profile $(PROFILE) --locked -- -D warnings

tidy: ## the house's own rules: arrows, sizes, licences, manifests
	cargo xtask tidy

fuzz: ## fuzz each target for FUZZ_SECONDS (60)
	@scripts/fuzz.sh

simulate: ## many seeds of the simulation (SEEDS=[host:|hosts:]first..last, CALLS=1000 in each tale of hosts; without: 100,000 calls)
	cargo run --profile $(PROFILE) --locked -p strowger-sim --bin simulate -- $(SEEDS)

drill: ## cut off, kill, stop and upgrade hosts and processes 30 times each while hundreds talk; writes drills/results.json (ARGS=--resume: go on)
	@scripts/packages.sh $(TEST_PACKAGES)
	@PROFILE=$(PROFILE) scripts/drill.sh $(ARGS)

bench: ## side by side with the peers; writes benches/results.json and benches/RESULTS.md
	@scripts/packages.sh $(BENCH_PACKAGES)
	@scripts/bench.sh $(ARGS)

clean: ## forget the demo's data
	rm -rf data
