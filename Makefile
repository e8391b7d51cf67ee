# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   make audit                        audit this machine
#   make audit INVENTORY=hosts.yml    audit the hosts of an inventory; DURATION= seconds, DEST= folder of the audit
#   make test                         everything CI runs; its parts: lint test-unit test-fuzz test-integration test-molecule bpf-check test-kernels
#   make bench                        the budgets, measured
#   make bpf                          build the BPF objects anew

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

DURATION ?= 30
DEST ?= audits/$(shell date -u +%Y%m%dT%H%M%SZ)
INVENTORY ?=
SHORT ?=
PYTEST_ARGS ?=

# the distribution's Python first: a shim of a version manager may not run from everywhere. Asked for late: packages.sh may bring it
PYTHON = $(shell for python in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo "$$python" && break; done)
BIN := .venv/bin
LINK := .ansible/collections/ansible_collections/cryptofleet/audit

.PHONY: help audit test lint test-unit test-fuzz test-integration test-molecule test-kernels bench bpf bpf-check build clean

help:
	@sed -n '4,8s/^#   //p' Makefile

# --- what has to be there first: each a stamp, so that a second run does nothing ---

.cache/packages-%: requirements-debian.txt scripts/packages.sh
	@scripts/packages.sh $*
	@mkdir -p $(@D) && touch $@

.venv/stamp-audit: requirements.txt | .cache/packages-audit
	@test -n "$(PYTHON)" || { echo "no Python from 3.11 to 3.13 found" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt 2> >(grep -v ^WARNING >&2 || true)
	@touch $@

.venv/stamp-test: requirements-dev.txt .venv/stamp-audit | .cache/packages-test
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt 2> >(grep -v ^WARNING >&2 || true)
	@touch $@

# ansible-core finds the checkout by its collection name through this link
$(LINK):
	@mkdir -p $(@D)
	@ln -sfn ../../../.. $@

# --- audit ---

audit: .venv/stamp-audit | $(LINK)
	@PATH="$(abspath $(BIN)):$$PATH" scripts/audit.sh "$(abspath $(DEST))" "$(DURATION)" "$(INVENTORY)"

# --- test ---

test: lint bpf-check
	@# one run of pytest for both, so that its closing line counts every test
	@$(MAKE) test-kernels SHORT=1
	@$(MAKE) test-molecule
	@PATH="$(abspath $(BIN)):$$PATH" python -m pytest tests/unit tests/fuzz tests/integration tests/kernels $(PYTEST_ARGS)

lint: .venv/stamp-test | $(LINK)
	@PATH="$(abspath $(BIN)):$$PATH" scripts/lint.sh

test-unit: .venv/stamp-test | $(LINK)
	@PATH="$(abspath $(BIN)):$$PATH" python -m pytest tests/unit $(PYTEST_ARGS)

# FUZZ_SECONDS= for each target, 20 where it is not given
test-fuzz: .venv/stamp-test | $(LINK)
	@PATH="$(abspath $(BIN)):$$PATH" python -m pytest tests/fuzz $(PYTEST_ARGS)

test-integration: .venv/stamp-test | $(LINK)
	@PATH="$(abspath $(BIN)):$$PATH" python -m pytest tests/integration $(PYTEST_ARGS)

# the scenarios' steps as they go; all of what they said only where one failed
test-molecule: .venv/stamp-test | $(LINK)
	@mkdir -p tests/output
	@PATH="$(abspath $(BIN)):$$PATH" extensions/molecule/network.sh molecule test --all --no-command-borders 2>&1 | tee tests/output/molecule.log | \
		{ grep --line-buffered '\] Executed' || true; } || { cat tests/output/molecule.log >&2; exit 1; }

test-kernels: .venv/stamp-test | $(LINK)
	@PATH="$(abspath $(BIN)):$$PATH" python tests/kernels/run.py $(if $(SHORT),--short)

bench: .venv/stamp-test | $(LINK)
	@PATH="$(abspath $(BIN)):$$PATH" python tests/bench/run.py

bpf: .venv/stamp-test
	@$(BIN)/python scripts/build_bpf.py

bpf-check: .venv/stamp-test
	@$(BIN)/python scripts/build_bpf.py --check

build: .venv/stamp-audit
	@PATH="$(abspath $(BIN)):$$PATH" ansible-galaxy collection build --force

clean:
	@rm -rf .venv .cache .ansible .pytest_cache .ruff_cache .hypothesis tests/output cryptofleet-audit-*.tar.gz
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
