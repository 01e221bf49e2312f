# `make demo` and `make test` are each complete after a fresh clone; `make help` lists the rest.
# ARGS are handed on, for example: make demo ARGS='--nodes 7 --prompt "What is 17 + 25?"'

SHELL := /bin/bash
.DEFAULT_GOAL := help
# The targets share build folders.
.NOTPARALLEL:
.PHONY: setup analyse symbolic differential mutate torture demo test test-contracts test-rust test-shell bench bench-gas bench-keeper bench-executor lint lint-contracts lint-rust lint-house fmt snapshots clean help

FORGE := .xenon/bin/forge
CARGO := cargo
ARGS ?=

setup: ## bring the pinned tools (nothing to do when they are there)
	@script/setup

demo: setup ## run a whole network on this machine: chain, relay, keeper, nodes, tasks
	@$(CARGO) run --locked --release --bin xenon -- demo $(ARGS)

test: test-contracts test-rust test-shell ## run every test

test-contracts: setup
	$(FORGE) test

# cargo test runs the doc tests too; nextest cannot.
test-rust: setup
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  echo "test-rust: with cargo nextest" && \
	  $(CARGO) nextest run --locked --workspace --no-fail-fast && \
	  $(CARGO) test --locked --workspace --doc; \
	else \
	  echo "test-rust: with cargo test (cargo nextest is not installed)" && \
	  $(CARGO) test --locked --workspace --no-fail-fast; \
	fi

test-shell: setup
	tests/shell/run

bench: bench-gas bench-keeper bench-executor ## run every benchmark

# revm's interpreter is generic, so it is compiled with the simulator and only as fast as that.
bench-gas: setup ## the gas of a task's life and where it goes; ARGS=--write-docs puts it into docs/gas.md
	@$(CARGO) bench --locked --profile dev --config 'profile.dev.package.xenon-sim.opt-level=1' \
	  --package xenon-sim --bench gas -- $(ARGS)

# Only the keeper itself is compiled for speed.
bench-keeper: setup ## events folded a second, time of a plan and of a restart, bytes a task, blocks until it sends
	@$(CARGO) bench --locked --profile dev --config 'profile.dev.package.xenon-keeper.opt-level=3' \
	  --package xenon-keeper --bench keeper -- $(ARGS)

bench-executor: setup ## tokens per second beside transformers, onnxruntime-genai and llama.cpp (brings them: 6 GB); ARGS=--write-docs
	@script/bench/setup
	@cache/bench/venv/bin/python script/bench/make_models.py
	@CARGO='$(CARGO)' cache/bench/venv/bin/python script/bench/executor $(ARGS)

# The interpreter of revm is compiled with the simulator, and the seeds spend their time in it.
torture: setup ## run the keeper through 10,000 seeds of faults; ARGS='--seeds N', or ARGS='--seed N' for the story of one
	@$(CARGO) run --locked --profile dev --config 'profile.dev.package.xenon-sim.opt-level=1' \
	  --config 'profile.dev.package.xenon-keeper.opt-level=1' --package xenon-torture -- $(ARGS)

lint: lint-contracts lint-rust lint-house ## check formats and lints; a warning is an error

lint-contracts: setup
	$(FORGE) fmt --check
	node script/reference.cjs --check
	@# What lint compiles has no bytecode; kept apart, so that no other command takes it for compiled.
	FOUNDRY_OUT=cache/lint/out FOUNDRY_CACHE_PATH=cache/lint $(FORGE) lint
	@mkdir -p out
	$(FORGE) build --sizes --skip test --skip script >out/sizes.txt || { cat out/sizes.txt; exit 1; }

lint-rust: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

lint-house: setup
	script/lint

fmt: setup ## format Solidity and Rust
	$(FORGE) fmt
	$(CARGO) fmt --all

analyse: setup ## static analysis of the contracts (slither, and aderyn, which the first run builds)
	script/analysis/slither
	script/analysis/aderyn

symbolic: setup ## prove properties of the contracts' libraries, within bounds (halmos)
	script/analysis/symbolic

# 32 lives of it are part of `make test`.
differential: setup ## the keeper's view against the contracts' storage, over 100,000 random operations (an hour)
	XENON_LIVES=320 $(CARGO) test --locked --package xenon-keeper --test chain -- \
	  --nocapture differential::view_equals_storage

mutate: setup ## mutation test of the contracts (hours)
	script/analysis/mutate $(ARGS)

snapshots: setup ## accept the gas figures of the tests as the new snapshots/
	FORGE_SNAPSHOT_CHECK=false FORGE_SNAPSHOT_EMIT=true $(FORGE) test

clean: ## remove what builds and set-up made
	$(CARGO) clean
	rm -rf out cache broadcast node_modules .xenon

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
