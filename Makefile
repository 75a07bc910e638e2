# The two commands of the README are `make demo` and `make test`; each sets up what it needs.
# `make verify` is the gate and edits nothing; `make fix` edits.

CARGO ?= cargo
AGENT_TARGET := x86_64-unknown-linux-gnu
AGENT := target/$(AGENT_TARGET)/agent/perjury-agent
PERJURY := target/release/perjury

.PHONY: demo test verify fix bench exhaustive agent build hotstuff malachite setup-build setup-demo setup-test \
	clean-room

demo: setup-demo build
	./.ci/demo $(PERJURY)

test: setup-test agent
	./.ci/test

verify: agent
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
	PERJURY_STATIC_AGENT=$(CURDIR)/$(AGENT) $(CARGO) test --workspace

fix:
	$(CARGO) fmt --all
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged

bench: setup-build
	$(CARGO) bench --workspace

# All small histories of every model, against the definition, and how many: 25 minutes of CPU.
exhaustive:
	$(CARGO) test -p perjury-porcupine --test shortcuts -- --ignored --nocapture

build: setup-build agent
	$(CARGO) build --release

# Static, so that it runs on any x86-64 Linux, in an empty root too.
agent:
	RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build -p perjury-agent \
		--bin perjury-agent --profile agent --target $(AGENT_TARGET)

# A server on hotstuff_rs, to be tested: static, for any node. `build` and `test` never need it.
hotstuff: setup-build
	cd targets/hotstuff && RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --release \
		--locked --target $(AGENT_TARGET) --target-dir target

# The same on Malachite's consensus.
malachite: setup-build
	cd targets/malachite && RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --release \
		--locked --target $(AGENT_TARGET) --target-dir target

setup-build setup-demo setup-test:
	@./.ci/setup $(@:setup-%=%)
