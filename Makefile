# Three commands do everything, set-up included:
#   make test-kafka-delivery      proves the delivery guarantees on real Kafka
#   make test-kafka-performance   measures rates and latencies, and what guarantees cost
#   make test                     checks ackproof itself, the real stack included

ACKPROOF := target/release/ackproof
# More arguments for `ackproof run`, such as: make test-kafka-delivery ARGS="--repeat 5 --seed 41"
ARGS ?=

.PHONY: test-kafka-delivery test-kafka-catalogue test-kafka-performance test lint unit docs schemas sample java-subject man publish-check checks setup build fetch bench mutants machinery test-clients test-alerts oldest settings audit-defaults finding-success-without-offset finding-debezium-first-row

test-kafka-delivery: fetch
	$(ACKPROOF) run delivery limitations $(ARGS)

# Every scenario: each way to lose, double or reorder records, and what prevents it.
test-kafka-catalogue: fetch
	$(ACKPROOF) run all $(ARGS)

# Rates, latencies and what guarantees cost: quick, or with FULL=1 the whole loads.
FULL ?=

test-kafka-performance: fetch
	$(ACKPROOF) bench $(if $(FULL),--full,--quick) $(ARGS)

test: lint unit machinery

lint: setup
	@# Every file by its name: what a macro declares `cargo fmt` does not see.
	rustfmt --check --edition 2024 $$(find crates fuzz -name '*.rs')
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Tests that start brokers are in here too, and wait more than they work: with twice as many
# at once as there are cores, the field cases take two thirds of the time. What they need is fetched by the
# binary that is tested: no other build is needed for that.
TEST_THREADS ?= $(shell echo $$(( 2 * $$(nproc) )))

unit: setup
	cargo test --workspace --locked --no-run
	$${CARGO_TARGET_DIR:-target}/debug/ackproof stack fetch
	RUST_TEST_THREADS=$(TEST_THREADS) cargo test --workspace --locked

# The documentation of every crate: a broken link is an error.
docs: setup
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Spelling, unused dependencies, licences and sources of dependencies, fuzzing targets.
checks: setup
	scripts/checks.sh

# What would be published, in the order of dependencies, each package built by itself.
publish-check: setup
	cargo publish --workspace --dry-run --locked

# The JSON Schemas, out of the types, and the reference of the rules, out of their table.
schemas:
	UPDATE_SCHEMAS=1 cargo test --package ackproof-model --lib --locked schema
	UPDATE_SCHEMAS=1 cargo test --package ackproof-subject --lib --locked schema
	UPDATE_SCHEMAS=1 cargo test --package ackproof-bench --lib --locked schema
	UPDATE_SCHEMAS=1 cargo test --package ackproof-audit --test rules --locked reference

# The sample report in docs/sample, out of a recorded run.
sample:
	UPDATE_SAMPLE=1 cargo test --package ackproof --bin ackproof --locked sample

# The Java client as a subject, compiled, out of clients/java (JDK 17 and Maven).
java-subject:
	clients/java/build.sh crates/stack/src/java_client/subject.jar

# A manual page for each command: man -l target/man/ackproof-run.1
man: build
	$(ACKPROOF) man target/man

# Faults in the machinery itself: in each round a process of a scenario is killed or
# stopped under it, at a stage drawn from the seed. Twenty rounds: ROUNDS=20.
ROUNDS ?= 4
MACHINERY ?=

machinery: setup
	@# As `unit` builds it: another choice of packages would build most of them again.
	cargo test --workspace --locked --no-run --quiet
	ACKPROOF=$${CARGO_TARGET_DIR:-target}/debug/ackproof scripts/machinery.py --rounds $(ROUNDS) $(MACHINERY)

# The subjects in clients/ against a broker; those whose toolchain is not there are skipped.
CLIENTS ?=

test-clients: setup
	cargo build --locked --package ackproof --quiet
	ACKPROOF=$${CARGO_TARGET_DIR:-target}/debug/ackproof scripts/test-clients.py $(CLIENTS)

# The alert rules for each exporter, by Prometheus's own promtool, which comes through Go's
# module proxy; then the suite `alerts` against a broker and each exporter that is to be had
# (KMINION, KAFKA_EXPORTER name binaries). Skipped without Go.
test-alerts: setup
	cargo build --locked --package ackproof --quiet
	ACKPROOF=$${CARGO_TARGET_DIR:-target}/debug/ackproof scripts/test-alerts.py
	ACKPROOF=$${CARGO_TARGET_DIR:-target}/debug/ackproof scripts/test-alert-suite.py

setup:
	@scripts/setup.sh

build: setup
	cargo build --release --locked --package ackproof

# Kafka, Debezium and PostgreSQL into the user's cache, and the start-up
# archive; nothing to do the next time.
fetch: build
	$(ACKPROOF) stack fetch

# docs/findings/success-without-offset.md: by the client that is built in, or by those
# of VERSIONS. A violation (exit code 1) is what is to be seen.
VERSIONS ?=

finding-success-without-offset: fetch
ifeq ($(VERSIONS),)
	$(ACKPROOF) run crates/cli/tests/field/cases/success-without-an-offset.toml $(ARGS); test $$? -eq 1
else
	ACKPROOF=$(ACKPROOF) scripts/success-without-offset.py $(ARGS) $(VERSIONS)
endif

# docs/findings/debezium-first-row-of-a-page.md: one of the runs is violated, most likely.
finding-debezium-first-row: fetch
	$(ACKPROOF) run docs/findings/debezium-first-row-of-a-page.toml --repeat 8 --jobs 2 $(ARGS); test $$? -eq 1

# The oldest versions that are supported, on the real stack.
oldest: fetch
	$(ACKPROOF) run broker-restart exactly-once debezium-offset-recovery pipeline-end-to-end \
		--kafka 3.3.2 --debezium 2.1.4.Final $(ARGS)

# The tables of settings that scenarios are held against, out of Kafka's jars (with a
# JDK) and librdkafka's source; after another version of either.
KAFKA_JARS ?= $(HOME)/.cache/ackproof/parts/kafka-4.3.1

settings: fetch
	scripts/settings.sh kafka "$(KAFKA_JARS)" > crates/model/src/scenario/settings/kafka.tsv
	scripts/settings.sh librdkafka > crates/subject/src/librdkafka_client/config/librdkafka.tsv

# What "not set" means to the audit: the defaults that Kafka's jars and librdkafka print,
# in many versions, which are fetched.
audit-defaults: setup
	UPDATE_DEFAULTS=1 cargo test --package ackproof --test audit_defaults --locked the_newest

bench: fetch
	scripts/bench.sh

# Mutation testing of the checker, after `cargo install cargo-mutants --locked`.
# Hours: SHARD=0/16 runs a part, and MUTANTS="--file absence.rs" what it says. What
# survives a few random histories may not survive many: `MUTANTS=--iterate
# CASES=256` runs the survivors of the run before once more.
CASES ?= 16
SHARD ?= 0/1
MUTANTS ?=

mutants:
	PROPTEST_CASES=$(CASES) PROPTEST_RNG_SEED=1 PROPTEST_MAX_SHRINK_ITERS=0 \
	PROPTEST_DISABLE_FAILURE_PERSISTENCE=1 INSTA_UPDATE=no \
	cargo mutants --package ackproof-checker --shard $(SHARD) $(MUTANTS)
