# What one types: make demo, make build, make test. Everything else is cargo.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: demo build test format clippy docs tidy unit clean-cache

BIN := target/release/quorate

## Three nodes in one process with the sample loaded, and the SQL shell. SQL="…" runs one statement and ends.
demo: build
	@$(BIN) demo $(if $(SQL),-e "$$SQL")
export SQL

## Leaves target/release/quorate.
build:
	@.ci/setup build 1>&2
	@source .ci/env && cargo build --release --locked --package quorate --bin quorate 1>&2 \
	  && mkdir -p target/release \
	  && { cmp -s "$$CARGO_TARGET_DIR/release/quorate" $(BIN) || cp "$$CARGO_TARGET_DIR/release/quorate" $(BIN); }

## Everything that .ci/run checks, in this order.
test: format clippy docs unit

format:
	@cargo fmt --all --check

clippy:
	@.ci/setup test 1>&2
	@source .ci/env && cargo clippy --workspace --all-targets --locked -- -D warnings

# Private items are documented too, for those who read the code: links to them resolve here.
docs:
	@.ci/setup test 1>&2
	@source .ci/env && RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --locked --document-private-items

# Tests with real processes measure times: without nextest, which keeps them apart, all tests run one after the other.
unit:
	@.ci/setup test 1>&2
	@source .ci/env && cargo test --workspace --locked --doc --quiet
	@source .ci/env && if cargo nextest --version > /dev/null 2>&1; \
	  then cargo nextest run --workspace --locked; \
	  else cargo test --workspace --locked --quiet -- --test-threads=1; fi

## Forgets the cached library and all built dependencies.
clean-cache:
	rm -rf "$${QUORATE_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/quorate}"
