# SPDX-License-Identifier: GPL-2.0-only
#
# Everything built goes to build/. mk/*.mk add to the lists that stand under
# "For mk/*.mk"; sources are grouped by file name, so a new file needs no line here.

VERSION	:= 0.1.0
PREFIX	?= /usr/local
DESTDIR	?=
SBINDIR	?= $(PREFIX)/sbin
BINDIR	?= $(PREFIX)/bin
MANDIR	?= $(PREFIX)/share/man
BUILD	:= build

CC	?= cc
PKGCONF	?= pkg-config
WERROR	?= -Werror
OPTIM	?= -O2 -g
CFLAGS	?=
LDFLAGS	?=

Q	:= $(if $(filter 1,$(V)),,@)
say	= $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$(2))')

ES_CFLAGS := -std=gnu11 $(OPTIM) -Wall -Wextra $(WERROR) -fno-common -fstack-protector-strong -fPIE \
	     -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -DES_VERSION='"$(VERSION)"' -Iinclude -I$(BUILD) $(CFLAGS)
ES_LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)
# A sanitizer brings its own memcpy checks, and FORTIFY would hide what it should see.
SAN	:= -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ASAN_CFLAGS = $(subst -D_FORTIFY_SOURCE=2,,$(ES_CFLAGS)) -O1 $(SAN)
ASAN_LDFLAGS = $(ES_LDFLAGS) $(SAN)

# pkg-config is asked once, and only if something has to be compiled or linked.
memo	= $(eval $(1) := $(2))$($(1))
LIB_CFLAGS = $(call memo,LIB_CFLAGS,$(filter -I%,$(shell $(PKGCONF) --cflags $(DAEMON_PKGS) $(CLI_PKGS) 2>/dev/null)))
CLI_PKGS := jansson ncursesw
DAEMON_PKGS := jansson libsystemd libbpf libelf libmicrohttpd libseccomp zlib
CLI_LIBS = $(call memo,CLI_LIBS,$(shell $(PKGCONF) --libs $(CLI_PKGS)) -lm)
DAEMON_LIBS = $(call memo,DAEMON_LIBS,$(shell $(PKGCONF) --libs $(DAEMON_PKGS)) -lm)
TEST_LIBS = $(call memo,TEST_LIBS,$(shell $(PKGCONF) --libs cmocka) $(DAEMON_LIBS) $(CLI_LIBS))

CLI_SRC	:= $(wildcard src/cli*.c src/cmd_*.c src/render_*.c src/report_*.c src/tui_*.c)
DAEMON_SRC := $(wildcard $(addprefix src/,exitstatd.c collector.c keeper*.c loader*.c sampler*.c store.c identity.c \
	      server.c metrics*.c config.c replay.c uevent.c log.c daemon_*.c))
COMMON_SRC := $(filter-out $(CLI_SRC) $(DAEMON_SRC),$(wildcard src/*.c))
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_HELP_SRC := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))

objs	= $(patsubst %.c,$(BUILD)/$(1)obj/%.o,$(2))
PROGS	:= $(if $(wildcard src/exitstatd.c),$(BUILD)/exitstatd) $(if $(wildcard src/cli.c),$(BUILD)/exitstat)
MAN	:= $(patsubst man/%.scd,$(BUILD)/man/%,$(wildcard man/*.scd))
UNIT	:= $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
ASAN_UNIT := $(patsubst tests/unit/%.c,$(BUILD)/asan/unit/%,$(UNIT_SRC))
ASAN_PROGS := $(patsubst $(BUILD)/%,$(BUILD)/asan/%,$(PROGS))

# For mk/*.mk. SKELS: skeletons the daemon is compiled with. ALL_EXTRA: built by `all`.
# TEST_EXTRA: built before tests/run. DEMO: what `make demo` runs.
SKELS	:=
ALL_EXTRA :=
TEST_EXTRA :=
DEMO	:= scripts/demo

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

-include $(sort $(wildcard mk/*.mk))

# Who asks for a check or a demo waits for it: all CPUs, unless -j was given.
PARALLEL = --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: all check demo install uninstall lint fmt clean help test-programs asan
all: $(PROGS) $(MAN) $(ALL_EXTRA) ## build the daemon, the client and the man pages (default)

test-programs: all asan $(UNIT) $(ASAN_UNIT) $(TEST_EXTRA)
asan: $(ASAN_PROGS) ## the programs with ASan and UBSan, in build/asan/

## install what is missing, build, run every test; check-SUITE for one (unit, e2e, browser, bpf, lab, matrix, kernel, deb)
check:
	$(Q)scripts/deps build check browser lab
	$(Q)$(MAKE) $(PARALLEL) test-programs
	$(Q)tests/run

check-%:
	$(Q)scripts/deps build check $(if $(filter lab% matrix%,$*),lab) $(if $(filter browser%,$*),browser) $(if $(filter kernel%,$*),lab kernel) $(if $(filter deb%,$*),deb)
	$(Q)$(MAKE) $(PARALLEL) test-programs
	$(if $(filter kernel%,$*),$(KERNEL_BUILD))
	$(Q)tests/run $*

demo: ## see it work: on this host's guests, or on real KVM guests in an emulated host
	$(Q)scripts/deps build lab
	$(Q)$(MAKE) $(PARALLEL) all $(TEST_EXTRA)
	$(Q)$(DEMO)

lint: ## formatting, static analysis, shell scripts, boundaries between the parts
	$(Q)scripts/deps build lint
	$(Q)$(MAKE) $(PARALLEL) all
	$(Q)scripts/lint

fmt: ## format the C sources
	$(Q)scripts/lint --fix

man_dst	= $(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(1)))/$(notdir $(1))
install: all ## install to PREFIX (/usr/local), below DESTDIR
	$(Q)install -d '$(DESTDIR)$(SBINDIR)' '$(DESTDIR)$(BINDIR)'
	$(Q)install -m 755 $(BUILD)/exitstatd '$(DESTDIR)$(SBINDIR)/exitstatd'
	$(Q)install -m 755 $(BUILD)/exitstat '$(DESTDIR)$(BINDIR)/exitstat'
	$(Q)set -e$(foreach m,$(MAN),; install -D -m 644 $(m) '$(call man_dst,$(m))')

uninstall: ## take away what install put there
	$(Q)rm -f '$(DESTDIR)$(SBINDIR)/exitstatd' '$(DESTDIR)$(BINDIR)/exitstat' $(foreach m,$(MAN),'$(call man_dst,$(m))')

clean: ## remove build/
	$(Q)rm -rf $(BUILD)

help: ## this list
	@printf 'make [V=1] [PREFIX=%s] TARGET\n' '$(PREFIX)'
	@awk '/^## /{n=substr($$0,4)} /^[a-z][a-z-]*:/{t=$$1; sub(":.*","",t); \
		if (match($$0,/## .*/)) n=substr($$0,RSTART+3); if (n!="") printf "  %-10s %s\n",t,n; n=""}' Makefile mk/*.mk

