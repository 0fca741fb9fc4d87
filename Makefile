# SPDX-License-Identifier: GPL-2.0-only
# sockhop: `make help` lists the targets.

CLANG    ?= clang
BPFTOOL  ?= bpftool
CC       ?= gcc
B        := build
PREFIX   ?= /usr/local
SBINDIR  ?= $(PREFIX)/sbin
MANDIR   ?= $(PREFIX)/share/man
COMPDIR  ?= $(PREFIX)/share/bash-completion/completions
VERSION  := 0.1.0

PKGS     := libbpf libelf zlib json-c libcap-ng
ARCH     := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Werror
CFLAGS   ?= -O2 -g
HOP_CFLAGS := $(CFLAGS) -std=gnu11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(WARN) -I. -I$(B) \
            $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS     := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread
BPFFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Wall -Werror -Wno-unknown-attributes \
            -Wno-address-of-packed-member -I. -Ibpf -I$(B)

# The relay's and the probe's programs are objects of their own; all others are linked into one.
ALONE    := $(filter relay probe,$(patsubst bpf/%.bpf.c,%,$(wildcard bpf/*.bpf.c)))
BPF_SRC  := $(filter-out $(ALONE:%=bpf/%.bpf.c),$(wildcard bpf/*.bpf.c))
BPF_OBJ  := $(BPF_SRC:%.c=$(B)/%.o)
SKELS    := $(B)/hop.skel.h $(ALONE:%=$(B)/%.skel.h)
SRC      := $(wildcard agent/*.c cgroup/*.c)
OBJ      := $(SRC:%.c=$(B)/%.o)
LIBOBJ   := $(filter-out $(B)/agent/main.o,$(OBJ))
# Themes of the behaviour catalogue that keep a whole program out: each is a program of its own.
LAB_ALONE := splice fionread
UNIT     := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*.c))
PROGS    := $(patsubst %.c,$(B)/%,$(filter-out %.bpf.c,$(wildcard tests/kernel/*.c tests/bench/*.c))) \
            $(patsubst %.c,$(B)/%,$(filter-out tests/lab/cases_%,$(wildcard tests/lab/*.c))) \
            $(LAB_ALONE:%=$(B)/tests/lab/catalogue_%)
LAB_CASES := $(filter-out $(LAB_ALONE:%=tests/lab/cases_%.c),$(wildcard tests/lab/cases_*.c))
LAB_H    := $(wildcard tests/lab/*.h tests/kernel/*.h)

.PHONY: all asan deps demo static test test-kernels lint format install uninstall clean help test-progs
.DELETE_ON_ERROR:

all: $(B)/.deps ## build build/sockhop, and build/release/sockhop to install (installs missing packages first, where apt-get is)
	@$(MAKE) --no-print-directory $(B)/sockhop $(B)/release/sockhop

# Packages are looked for once; the stamp spares the look on the next build.
$(B)/.deps: tests/deps.sh
	@mkdir -p $(B)
	@tests/deps.sh build
	@touch $@

deps: ## install what building and testing need (Debian)
	@tests/deps.sh build test
	@tests/deps.sh kernels || echo "no virtual machines: tests/kernels will be skipped" >&2

$(B)/vmlinux.h: /sys/kernel/btf/vmlinux
	@mkdir -p $(@D)
	$(BPFTOOL) btf dump file $< format c > $@

$(B)/bpf/%.o: bpf/%.c $(wildcard bpf/*.h) $(B)/vmlinux.h
	@mkdir -p $(@D)
	$(CLANG) $(BPFFLAGS) -c $< -o $@

$(B)/hop.bpf.o: $(BPF_OBJ)
	$(BPFTOOL) gen object $@ $^

$(B)/hop.skel.h: $(B)/hop.bpf.o
	$(BPFTOOL) gen skeleton $< name hop_bpf > $@

$(B)/%.skel.h: $(B)/bpf/%.bpf.o
	$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(B)/agent/%.o: agent/%.c $(SKELS)
	@mkdir -p $(@D)
	$(CC) $(HOP_CFLAGS) -MMD -MP -c $< -o $@

$(B)/cgroup/%.o: cgroup/%.c
	@mkdir -p $(@D)
	$(CC) $(HOP_CFLAGS) -MMD -MP -c $< -o $@

$(B)/sockhop: $(OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LIBS)

# The switches that take rules away (agent/force.h) are in what tests run, and not in what is installed.
$(B)/agent/force.o $(B)/asan/agent/force.o: private HOP_CFLAGS += -DHOP_TEST
$(B)/asan/agent/force.o: private ASAN_FLAGS += -DHOP_TEST

$(B)/release/force.o: agent/force.c
	@mkdir -p $(@D)
	$(CC) $(HOP_CFLAGS) -MMD -MP -c $< -o $@

$(B)/release/sockhop: $(filter-out $(B)/agent/force.o,$(OBJ)) $(B)/release/force.o
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LIBS)

$(B)/tests/unit/%: tests/unit/%.c $(LIBOBJ)
	@mkdir -p $(@D)
	$(CC) $(HOP_CFLAGS) -MMD -MP $< $(LIBOBJ) -o $@ $(LIBS) -lcmocka

$(B)/tests/kernel/%: tests/kernel/%.c $(wildcard tests/kernel/*.h)
	@mkdir -p $(@D)
	$(CC) $(HOP_CFLAGS) $< -o $@ -lpthread $(shell grep -qs liburing.h $< && echo -luring)

$(B)/tests/bench/%: tests/bench/%.c $(wildcard tests/kernel/*.h)
	@mkdir -p $(@D)
	$(CC) $(HOP_CFLAGS) $< -o $@ -lpthread -lm $(shell grep -qs bpf/libbpf.h $< && echo -lbpf)

$(B)/tests/bench/%.bpf.o: tests/bench/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) -O2 -g -target bpf -mcpu=v3 -Wall -Werror -I/usr/include/$(shell uname -m)-linux-gnu -c $< -o $@

# The behaviour catalogue is one program of several files, and one for each theme of LAB_ALONE.
$(B)/tests/lab/catalogue: tests/lab/catalogue.c $(LAB_CASES) $(LAB_H)
	@mkdir -p $(@D)
	$(CC) $(HOP_CFLAGS) $(filter %.c,$^) -o $@ -lpthread -luring

$(B)/tests/lab/catalogue_%: tests/lab/catalogue.c tests/lab/cases_common.c tests/lab/cases_%.c $(LAB_H)
	@mkdir -p $(@D)
	$(CC) $(HOP_CFLAGS) -DLAB_ONLY=$* $(filter %.c,$^) -o $@ -lpthread

$(B)/tests/lab/%: tests/lab/%.c $(LAB_H)
	@mkdir -p $(@D)
	$(CC) $(HOP_CFLAGS) $< -o $@ -lpthread

test-progs: $(UNIT) $(PROGS)

# Without shared libraries: for hosts that have none of ours, and for the guests of tests/kernels. The C library warns
# of name services: a static sockhop relay takes names only where the same C library is installed, numbers anywhere.
STATIC   := $(B)/static/sockhop $(patsubst tests/kernel/%.c,$(B)/static/%,$(wildcard tests/kernel/*.c)) \
            $(B)/static/catalogue $(LAB_ALONE:%=$(B)/static/catalogue_%)

static: $(STATIC) ## build/static/sockhop, which needs no shared libraries, and static test programs

$(B)/static/sockhop: $(OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -static -Wl,--no-warnings $^ -o $@ $(shell pkg-config --static --libs $(PKGS)) -lpthread

$(B)/static/catalogue: tests/lab/catalogue.c $(LAB_CASES) $(LAB_H)
	@mkdir -p $(@D)
	$(CC) $(HOP_CFLAGS) -static $(filter %.c,$^) -o $@ -lpthread -luring

$(B)/static/catalogue_%: tests/lab/catalogue.c tests/lab/cases_common.c tests/lab/cases_%.c $(LAB_H)
	@mkdir -p $(@D)
	$(CC) $(HOP_CFLAGS) -static -DLAB_ONLY=$* $(filter %.c,$^) -o $@ -lpthread

$(B)/static/%: tests/kernel/%.c $(wildcard tests/kernel/*.h)
	@mkdir -p $(@D)
	$(CC) $(HOP_CFLAGS) -static $< -o $@ -lpthread $(shell grep -qs liburing.h $< && echo -luring)

# With AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer: build/asan/sockhop and the unit tests
# (tests/lab/leaks.bats). The BPF side is the one of build/. Static runtimes: of the shared ones that of UBSan does
# not write to log_path, and a daemon's stderr is nowhere.
ASAN_FLAGS := $(HOP_CFLAGS) -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined \
            -static-libasan -static-libubsan
ASAN_LIB := $(LIBOBJ:$(B)/%=$(B)/asan/%)
ASAN     := $(B)/asan/sockhop $(UNIT:$(B)/%=$(B)/asan/%)

asan: $(ASAN) ## build/asan/sockhop and unit tests with sanitizers

$(B)/asan/agent/%.o: agent/%.c $(SKELS)
	@mkdir -p $(@D)
	$(CC) $(ASAN_FLAGS) -MMD -MP -c $< -o $@

$(B)/asan/cgroup/%.o: cgroup/%.c
	@mkdir -p $(@D)
	$(CC) $(ASAN_FLAGS) -MMD -MP -c $< -o $@

$(B)/asan/sockhop: $(ASAN_LIB) $(B)/asan/agent/main.o
	$(CC) $(ASAN_FLAGS) $(LDFLAGS) $^ -o $@ $(LIBS)

$(B)/asan/tests/unit/%: tests/unit/%.c $(ASAN_LIB)
	@mkdir -p $(@D)
	$(CC) $(ASAN_FLAGS) -MMD -MP $< $(ASAN_LIB) -o $@ $(LIBS) -lcmocka

test: deps ## all tests on the real kernel (root); prints "N passed, N failed"
	@$(MAKE) --no-print-directory $(B)/.deps
	@$(MAKE) --no-print-directory $(B)/sockhop $(B)/release/sockhop test-progs asan static
	tests/run.sh

test-kernels: $(B)/.deps ## boot Debian's 6.1 and 6.12 kernels (QEMU) and test in them; prints a table
	@tests/deps.sh kernels
	@$(MAKE) --no-print-directory static
	tests/kernels/run.sh
	tests/kernels/run.sh -c

.PHONY: soak test-suites
test-suites: $(B)/.deps ## test suites of others (CPython, Tornado), whole, plain and under sockhop; prints a table
	@tests/deps.sh test
	@$(MAKE) --no-print-directory $(B)/sockhop
	tests/lab/suites --out $(B)/suites.json

soak: ## random programs and storms for longer: SECONDS=600 each
	@$(MAKE) --no-print-directory $(B)/sockhop test-progs
	LAB_SECONDS=$(or $(SECONDS),600) bats --show-output-of-passing-tests --filter 'random|storm' tests/lab/lab.bats

demo: $(B)/.deps ## a real workload, plain and under sockhop, in interleaved rounds
	@tests/deps.sh demo
	@$(MAKE) --no-print-directory $(B)/sockhop test-progs
	tests/demo.sh

.PHONY: bench bench-quick bench-relay bench-scale
BENCH_DEPS = $(B)/.deps $(B)/tests/bench/naive.bpf.o

bench: $(BENCH_DEPS) ## all workloads, plain and sockhop and others, interleaved (55 minutes); writes docs/bench
	@tests/deps.sh test bench
	@$(MAKE) --no-print-directory $(B)/sockhop test-progs
	tests/bench/bench --out docs/bench/bench

bench-quick: $(BENCH_DEPS) ## the most important ones (3 minutes); writes build/bench-quick
	@tests/deps.sh test bench
	@$(MAKE) --no-print-directory $(B)/sockhop test-progs
	tests/bench/bench --quick --out $(B)/bench-quick

bench-scale: $(BENCH_DEPS) ## memory, verdict and passes by number of connections; writes docs/bench/scale.json
	@tests/deps.sh test bench
	@$(MAKE) --no-print-directory $(B)/sockhop test-progs
	tests/bench/scale --out docs/bench/scale

bench-cost: $(BENCH_DEPS) ## allocations, programs' runs and more per message and connection; writes docs/bench/cost.json
	@tests/deps.sh test bench
	@$(MAKE) --no-print-directory $(B)/sockhop test-progs
	tests/bench/cost --out docs/bench/cost

bench-relay: $(BENCH_DEPS) ## `sockhop relay` beside other relays
	@tests/deps.sh test bench
	@$(MAKE) --no-print-directory $(B)/sockhop test-progs
	tests/bench/relay.sh

lint: ## clang-format, cppcheck and shellcheck over the sources
	@tests/deps.sh lint
	tests/lint.sh

format: ## rewrite the sources in the house style
	clang-format -i $(wildcard bpf/*.[ch] agent/*.[ch] cgroup/*.[ch] tests/*/*.[ch])

# The package is a step of its own: installing into DESTDIR is often done without root.
$(B)/sockhop.8.gz: docs/man/sockhop.8.scd
	@mkdir -p $(@D)
	@command -v scdoc >/dev/null || tests/deps.sh install
	scdoc <$< | gzip -9n >$@

install: all $(B)/sockhop.8.gz ## install the binary, man page and completion under PREFIX
	install -D -m 0755 $(B)/release/sockhop $(DESTDIR)$(SBINDIR)/sockhop
	install -D -m 0644 $(B)/sockhop.8.gz $(DESTDIR)$(MANDIR)/man8/sockhop.8.gz
	install -D -m 0644 docs/completion/sockhop.bash $(DESTDIR)$(COMPDIR)/sockhop

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(SBINDIR)/sockhop $(DESTDIR)$(MANDIR)/man8/sockhop.8.gz $(DESTDIR)$(COMPDIR)/sockhop

clean: ## remove build/
	rm -rf $(B)

help:
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

-include $(wildcard $(B)/agent/*.d $(B)/cgroup/*.d $(B)/tests/unit/*.d $(B)/release/*.d $(B)/asan/*/*.d $(B)/asan/tests/unit/*.d)
