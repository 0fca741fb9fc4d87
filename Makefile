# SPDX-License-Identifier: GPL-2.0-only
# sockhop: `make help` lists the targets.
#
#   V=1              show the commands
#   WERROR=1         warnings are errors (also where CI is set, and in `make test`)
#   VMLINUX_H=FILE   take this vmlinux.h, for a build where no kernel with BTF runs; or
#   VMLINUX_BTF=FILE make it from this BTF: a vmlinux with BTF (/sys/kernel/btf/vmlinux)
#   PREFIX, DESTDIR  where `make install` installs (/usr/local), and the folder that stands for / meanwhile
#
# Only `make deps`, and the targets that run something (demo, test, bench, soak and the like), install packages.

ifeq ($(origin CC),default)
CC       := gcc
endif
CLANG    ?= clang
# Debian has it where only root's PATH leads
BPFTOOL  ?= $(or $(shell PATH="$$PATH:/usr/sbin:/sbin" command -v bpftool 2>/dev/null),bpftool)
GO       ?= $(shell command -v go 2>/dev/null)
B        := build
PREFIX   ?= /usr/local
SBINDIR  ?= $(PREFIX)/sbin
MANDIR   ?= $(PREFIX)/share/man
COMPDIR  ?= $(PREFIX)/share/bash-completion/completions
UNITDIR  ?= $(PREFIX)/lib/systemd/system
DATADIR  ?= $(PREFIX)/share/sockhop
POLICYDIR ?= $(DATADIR)/policies
POLICIES := $(wildcard docs/policies/*.policy)
VERSION  := $(shell cat VERSION)
VMLINUX_BTF ?= /sys/kernel/btf/vmlinux

ifeq ($(V),1)
Q        :=
say      :=
else
Q        := @
say       = @printf '  %-8s %s\n' '$1' '$@'
endif

PKGS     := libbpf libelf zlib json-c inih libcap-ng libseccomp libarchive libmicrohttpd ncurses libsystemd
ARCH     := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
WERROR   ?= $(if $(filter-out 0 false,$(CI)),1)
ERRORS   := $(if $(filter 1,$(WERROR)),-Werror)
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
CFLAGS   ?= -O2 -g
HOP_CFLAGS := $(CFLAGS) $(CPPFLAGS) -std=gnu11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(WARN) -I. -I$(B) \
            $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS     := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread
# By name: compilers disagree about it where they compile and link in one step. Hidden: tests run all of a folder.
DEPFILE   = -MMD -MP -MF $(@D)/.$(@F).d -MT $@
BPFFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Wall -Wno-unknown-attributes \
            -Wno-address-of-packed-member -I. -Ibpf -I$(B)
# -O1: the sanitizers' reports name lines. Static runtimes: of the shared ones that of UBSan does not write to log_path, and
# a daemon's stderr is nowhere.
ASAN_FLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined \
            -static-libasan -static-libubsan

# The programs of the relay, the probe and the guards are objects of their own; all others are linked into one.
BPF_SRC  := $(wildcard bpf/*.bpf.c bpf/*/*.bpf.c)
ALONE    := $(filter %/relay.bpf.c %/probe.bpf.c %/guard.bpf.c %/receive.bpf.c,$(BPF_SRC))
BPF_OBJ  := $(patsubst %.c,$(B)/%.o,$(filter-out $(ALONE),$(BPF_SRC)))
SKELS    := $(B)/hop.skel.h $(patsubst %.bpf.c,$(B)/%.skel.h,$(notdir $(ALONE)))
SRC      := $(wildcard agent/*.c agent/*/*.c cgroup/*.c cgroup/*/*.c)
OBJ      := $(SRC:%.c=$(B)/%.o)
LIBOBJ   := $(filter-out %/main.o,$(OBJ))
MAINOBJ  := $(filter %/main.o,$(OBJ))
UNIT     := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*.c))
# Themes of the behaviour catalogue that keep a whole program out: each is a program of its own.
LAB_ALONE := splice fionread
LAB_CASES := $(filter-out $(LAB_ALONE:%=tests/lab/cases_%.c),$(wildcard tests/lab/cases_*.c))
LAB_H    := $(wildcard tests/lab/*.h tests/prog/*.h)
CATALOGUES := catalogue $(LAB_ALONE:%=catalogue_%)
PROGS    := $(patsubst %.c,$(B)/%,$(filter-out %.bpf.c,$(wildcard tests/prog/*.c tests/bench/*.c))) \
            $(patsubst %.c,$(B)/%,$(filter-out tests/lab/cases_% tests/lab/catalogue.c,$(wildcard tests/lab/*.c))) \
            $(CATALOGUES:%=$(B)/tests/lab/%)
ASAN     := $(B)/asan/sockhop $(UNIT:$(B)/%=$(B)/asan/%)
# Without shared libraries: for hosts that have none of ours; and for the guests of tests/qemu, with the test switches. The
# C library warns of name services: a static sockhop relay takes names only where the same C library is installed, numbers
# anywhere.
STATIC   := $(B)/static/sockhop $(B)/static/sockhop-test $(patsubst tests/prog/%.c,$(B)/static/%,$(wildcard tests/prog/*.c)) \
            $(CATALOGUES:%=$(B)/static/%) $(if $(GO),$(B)/static/gotalk)

.PHONY: all deps asan static test-progs test test-qemu test-suites soak demo bench bench-quick bench-check bench-scale \
        bench-cost bench-relay bench-sidecar lint format docs docs-commands install uninstall clean help FORCE
.DELETE_ON_ERROR:
# Else make takes the objects of the test programs for intermediate files, and removes them.
.SECONDARY:

all: $(B)/sockhop $(B)/release/sockhop ## build build/sockhop, for tests, and build/release/sockhop, to install

# ---- what is needed ----

# Looked for once. Names the tools and, as pkg-config knows them, the libraries; installs nothing.
$(B)/.tools:
	@missing=; \
	for tool in $(firstword $(CC)) $(firstword $(CLANG)) $(BPFTOOL) pkg-config; do \
		command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	for lib in $(PKGS); do pkg-config --exists $$lib 2>/dev/null || missing="$$missing $$lib"; done; \
	[ -z "$$missing" ] || { echo "sockhop: missing to build:$$missing" >&2; \
		echo "sockhop: 'make deps' installs it on Debian; elsewhere install the packages with these tools and the" \
			"headers of these libraries" >&2; exit 1; }
	@mkdir -p $(@D) && touch $@

deps: ## install what building and testing need (Debian)
	@tests/deps.sh build test lint install
	@tests/deps.sh qemu || echo "no virtual machines: tests/qemu will be skipped" >&2

# After packages were installed make must look again: in a new process.
again = @+$(MAKE) --no-print-directory

# Changes when other flags are given, and all is built anew. Not with WERROR, which changes no code.
FLAGS_NOW := $(strip $(CC) $(CLANG) $(HOP_CFLAGS) $(LDFLAGS) $(LIBS) $(BPFFLAGS))
ifneq ($(filter-out clean help uninstall,$(or $(MAKECMDGOALS),all)),)
$(shell mkdir -p $(B))
# not by `make -n`
ifeq ($(findstring n,$(firstword -$(MAKEFLAGS))),)
ifneq ($(file <$(B)/.flags),$(FLAGS_NOW))
$(file >$(B)/.flags,$(FLAGS_NOW))
endif
endif
endif

# `make -n` does not write it
$(B)/.flags: ;

# ---- the kernel side ----

ifneq ($(VMLINUX_H),)
$(B)/vmlinux.h: $(VMLINUX_H)
	$(call say,COPY)
	@mkdir -p $(@D)
	$(Q)cp $< $@
else
$(B)/vmlinux.h: $(wildcard $(VMLINUX_BTF)) | $(B)/.tools
	$(call say,BTF)
	@mkdir -p $(@D)
	@[ -r $(VMLINUX_BTF) ] || { echo "sockhop: no BTF in $(VMLINUX_BTF): give VMLINUX_BTF=, a vmlinux with BTF, or" \
		"VMLINUX_H=, what 'bpftool btf dump file VMLINUX format c' made of one" >&2; exit 1; }
	$(Q)$(BPFTOOL) btf dump file $(VMLINUX_BTF) format c >$@
endif

$(B)/bpf/%.o: bpf/%.c $(B)/.flags | $(B)/vmlinux.h $(B)/.tools
	$(call say,BPF)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFFLAGS) $(ERRORS) $(DEPFILE) -c $< -o $@

$(B)/hop.bpf.o: $(BPF_OBJ)
	$(call say,LINK)
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/hop.skel.h: $(B)/hop.bpf.o
$(foreach s,$(ALONE),$(eval $(B)/$(notdir $(s:.bpf.c=.skel.h)): $(B)/$(s:.c=.o)))
# Linked once more, alone as well: that leaves the debug information behind, which is most of it.
$(SKELS): $(B)/%.skel.h:
	$(call say,SKEL)
	$(Q)$(BPFTOOL) gen object $(B)/$*.skel.o $<
	$(Q)$(BPFTOOL) gen skeleton $(B)/$*.skel.o name $*_bpf >$@

$(B)/tests/bench/%.bpf.o: tests/bench/%.bpf.c
	$(call say,BPF)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -O2 -g -target bpf -mcpu=v3 -Wall $(ERRORS) -I/usr/include/$(shell uname -m)-linux-gnu -c $< -o $@

# ---- user space: once as it is, once with sanitizers; the kernel side is the same ----

# FOLDER FLAGS: objects, program and unit tests of one kind
define userspace
$1/%.o: %.c $(B)/.flags | $(SKELS) $(B)/.tools
	$$(call say,CC)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(HOP_CFLAGS) $2 $$(ERRORS) $$(DEPFILE) -c $$< -o $$@

$1/sockhop: $(OBJ:$(B)/%=$1/%)
	$$(call say,LINK)
	$$(Q)$$(CC) $$(CFLAGS) $2 $$(LDFLAGS) $$^ -o $$@ $$(LIBS)

$1/tests/unit/%: tests/unit/%.c $(LIBOBJ:$(B)/%=$1/%)
	$$(call say,CC)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(HOP_CFLAGS) $2 $$(ERRORS) $$(DEPFILE) $$(filter %.c %.o,$$^) -o $$@ $$(LIBS) -lcmocka
endef
$(eval $(call userspace,$(B),))
$(eval $(call userspace,$(B)/asan,$(ASAN_FLAGS)))

# The switches that take rules away (agent/instance/force.h) are in what tests run, and not in what is installed.
$(B)/agent/instance/force.o $(B)/asan/agent/instance/force.o: private HOP_CFLAGS += -DHOP_TEST

$(B)/release/force.o: agent/instance/force.c $(B)/.flags | $(B)/.tools
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOP_CFLAGS) $(ERRORS) $(DEPFILE) -c $< -o $@

$(B)/release/sockhop: $(filter-out %/force.o,$(OBJ)) $(B)/release/force.o
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LIBS)

asan: $(ASAN) ## build/asan/sockhop and unit tests with sanitizers (tests/lab/leaks.bats)

# Without the HTTP server of `sockhop metrics`: libmicrohttpd wants GnuTLS, and that p11-kit, which Debian has as a shared
# library only. So is libsystemd, without which the agent does not tell systemd of itself.
SHARED   := $(filter %/metrics/http.o %/daemon/notify.o,$(OBJ))
ALIKE    := $(B)/static/metrics_http.o $(B)/static/daemon_notify.o

$(B)/static/metrics_http.o: agent/metrics/http.c
$(B)/static/daemon_notify.o: agent/daemon/notify.c
$(ALIKE): $(B)/.flags | $(B)/.tools
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOP_CFLAGS) -DNO_HTTP -DNO_SYSTEMD $(ERRORS) $(DEPFILE) -c $(filter %.c,$^) -o $@

$(B)/static/sockhop: $(filter-out %/force.o $(SHARED),$(OBJ)) $(B)/release/force.o $(ALIKE)
$(B)/static/sockhop-test: $(filter-out $(SHARED),$(OBJ)) $(ALIKE)
# pkg-config names what all formats of libarchive want, much of which is not installed; ours wants zlib.
$(B)/static/sockhop $(B)/static/sockhop-test:
	$(call say,LINK)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -static -Wl,--no-warnings $^ -o $@ -larchive \
		$(shell pkg-config --static --libs $(filter-out libarchive libmicrohttpd libsystemd,$(PKGS))) -lpthread

# ---- test programs: once as they are, some once without shared libraries ----

# What a program of one file is linked with, by what it includes.
libs_of = -lpthread -lm $(shell grep -qs liburing.h $< && echo -luring) $(shell grep -qs bpf/libbpf.h $< && echo -lbpf)

# TARGET PREREQUISITE FLAGS: programs of one file
define program
$1: $2 $(B)/.flags | $(B)/.tools
	$$(call say,CC)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(HOP_CFLAGS) $3 $$(ERRORS) $$(DEPFILE) $$< -o $$@ $$(libs_of)
endef

# FOLDER FLAGS: the behaviour catalogue is one program of several files, and one for each theme of LAB_ALONE.
define catalogue
$1/catalogue: tests/lab/catalogue.c $(LAB_CASES)
$(foreach t,$(LAB_ALONE),$(eval $1/catalogue_$t: tests/lab/catalogue.c tests/lab/cases_common.c tests/lab/cases_$t.c))
$(CATALOGUES:%=$1/%): $1/catalogue%: $(LAB_H) $(B)/.flags | $(B)/.tools
	$$(call say,CC)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(HOP_CFLAGS) $2 $$(ERRORS) $$(if $$*,-DLAB_ONLY=$$(*:_%=%)) $$(filter %.c,$$^) -o $$@ -lpthread -luring
endef

$(eval $(call program,$(B)/tests/%,tests/%.c,))
$(eval $(call program,$(B)/static/%,tests/prog/%.c,-static))
$(eval $(call catalogue,$(B)/tests/lab,))
$(eval $(call catalogue,$(B)/static,-static))

# Go's own idea of copying, for the guests; where there is no compiler they do without.
$(B)/static/gotalk: tests/qemu/gotalk.go
	$(call say,GO)
	@mkdir -p $(@D)
	$(Q)CGO_ENABLED=0 GO111MODULE=off GOCACHE=$(abspath $(B))/go $(GO) build -ldflags "-s -w" -o $@ $<

test-progs: $(UNIT) $(PROGS)

static: $(STATIC) ## build/static/sockhop, which needs no shared libraries; and static test programs

# ---- running ----

# SUITES="cli tcp": only these (tests/run.sh says which there are)
test: ## all tests on the real kernel (root); prints "N passed, N failed"
	@tests/deps.sh build test lint install
	@$(if $(filter qemu,$(or $(SUITES),qemu)),tests/deps.sh qemu || echo "tests/qemu will be skipped" >&2)
	$(again) WERROR=1 all test-progs asan static $(PAGES) $(B)/docs/gen-commands
	@tests/deps.sh fuzz && $(MAKE) --no-print-directory $(FUZZ) || echo "no libFuzzer: tests/fuzz will be skipped" >&2
	tests/run.sh $(SUITES)

# libFuzzer over the parser of hostile files; clang has the runtime in a package of its own.
FUZZ     := $(B)/fuzz/elfscan

$(FUZZ): tests/fuzz/fuzz_elfscan.c agent/program/elf.c agent/program/elf_code.c $(wildcard agent/program/elf*.h) bpf/reasons.h
	$(call say,FUZZ)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(filter-out -O2,$(HOP_CFLAGS)) -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined $(filter %.c,$^) -o $@ -lelf

.PHONY: fuzz
fuzz: ## fuzz the reading of ELF files: SECONDS=60; keeps what it learns in build/fuzz/corpus
	@tests/deps.sh build fuzz
	$(again) $(FUZZ)
	@mkdir -p $(B)/fuzz/corpus
	tests/fuzz/seeds.py $(B)/fuzz/seeds
	cd $(B)/fuzz && ./elfscan -max_total_time=$(or $(SECONDS),60) -max_len=8192 -rss_limit_mb=1024 -timeout=10 corpus seeds

test-qemu: ## boot Debian's 6.1, 6.12 and newest 7.x kernels (QEMU) and test in them, with real programs too; prints tables
	@tests/deps.sh build qemu test
	$(again) all static
	tests/qemu/run.sh
	tests/qemu/run.sh -c
	tests/qemu/run.sh -r
	tests/qemu/run.sh -d 6.12
	tests/qemu/real/host.sh
	tests/qemu/run.sh -t

test-suites: ## test suites of others (CPython, Tornado), whole, plain and under sockhop; prints a table
	@tests/deps.sh build test
	$(again) all
	tests/lab/suites --out $(B)/suites.json

soak: ## random programs and storms for longer: SECONDS=600 each
	@tests/deps.sh build test
	$(again) all test-progs
	LAB_SECONDS=$(or $(SECONDS),600) bats --show-output-of-passing-tests --filter 'random|storm' tests/lab/lab.bats

demo: ## a real workload, plain and under sockhop, in interleaved rounds (root)
	@tests/deps.sh build demo
	$(again) all $(B)/tests/prog/rr
	tests/demo.sh

bench: RUN = tests/bench/bench --out docs/bench/bench
bench: ## all workloads, plain and sockhop and others, interleaved (55 minutes); writes docs/bench
bench-quick: RUN = tests/bench/bench --quick --out $(B)/bench-quick
bench-quick: ## the most important ones (3 minutes); writes build/bench-quick
bench-check: RUN = tests/bench/bench --variants plain,control,sockhop,naive,unix --no-outside --out $(B)/bench-check && \
	tests/bench/check.py $(B)/bench-check.json
bench-check: ## all workloads beside control, naive and Unix socket; fails, with the rows, if one misses its target
bench-scale: RUN = tests/bench/scale --out docs/bench/scale
bench-scale: ## memory, verdict and passes by number of connections; writes docs/bench/scale.json
bench-cost: RUN = tests/bench/cost --out docs/bench/cost
bench-cost: ## allocations, programs' runs and more per message and connection; writes docs/bench/cost.json
bench-relay: RUN = tests/bench/relay.sh
bench-relay: ## `sockhop relay` beside other relays
bench-sidecar: RUN = tests/bench/sidecar.sh
bench-sidecar: ## a service mesh: application, proxy, proxy, application, plain and hopping
bench bench-quick bench-check bench-scale bench-cost bench-relay bench-sidecar:
	@tests/deps.sh build test bench
	$(again) all test-progs $(B)/tests/bench/naive.bpf.o
	$(RUN)

# ---- the sources ----

lint: ## clang-format, cppcheck, shellcheck and tests/arrows.py over the sources
	@tests/deps.sh build lint
	tests/lint.sh

format: ## rewrite the sources in the house style
	clang-format -i $(wildcard bpf/*.[ch] bpf/*/*.[ch] agent/*.[ch] agent/*/*.[ch] cgroup/*.[ch] docs/*.c tests/*/*.[ch])

