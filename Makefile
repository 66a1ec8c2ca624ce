# What one types: make demo, make build, make test, make bench. Everything else is cargo.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: demo build bench test format clippy docs tidy unit interop interop-fast clean-cache

BIN := target/release/quorate
DEMO := target/demo/quorate

# Builds one program in a profile, and leaves it in target/PROFILE.
define program
	@.ci/setup build 1>&2
	@source .ci/env && cargo build --profile $(1) --locked --package $(2) --bin $(3) 1>&2 \
	  && mkdir -p target/$(1) \
	  && { cmp -s "$$CARGO_TARGET_DIR/$(1)/$(3)" target/$(1)/$(3) \
	    || cp "$$CARGO_TARGET_DIR/$(1)/$(3)" target/$(1)/$(3); }
endef

## Three nodes in one process with the sample loaded, and the SQL shell. SQL="…" runs one statement and ends.
## Built in the profile `demo`, without the optimisation at link time: figures are measured with `make build`.
demo: $(DEMO)
	@$(DEMO) demo $(if $(SQL),-e "$$SQL")
export SQL

.PHONY: $(BIN) $(DEMO)
$(DEMO):
	$(call program,demo,quorate,quorate)
$(BIN):
	$(call program,release,quorate,quorate)

## Leaves target/release/quorate and target/release/quorate-bench.
build: $(BIN)
	$(call program,release,quorate-bench,quorate-bench)

BENCH := target/release/quorate-bench
PEERS := etcd,postgres

## The default set of the bench suite, about six minutes on a quiet machine; figures as JSON and charts in target/bench.
bench: build
	@.ci/setup bench 1>&2
	@mkdir -p target/bench
	@$(BENCH) kv --clients 1,64,256 --peer $(PEERS) --json target/bench/kv.json --svg target/bench/kv.svg
	@$(BENCH) kv --clients 64 --embedded --no-floor --json target/bench/embedded.json
	@$(BENCH) ycsb --workload a,b,e --clients 64 --peer postgres --no-floor --json target/bench/ycsb.json
	@$(BENCH) bank --clients 16 --peer postgres --no-floor --json target/bench/bank.json
	@$(BENCH) tpcb --clients 16 --scale 16 --peer postgres --no-floor --json target/bench/tpcb.json
	@$(BENCH) split --clients 16 --no-floor --json target/bench/split.json
	@$(BENCH) failover --clients 16 --kills 5 --no-floor --json target/bench/failover.json

## Everything that .ci/run checks, in this order.
test: format clippy docs unit interop-fast

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

# The clients of PostgreSQL, against three nodes and against PostgreSQL 15, with the binary of the tests: after `make unit`
# nothing is built again.
define interop
	@clients=$$(.ci/setup $(1)) && source .ci/env && cargo test --workspace --locked --no-run --quiet 1>&2 \
	  && python3 -B tests/interop/run.py --binary "$$CARGO_TARGET_DIR/debug/quorate" --installed "$$clients" $(2)
endef

## All clients, and the table of docs/clients.md. ONLY=psql,asyncpg runs some of them; UPDATE=1 brings tests/interop/waits.txt up to date.
interop:
	$(call interop,interop,$(if $(ONLY),--only $(ONLY)) $(if $(UPDATE),--update))

interop-fast:
	$(call interop,interop-fast,--fast)

## Forgets the cached library and all built dependencies.
clean-cache:
	rm -rf "$${QUORATE_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/quorate}"
