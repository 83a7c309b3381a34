# Two commands do everything, set-up included:
#   make test-kafka-delivery   proves the delivery guarantees on real Kafka
#   make test                  checks ackproof itself, the real stack included

ACKPROOF := target/release/ackproof
# More arguments for `ackproof run`, such as: make test-kafka-delivery ARGS="--repeat 5 --seed 41"
ARGS ?=

.PHONY: test-kafka-delivery test lint unit stack setup build fetch bench deny

test-kafka-delivery: fetch
	$(ACKPROOF) run delivery limitations $(ARGS)

test: setup lint fetch unit

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Tests that start brokers are in here too; the machine's cores bound them.
unit: setup
	cargo test --workspace --locked

setup:
	@scripts/setup.sh

build: setup
	cargo build --release --locked --package ackproof

# Kafka, Debezium and PostgreSQL into the user's cache, and the start-up
# archive; nothing to do the next time.
fetch: build
	$(ACKPROOF) stack fetch

bench: fetch
	scripts/bench.sh

deny:
	cargo deny check
