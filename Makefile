# For people: the verbs of this project. The build itself is CMakeLists.txt; `make help` lists what is here.
.DEFAULT_GOAL := help
.PHONY: help deps all demo test bench bench-vpn fuzz prove lint format valgrind install clean

FUZZ_SECONDS ?= 60
PREFIX ?= /usr/local
export FUZZ_SECONDS

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' Makefile
	@echo "  Variables: PREFIX, DESTDIR (install), FUZZ_SECONDS (fuzz), TREEWIRE_JOBS, TREEWIRE_CACHE, OPENSSL_ROOT_DIR"

deps: ## install what is missing
	@tools/deps

all: deps ## build the library and the program in build/
	@tools/build release

demo: all ## a private network of three nodes and a relay, whose keys are renewed every second; without namespaces a channel
	@tools/demo

test: deps ## release and sanitizer builds with both compilers, all tests in both, valgrind, ctest's summary
	@tools/test

bench: deps ## the speed table, and build/bench.json
	@tools/build bench
	@mkdir -p build
	@build-bench/bench_treewire --json build/bench.json

bench-vpn: all ## the private network beside others, in namespaces, and build/bench-vpn.json
	@tools/deps --bench
	@tools/build bench
	@bench/vpn --json build/bench-vpn.json || [ $$? = 77 ]

fuzz: deps ## every fuzz target for FUZZ_SECONDS
	@tools/build fuzz
	@tools/fuzz

prove: ## the models and proofs in formal/, with those of spin, Frama-C and ProVerif that are installed
	@tools/deps --proofs
	@tools/prove

lint: deps ## clang-format, clang-tidy, cppcheck, shellcheck, luacheck, exported symbols
	@tools/lint

format: deps ## write the C sources in the project's format
	@tools/lint --format

valgrind: deps ## the quick tests under valgrind
	@tools/test valgrind

install: all ## into PREFIX (default /usr/local)
	@cmake --install build --prefix "$(PREFIX)"

clean: ## remove the build folders
	rm -rf build build-asan build-tsan build-clang build-bench build-fuzz build-lint
