# `make run` and `make test` are all that a new user or developer needs. Everything else is said by `make help`.
SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
RELAY := $(VENV)/bin/relay
PACKAGES := logrotate bsdutils systemd-journal-remote stress-ng debootstrap
SYNAPSE := .venv-synapse
.DEFAULT_GOAL := help
.PHONY: help run test test-real test-systemd packages booted lint bench bench-scan bench-live soak clean

help: ## say what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A Debian without python3-venv can't make one: as root it is installed, else said.
$(PY):
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; \
	  else echo "python3-venv is missing: as root, apt-get install python3-venv" >&2; exit 1; fi; }
	@python3 -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(PY)
	@echo "installing relay into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(PY)
	@echo "installing relay and its test tools into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $(VENV)/.installed $@

run: $(VENV)/.installed ## install into .venv and start the daemon with rules.yaml
	@mkdir -p run/logs && touch run/logs/shop.log
	@echo "relay starts with rules.yaml. Try it from another terminal, in this folder:"
	@echo "  $(RELAY) send -m pay.refund 'timeout after 3000 ms to 10.0.0.7'"
	@echo "  echo \"\$$(date '+%F %T,000') ERROR shop.cart: price of item 4711 is missing\" >> run/logs/shop.log"
	@echo "  $(RELAY) status; $(RELAY) alerts; $(RELAY) explain -m pay.refund --message 'timeout after 9 ms'"
	@echo "Edit rules.yaml while it runs. Ctrl-C stops it."
	@exec $(RELAY) run -c rules.yaml

# Debian packages for tests with real components: as root they are installed, else those tests are skipped and say so.
packages:
	@missing=; for each in $(PACKAGES); do dpkg -s $$each >/dev/null 2>&1 || missing="$$missing $$each"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" != 0 ]; then echo "not root: tests that need$$missing will be skipped"; \
	  else { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; } || \
	    echo "they could not be installed: tests that need$$missing will be skipped"; fi; fi

# A Debian system of 300 MB outside of this folder, made once by debootstrap, in 8 minutes at most: the service as
# it is installed. Where it can't be made or booted, its tests are skipped and say why.
booted: $(VENV)/.installed-test packages
	@$(PY) -m tests.booted.tree

lint: $(VENV)/.installed-test ## ruff and mypy
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

test: $(VENV)/.installed-test packages lint booted ## everything: ruff, mypy, pytest (as root under a real systemd too)
	@$(VENV)/bin/pytest -rs

# 240 MB in a virtual environment of its own: relay neither needs it nor shares a version with it.
$(SYNAPSE)/.installed: | $(PY)
	@echo "installing Matrix Synapse into $(SYNAPSE) ..."
	@python3 -m venv $(SYNAPSE)
	@$(SYNAPSE)/bin/pip install --quiet --disable-pip-version-check matrix-synapse
	@touch $@

test-real: PACKAGES := exim4-daemon-light
test-real: $(VENV)/.installed-test $(SYNAPSE)/.installed packages ## backends against real servers: Synapse, Exim
	@$(VENV)/bin/pytest -rs tests/real

test-systemd: booted ## relay under a real systemd, booted in namespaces (root); part of `make test`
	@$(VENV)/bin/pytest -rs tests/booted

bench: $(VENV)/.installed-test ## the benchmarks, each beside its baseline
	@$(PY) -m tests.bench

bench-scan: $(VENV)/.installed-test ## a gigabyte of logs: relay beside grep, ripgrep, syslog-ng and others (SCAN="--size 64MiB" is quick)
	@$(PY) -m tests.bench.scan $(SCAN)

bench-live: $(VENV)/.installed-test ## 1,000 files with lines coming, 10,000 quiet ones
	@$(PY) -m tests.bench live

soak: $(VENV)/.installed-test packages ## the long chaos runs, an overloaded host, and the service under a real systemd (15 minutes)
	@$(PY) -m tests.e2e.chaos --kills 100 --seconds 60
	@$(PY) -m tests.e2e.chaos --kills 100 --seconds 60 --rotate copytruncate
	@$(PY) -m tests.e2e.chaos --kills 100 --seconds 60 --socket
	@$(PY) -m tests.e2e.stress --seconds 300
	@$(MAKE) --no-print-directory test-systemd

clean: ## remove what was installed and made
	@rm -rf $(VENV) $(SYNAPSE) run .mypy_cache .ruff_cache .hypothesis
