# make run     sets up, builds and serves on 127.0.0.1:8080
# make test    sets up, builds and runs unit, contract and black-box tests
# make build   sets up and builds build/tributary
# make bench   measures (bench/README.md); results go to bench/RESULTS.md
# make check   what a careful person runs before a commit: format, lint, includes, sanitizers
# make format  formats the sources in place
#
# Thin on purpose: packages stand in tools/packages.txt, targets in CMake, the rest in tools/.
.PHONY: run test build bench check format clean asan tsan
.DEFAULT_GOAL := build
JOBS ?= $(shell nproc)

build/build.ninja: CMakeLists.txt CMakePresets.json
	@tools/setup.sh build
	@cmake --preset dev -DTRIBUTARY_TESTS=$(if $(filter test bench check,$(MAKECMDGOALS)),ON,OFF) \
	  -DTRIBUTARY_BENCH=OFF > build-configure.log 2>&1 || { cat build-configure.log; exit 1; }
	@mv build-configure.log build/configure.log

build: build/build.ninja
	@tools/setup.sh build
	@ninja -C build -j $(JOBS) --quiet tributary

run: build
	@tools/run.sh

test:
	@tools/setup.sh build test
	@cmake --preset dev -DTRIBUTARY_TESTS=ON > /dev/null
	@ninja -C build -j $(JOBS) --quiet
	@tools/test.sh build -j $(JOBS)

empty :=
space := $(empty) $(empty)
# FOLDERS="log deliver" builds and runs the unit tests of these only.
asan tsan:
	@tools/setup.sh build test
	@cmake --preset $@ > /dev/null
	@ninja -C build-$@ -j $(JOBS) --quiet $(if $(FOLDERS),$(FOLDERS:%=%_test),unit_tests)
	@tools/test.sh build-$@ -j $(JOBS) $(if $(FOLDERS),-R '^($(subst $(space),|,$(FOLDERS)))$$',-L unit)

check:
	@tools/setup.sh build test check
	@tools/check.sh

bench:
	@tools/setup.sh build bench
	@cmake --preset dev -DTRIBUTARY_BENCH=ON > /dev/null
	@ninja -C build -j $(JOBS) --quiet tributary bench_programs
	@python3 bench/run.py $(BENCH_ARGS)

format:
	@tools/setup.sh check
	@git ls-files 'src/*.cc' 'src/*.h' 'tests/*.cc' 'tests/*.h' 'bench/*.cc' | xargs clang-format -i

clean:
	@rm -rf build build-asan build-tsan
