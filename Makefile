# SPDX-License-Identifier: GPL-2.0
#
# 'make help' lists the targets; Kbuild lists the module's objects. Targets that build
# it call the kernel's own build, with its variables: KDIR=, LLVM=1, V=1, W=1,
# INSTALL_MOD_PATH=...

# KERNEL= chooses the kernel of the build environment for all that is called from here.
ifeq ($(origin KERNEL),command line)
export NF_TRACER_KERNEL := $(KERNEL)
endif

# scripts/root sets KDIR for the kernel of the build environment.
KDIR ?= /lib/modules/$(shell uname -r)/build

.DEFAULT_GOAL := modules
.DELETE_ON_ERROR:

kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR)
# Runs a command in the build environment, or here if this is it.
root = scripts/root --

.PHONY: modules
modules: check-kdir
	@+$(kbuild) modules

.PHONY: modules_install
modules_install: modules
	@+$(kbuild) modules_install

# Needs no kernel headers.
.PHONY: clean
clean:
	find . -path ./.git -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name '.*.cmd' -o -name '*_generated.rs' -o -name '*.rsi' \
		-o -name 'Module.symvers' -o -name 'modules.order' -o -name '.*.d' \
		-o -name __pycache__ \) -print0 | xargs -0 rm -rf
	rm -rf doc rust-project.json

.PHONY: check-kdir
check-kdir:
	@LLVM='$(LLVM)' scripts/check-kdir $(KDIR)

.PHONY: demo
demo:
	@$(root) $(MAKE) modules
	@scripts/demo

.PHONY: test
test:
	@tests/run

# Of scripts/root.d/kernels; all of them by default.
KERNELS ?=

.PHONY: matrix
matrix:
	@scripts/matrix $(KERNELS)

.PHONY: unit
unit:
	@tests/host/run --quick

.PHONY: test-debug
test-debug:
	@tests/run debug

# Seconds.
FUZZ_SECONDS ?= 600

.PHONY: fuzz
fuzz:
	@tests/host/fuzz/run $(FUZZ_SECONDS)

.PHONY: bench
bench:
	@scripts/bench

.PHONY: check
check:
	@$(root) scripts/check

.PHONY: doc
doc:
	@$(root) scripts/doc

.PHONY: rust-analyzer
rust-analyzer: check-kdir
	@scripts/rust-analyzer $(KDIR)

.PHONY: help
help:
	@echo 'These set up all that they need on their first run, for KERNEL=NAME, which is one of'
	@echo 'those in scripts/root.d/kernels (default: NF_TRACER_KERNEL, else $(firstword $(shell sed '/^#/d' scripts/root.d/kernels))):'
	@echo '  demo             - boot the stock kernel, load the module, show what it sees'
	@echo '  test             - all suites on the stock kernel; the last line is "N passed, N failed"'
	@echo '  unit             - the host tests without fuzzing, in seconds after an edit'
	@echo '  matrix           - build, boot and a short suite on each kernel, or on KERNELS=; a table'
	@echo '  test-debug       - the suite on a kernel with KASAN and lockdep, built first'
	@echo '  fuzz             - fuzz parsing, filters and parameters for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo '  bench            - what a packet costs, compared with other tools: tables, JSON, pictures'
	@echo '  check            - formatting and lints of every language, no panic in the module'
	@echo '  doc              - rustdoc of the whole crate, in doc/'
	@echo ''
	@echo 'These use the tools of this machine ("scripts/root -- make" uses those of the'
	@echo 'build environment), and the kernel build folder KDIR, which is'
	@echo '$(KDIR)'
	@echo '  modules          - nf_tracer.ko (default)'
	@echo '  modules_install  - install it below /lib/modules'
	@echo '  rust-analyzer    - rust-project.json, for editors'
	@echo '  clean            - remove what was built'
	@echo ''
	@echo 'LLVM=1, V=1, W=1, INSTALL_MOD_PATH= do what they do in a kernel tree.'