# --- rules ---

# One line for a machine that lacks something, instead of a compiler's hundred.
NEED_TOOLS := $(CC) $(BPF_CLANG) $(BPF_STRIP) $(BPFTOOL) scdoc $(PKGCONF)
$(SKELS) $(SKELS:.skel.h=.bpf.o): | $(BUILD)/.tools
$(BUILD)/.tools:
	$(Q)mkdir -p $(BUILD); PATH=$$PATH:/usr/sbin:/sbin; missing=; \
	for t in $(NEED_TOOLS); do command -v $$t >/dev/null || missing="$$missing $$t"; done; \
	if command -v $(PKGCONF) >/dev/null; then for p in $(DAEMON_PKGS) $(CLI_PKGS); do \
		$(PKGCONF) --exists $$p || missing="$$missing $$p"; done; fi; \
	if [ -n "$$missing" ]; then \
		echo "exitstat: cannot build, missing:$$missing; run scripts/deps build" >&2; exit 1; fi; \
	touch $@

# Objects are rebuilt when the flags change. Compared by make itself, so that an
# up-to-date tree may be read-only and costs no process.
FLAGS_NOW := $(CC) $(ES_CFLAGS) | $(ES_LDFLAGS)
ifneq ($(file <$(BUILD)/.flags),$(FLAGS_NOW))
.PHONY: $(BUILD)/.flags
endif
$(BUILD)/.flags: export ES_FLAGS_NOW := $(FLAGS_NOW)
$(BUILD)/.flags:
	$(Q)mkdir -p $(BUILD); printf '%s\n' "$$ES_FLAGS_NOW" >$@

define compile
$(call say,$(1),$@)
$(Q)mkdir -p $(@D)
$(Q)$(CC) $(2) $(LIB_CFLAGS) -MMD -MP -c -o $@ $<
endef
define link
$(call say,$(1),$@)
$(Q)mkdir -p $(@D)
$(Q)$(CC) $(2) -o $@ $(filter %.o %.a,$^) $(3)
endef
define archive
$(call say,AR,$@)
$(Q)rm -f $@; $(AR) rcs $@ $(filter %.o,$^)
endef

$(BUILD)/obj/%.o: %.c $(BUILD)/.flags | $(BUILD)/.tools
	$(call compile,CC,$(ES_CFLAGS))
$(BUILD)/asan/obj/%.o: %.c $(BUILD)/.flags | $(BUILD)/.tools
	$(call compile,CC,$(ASAN_CFLAGS))

# variant(prefix below build/, compile flags, link flags)
define variant
$(call objs,$(1),$(DAEMON_SRC)): | $(SKELS)
$(BUILD)/$(1)libexitstat.a: $(call objs,$(1),$(COMMON_SRC))
	$$(archive)
# Tests take what they need from these; the programs are linked from the objects.
$(BUILD)/$(1)libdaemon.a: $(call objs,$(1),$(filter-out src/exitstatd.c,$(DAEMON_SRC)))
	$$(archive)
$(BUILD)/$(1)libcli.a: $(call objs,$(1),$(filter-out src/cli.c,$(CLI_SRC)))
	$$(archive)
$(BUILD)/$(1)exitstatd: $(call objs,$(1),$(DAEMON_SRC)) $(BUILD)/$(1)libexitstat.a
	$$(call link,LD,$(2),$$(DAEMON_LIBS))
$(BUILD)/$(1)exitstat: $(call objs,$(1),$(CLI_SRC)) $(BUILD)/$(1)libexitstat.a
	$$(call link,LD,$(2),$$(CLI_LIBS))
$(BUILD)/$(1)unit/%: $(BUILD)/$(1)obj/tests/unit/%.o $(call objs,$(1),$(UNIT_HELP_SRC)) \
		$(BUILD)/$(1)libcli.a $(BUILD)/$(1)libdaemon.a $(BUILD)/$(1)libexitstat.a
	$$(call link,LD,$(2),$$(TEST_LIBS))
endef
$(eval $(call variant,,$$(ES_LDFLAGS)))
$(eval $(call variant,asan/,$$(ASAN_LDFLAGS)))

$(BUILD)/man/%: man/%.scd | $(BUILD)/.tools
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scdoc <$< >$@

-include $(wildcard $(BUILD)/obj/*/*.d $(BUILD)/obj/*/*/*.d $(BUILD)/asan/obj/*/*.d $(BUILD)/asan/obj/*/*/*.d)