docs: docs/reasons.md docs/design.md docs-commands ## rewrite the documents that are generated

docs/reasons.md: bpf/reasons.h docs/gen-reasons
	$(call say,DOC)
	$(Q)docs/gen-reasons >$@

$(B)/docs/gen-commands: docs/gen-commands.c $(LIBOBJ)
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOP_CFLAGS) $(ERRORS) $(DEPFILE) $(filter %.c %.o,$^) -o $@ $(LIBS)

# What man pages and completion say about the commands; a command that has no page yet gets one.
docs-commands: $(B)/docs/gen-commands
	@for c in $$($< names); do page=docs/man/sockhop-$$c.8.scd; [ -e $$page ] || $< $$c >$$page; done
	@for f in docs/man/*.scd docs/completion/sockhop.bash; do \
		$< <$$f >$(B)/docs/part || exit 1; cmp -s $(B)/docs/part $$f || cat $(B)/docs/part >$$f; done

docs/design.md: bpf/end.h docs/gen-states
	$(call say,DOC)
	$(Q)docs/gen-states >$@.new && mv $@.new $@

# ---- installing ----

PAGES    := $(patsubst docs/man/%.scd,$(B)/man/%.gz,$(wildcard docs/man/*.scd))

$(B)/man/%.gz: docs/man/%.scd
	$(call say,MAN)
	@mkdir -p $(@D)
	@command -v scdoc >/dev/null || { echo "sockhop: missing to make the man page: scdoc ('make deps' installs it on" \
		"Debian)" >&2; exit 1; }
	$(Q)scdoc <$< | gzip -9n >$@

UNITS    := sockhop@.service sockhop-agent.service sockhop-metrics.service sockhop-metrics.socket
DATA     := sockhop.rules.yml sockhop.dashboard.json

$(UNITS:%=$(B)/%): $(B)/%: docs/examples/% FORCE
	@mkdir -p $(@D)
	@sed 's|/usr/local/sbin|$(SBINDIR)|' $< >$@

.PHONY: man
man: $(PAGES) ## the man pages

install: all man $(UNITS:%=$(B)/%) ## install program, man pages, completion, systemd units, alerts under PREFIX
	install -D -m 0755 $(B)/release/sockhop $(DESTDIR)$(SBINDIR)/sockhop
	install -D -m 0644 -t $(DESTDIR)$(MANDIR)/man8 $(filter %.8.gz,$(PAGES))
	install -D -m 0644 -t $(DESTDIR)$(MANDIR)/man5 $(filter %.5.gz,$(PAGES))
	install -D -m 0644 docs/completion/sockhop.bash $(DESTDIR)$(COMPDIR)/sockhop
	install -D -m 0644 -t $(DESTDIR)$(UNITDIR) $(UNITS:%=$(B)/%)
	install -D -m 0644 -t $(DESTDIR)$(DATADIR) $(DATA:%=docs/examples/%)
	install -D -m 0644 -t $(DESTDIR)$(POLICYDIR) $(POLICIES)

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(SBINDIR)/sockhop $(DESTDIR)$(COMPDIR)/sockhop $(patsubst $(B)/man/%,$(DESTDIR)$(MANDIR)/man8/%,$(filter %.8.gz,$(PAGES))) \
		$(patsubst $(B)/man/%,$(DESTDIR)$(MANDIR)/man5/%,$(filter %.5.gz,$(PAGES))) \
		$(UNITS:%=$(DESTDIR)$(UNITDIR)/%) $(DATA:%=$(DESTDIR)$(DATADIR)/%) $(POLICIES:docs/policies/%=$(DESTDIR)$(POLICYDIR)/%)
	! [ -d $(DESTDIR)$(POLICYDIR) ] || rmdir --ignore-fail-on-non-empty $(DESTDIR)$(POLICYDIR)
	! [ -d $(DESTDIR)$(DATADIR) ] || rmdir --ignore-fail-on-non-empty $(DESTDIR)$(DATADIR)

.PHONY: deb rpm oci
deb: ## a Debian package, in build/deb (packages it needs: tests/deps.sh build install package)
	docs/packages/build.sh deb $(abspath $(B))/deb

rpm: ## an rpm package, in build/rpm
	docs/packages/build.sh rpm $(abspath $(B))/rpm

oci: $(B)/static/sockhop ## an OCI image without a shell, in build/oci (tests/deps.sh build oci)
	docs/packages/oci.sh $< $(B)/oci

clean: ## remove build/
	rm -rf $(B)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 14

-include $(shell [ ! -d $(B) ] || find $(B) -name '*.d' -type f)
