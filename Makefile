# Fanlight: one flat build.
#
#   make run        install what is missing, build, start with the defaults of --dev
#   make test       install what is missing for the tests, run every test, end with "N passed, N failed"
#   make            build only           make lint | format | bench | fuzz | web | clean
#   make test-c     unit tests only      make build/tests/unit/base_cursor   one of them
#   make install    [PREFIX=/usr/local] [DESTDIR=]          make uninstall
#
#   B=DIR           build directory (default: build, or build/<sanitizers>)
#   CC=clang        another compiler
#   SANITIZE=address,undefined | thread
#   DEBUG=1         -O0
#   STAGES="lint unit system web e2e"    what `make test` runs;   T=PATTERN   only tests whose name contains it
#
# Nothing here needs more than make and git to be parsed: `make deps` installs the rest.

SHELL       := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

SANITIZE    ?=
empty       :=
space       := $(empty) $(empty)
comma       := ,
B           ?= build$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))
PREFIX      ?= /usr/local
SYSCONFDIR  ?= $(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc)
DESTDIR     ?=
STAGES      ?=
T           ?=

# a newer Node than Debian's, if make deps had to fetch one
export PATH := $(CURDIR)/build/node/node_modules/.bin:$(PATH)

# ---- flags -------------------------------------------------------------------
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)
PKGS        := libsrtp2 nice openssl usrsctp libmicrohttpd jansson libconfig libprotobuf-c libjwt zlib gnutls
# libipsec-mb has no .pc file either, and is for amd64 only; IPSECMB= builds without it
# asked once, and only when something is compiled: `make deps all` installs the answers first
IPSECMB      = $(eval IPSECMB := $(shell echo '_Static_assert(IMB_VERSION_NUM >= 0x10300, "too old");' | \
               $(CC) -fsyntax-only -include intel-ipsec-mb.h -x c - 2>/dev/null && echo yes))$(IPSECMB)
PKG_CFLAGS   = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) || echo -DRUN_MAKE_DEPS_FIRST))$(PKG_CFLAGS)
PKG_LIBS     = $(eval PKG_LIBS := $(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)
WARN        := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith \
               -Wwrite-strings -Wundef
OPT         := $(if $(DEBUG),-O0,-O2)
SANFLAGS    := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer \
               $(if $(findstring undefined,$(SANITIZE)),-fno-sanitize-recover=undefined))
CFLAGS      ?=
LDFLAGS     ?=
BASE_CFLAGS  = -std=gnu17 -g $(OPT) $(WARN) -fno-common -fstack-protector-strong -D_GNU_SOURCE -Isrc -Iinclude \
               -Itests -I$(B)/gen $(if $(IPSECMB),-DSRTP_IPSECMB=1) $(CFLAGS)
ALL_CFLAGS   = $(BASE_CFLAGS) $(PKG_CFLAGS) $(SANFLAGS)
ALL_LDFLAGS := -Wl,-z,relro,-z,now -Wl,--as-needed $(SANFLAGS) $(LDFLAGS)
# wslay has no .pc file
SYS_LIBS     = -lwslay $(if $(IPSECMB),-lIPSec_MB) -lpthread -ldl -lm

# ---- sources -----------------------------------------------------------------
LAYERS      := tests/lint/layers
FOLDERS     := $(shell awk -F: '/^[a-z]/{print $$1}' $(LAYERS))
# closure of FOLDERS: they and all that they may reach, highest first (link order)
closure      = $(shell awk -F: -v want="$(1)" '/^[a-z]/{n[++k]=$$1; d[$$1]=$$2} END{m=split(want,a," "); \
               for(j=1;j<=m;j++) w[a[j]]=1; for(i=k;i>0;i--) if(w[n[i]]){printf "%s ", n[i]; \
               m=split(d[n[i]],a," "); for(j=1;j<=m;j++) w[a[j]]=1}}' $(LAYERS))

PROTOS      := $(wildcard src/proto/*.proto)
GEN_C       := $(PROTOS:src/proto/%.proto=$(B)/gen/proto/%.pb-c.c)
GEN_H       := $(GEN_C:.c=.h)
# folders that may include generated headers: their objects wait for protoc-c
GEN_USERS   := $(foreach f,$(FOLDERS),$(if $(filter proto,$(call closure,$(f))),$(f)))
SUPPORT     := $(wildcard tests/support/*.c) $(filter-out tests/net/fanlight-link.c,$(wildcard tests/net/*.c))

# what a test program links, beside its own object: the folder in its file name, or those of its first line
# "// link: folder folder"
link_line    = $(shell sed -n '1s,^// link:,,p' $(1))
UNIT_SRC    := $(wildcard tests/unit/*.c)
UNIT        := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/unit/%)
FUZZ_SRC    := $(wildcard tests/fuzz/*.c)
FUZZ        := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%)
TOOL_SRC    := $(wildcard tests/tools/*.c)
TOOLS       := $(TOOL_SRC:%.c=$(B)/%)
NET_LINK    := tests/net/fanlight-link
BENCH_SRC   := $(wildcard bench/*.c)
# those that people run for themselves are fanlight-floor and fanlight-load
bench_bin    = $(B)/$(if $(filter floor load,$(1)),fanlight-$(1),bench/$(1))
BENCH       := $(foreach t,$(BENCH_SRC:bench/%.c=%),$(call bench_bin,$(t)))
BENCH_PARTS := $(filter-out bench/owners/%,$(wildcard bench/*/*.c))
OWNERS      := $(B)/bench/owners.so

.PHONY: all run deps deps-test deps-bench test test-c test-programs lint format bench install uninstall clean web \
        fuzz fuzz-build FORCE
all: $(B)/fanlight

# ---- compile -----------------------------------------------------------------
# every object depends on the flags it was made with
$(B)/gen/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(BASE_CFLAGS) $(SANFLAGS)' | cmp -s - $@ || echo '$(CC) $(BASE_CFLAGS) $(SANFLAGS)' >$@

$(B)/obj/%.o: %.c $(B)/gen/flags
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(ALL_CFLAGS) $(VERSION_FLAG) -MMD -MP -c $< -o $@

# files that say FL_VERSION are compiled again when it changes; nothing else is
VERSIONED   := $(shell grep -rl --include='*.c' FL_VERSION src 2>/dev/null)
$(VERSIONED:%.c=$(B)/obj/%.o): VERSION_FLAG := -DFL_VERSION='"$(VERSION)"'
$(VERSIONED:%.c=$(B)/obj/%.o): $(B)/gen/version
$(B)/gen/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@

$(B)/gen/proto/%.pb-c.c $(B)/gen/proto/%.pb-c.h: src/proto/%.proto
	@mkdir -p $(B)/gen/proto
	@echo "  GEN  $<"
	@protoc-c --c_out=$(B)/gen/proto -Isrc/proto $<
$(GEN_C) $(GEN_H): $(PROTOS)
# generated code is not ours to lint
$(B)/obj/gen/%.o: $(B)/gen/%.c $(GEN_H) $(B)/gen/flags
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -w -MMD -MP -c $< -o $@

$(B)/obj/src/main.o $(patsubst %.c,$(B)/obj/%.o,$(SUPPORT) $(TOOL_SRC) $(BENCH_SRC) $(BENCH_PARTS) \
    $(foreach f,$(GEN_USERS) bench,$(wildcard src/$(f)/*.c tests/unit/$(f)_*.c))): | $(GEN_H)

# ---- an archive a folder -------------------------------------------------------
objs         = $(patsubst %.c,$(B)/obj/%.o,$(wildcard src/$(1)/*.c)) \
               $(if $(filter proto,$(1)),$(patsubst $(B)/%.c,$(B)/obj/%.o,$(GEN_C)))
archives     = $(foreach f,$(call closure,$(1)),$(B)/lib/$(f).a)

# the .list notices a file that is gone
define folder_rule
$(B)/lib/$(1).list: FORCE
	@mkdir -p $$(@D)
	@echo '$(2)' | cmp -s - $$@ || echo '$(2)' >$$@
$(B)/lib/$(1).a: $(B)/lib/$(1).list $(2)
	@rm -f $$@ && ar rcs $$@ $$(filter %.o,$$^)
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rule,$(f),$(strip $(call objs,$(f))))))
$(eval $(call folder_rule,support,$(SUPPORT:%.c=$(B)/obj/%.o)))
$(eval $(call folder_rule,bench,$(BENCH_PARTS:%.c=$(B)/obj/%.o)))

$(B)/fanlight: $(B)/obj/src/main.o $(FOLDERS:%=$(B)/lib/%.a)
	@echo "  LD   $@"
	@$(CC) $(ALL_LDFLAGS) -rdynamic $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS) $(SYS_LIBS) -o $@

# preloaded into a server: whose memory is it?
$(OWNERS): bench/owners/owners.c $(B)/gen/flags
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) -std=gnu17 -O2 $(WARN) -D_GNU_SOURCE -fPIC -shared $< -o $@

# ---- programs of tests/unit, tests/tools, bench -----------------------------------------------
# program_rule: program, object, archives, libraries
define program_rule
$(1): $(2) $(3)
	@mkdir -p $$(@D)
	@echo "  LD   $$@"
	@$$(CC) $$(ALL_LDFLAGS) -Wl,-E $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(PKG_LIBS) $(4) $$(SYS_LIBS) -o $$@
endef
# a unit test links its folder, what that folder may use, and the helpers of tests/support that it calls; one of
# bench/ links the parts of bench/, and the folders of its first line
unit_archives = $(if $(filter bench_%,$(1)),$(B)/lib/bench.a $(call archives,$(call link_line,tests/unit/$(1).c)),\
               $(call archives,$(firstword $(subst _, ,$(1)))))
$(foreach t,$(UNIT_SRC:tests/unit/%.c=%),$(eval $(call program_rule,$(B)/tests/unit/$(t),$(B)/obj/tests/unit/$(t).o,\
    $(B)/lib/support.a $(call unit_archives,$(t)),-lcmocka)))
$(foreach t,$(TOOL_SRC),$(eval $(call program_rule,$(t:%.c=$(B)/%),$(t:%.c=$(B)/obj/%.o),\
    $(call archives,$(call link_line,$(t))),)))
# the proxy around the link emulator
$(eval $(call program_rule,$(B)/$(NET_LINK),$(B)/obj/$(NET_LINK).o,\
    $(B)/lib/support.a $(call archives,$(call link_line,$(NET_LINK).c)),))
# a bench program also links the parts in folders of bench/ that it calls
$(foreach t,$(filter-out net,$(BENCH_SRC:bench/%.c=%)),$(eval $(call program_rule,$(call bench_bin,$(t)),\
    $(B)/obj/bench/$(t).o,$(B)/lib/bench.a $(call archives,$(call link_line,bench/$(t).c)),)))
# the network scenarios are those of the tests, with their helpers
$(eval $(call program_rule,$(B)/bench/net,$(B)/obj/bench/net.o,\
    $(B)/lib/support.a $(call archives,$(call link_line,bench/net.c)),-lcmocka))

# ---- fuzz targets: clang, their own objects ---------------------------------------
FB          := $(B)/fuzz
FUZZ_CFLAGS  = -std=gnu17 -g -O1 -fno-omit-frame-pointer -D_GNU_SOURCE -DFL_VERSION='"$(VERSION)"' -Isrc -Iinclude \
               -I$(B)/gen -Itests $(if $(IPSECMB),-DSRTP_IPSECMB=1) $(PKG_CFLAGS) \
               -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
$(FB)/obj/%.o: %.c
	@mkdir -p $(@D)
	@clang $(FUZZ_CFLAGS) -w -MMD -MP -c $< -o $@
$(FB)/obj/gen/%.o: $(B)/gen/%.c $(GEN_H)
	@mkdir -p $(@D)
	@clang $(FUZZ_CFLAGS) -w -MMD -MP -c $< -o $@
fuzz_objs    = $(patsubst $(B)/obj/%,$(FB)/obj/%,$(foreach f,$(call closure,$(1)),$(call objs,$(f))))
define fuzz_rule
$(FB)/$(1): $(FB)/obj/tests/fuzz/$(1).o $(2)
	@echo "  LD   $$@"
	@clang -fsanitize=fuzzer,address,undefined $$(filter %.o,$$^) $$(PKG_LIBS) $$(SYS_LIBS) -o $$@
endef
$(foreach t,$(FUZZ_SRC:tests/fuzz/%.c=%),$(eval $(call fuzz_rule,$(t),$(call fuzz_objs,$(call link_line,tests/fuzz/$(t).c)))))
$(patsubst %.c,$(FB)/obj/%.o,$(FUZZ_SRC) $(foreach f,$(GEN_USERS),$(wildcard src/$(f)/*.c))): | $(GEN_H)

fuzz-build: $(FUZZ)
fuzz: fuzz-build
	@tests/fuzz/run $(B) $(FUZZ_SRC:tests/fuzz/%.c=%)

# ---- what a person calls ------------------------------------------------------
deps:
	@tests/deps/install
deps-test:
	@tests/deps/install --test
# the peer that bench/compare runs beside the server, and what draws
deps-bench:
	@tests/deps/install --bench
	@bench/janus/build-srtp build/janus-srtp

# pkg-config and protoc-c may be installed by `deps`, so the build that needs them is a second make
run: deps
	@$(MAKE) --no-print-directory -j$$(nproc) all web
	@exec $(B)/fanlight --dev $(ARGS)

# the server sends what stands compressed beside a file and compresses nothing itself; gzip keeps the file's time
web: web/dist/index.html.gz
	@:
web/dist/index.html.gz: web/dist/index.html
	@find web/dist -type f -regex '.*\.\(html\|js\|css\|svg\|json\|webmanifest\)' -exec gzip -9 -n -k -f {} +
web/dist/index.html: $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print 2>/dev/null)
	@echo "  WEB  web/dist"
	@cd web && npm run --silent build && touch dist/index.html

# tests/run builds nothing: what it runs is built here first
test: deps-test
	@$(MAKE) --no-print-directory -j$$(nproc) $(if $(filter web e2e system,$(or $(STAGES),web)),web) test-programs
	@SANITIZE=$(SANITIZE) T='$(T)' tests/run $(B) $(STAGES)
test-c: test-programs
	@SANITIZE=$(SANITIZE) T='$(T)' tests/run $(B) unit
test-programs: $(UNIT) $(TOOLS) $(B)/$(NET_LINK) $(if $(wildcard src/main.c),$(B)/fanlight) $(B)/fanlight-load

lint: $(GEN_H)
	@tests/lint/run $(B)
format:
	@clang-format -i $$(git ls-files -co --exclude-standard 'src/*.[ch]' 'include/*.h' 'plugins/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]')

bench: deps
	@$(MAKE) --no-print-directory -j$$(nproc) all bench-programs
	@B=$(B) bench/run
# all shapes, five pairs of each, the plot: an hour
bench-compare: deps deps-bench
	@$(MAKE) --no-print-directory -j$$(nproc) all bench-programs
	@B=$(B) bench/compare --results bench/results.json --plot bench/cpu-per-packet.svg $(ARGS)
# what viewers see on bad networks, in virtual time: bench/net.json and the plots in bench/net/
bench-net: deps-test deps-bench
	@$(MAKE) --no-print-directory -j$$(nproc) $(B)/bench/net
	@B=$(B) bench/net/run
.PHONY: bench-programs bench-compare bench-net
bench-programs: $(BENCH) $(OWNERS)

clean:
	@rm -rf $(B) web/dist

# ---- install -----------------------------------------------------------------
BINDIR      := $(DESTDIR)$(PREFIX)/bin
SHAREDIR    := $(DESTDIR)$(PREFIX)/share/fanlight
DOCDIR      := $(DESTDIR)$(PREFIX)/share/doc/fanlight
LIBDIR      := $(DESTDIR)$(PREFIX)/lib
CONFDIR     := $(DESTDIR)$(SYSCONFDIR)/fanlight

install: all web
	@install -d $(BINDIR) $(SHAREDIR) $(DOCDIR) $(CONFDIR) $(LIBDIR)/systemd/system $(LIBDIR)/sysusers.d $(LIBDIR)/sysctl.d
	@install -m 755 $(B)/fanlight $(BINDIR)/fanlight
	@rm -rf $(SHAREDIR)/web && cp -r --preserve=timestamps web/dist $(SHAREDIR)/web && chmod -R u=rwX,go=rX $(SHAREDIR)/web
	@install -m 644 README.md LICENSE conf/fanlight.conf $(DOCDIR)
	@sed 's,/usr/local/,$(PREFIX)/,; s,/etc/fanlight,$(SYSCONFDIR)/fanlight,' systemd/fanlight.service >$(LIBDIR)/systemd/system/fanlight.service
	@chmod 644 $(LIBDIR)/systemd/system/fanlight.service
	@install -m 644 systemd/sysusers.d/fanlight.conf $(LIBDIR)/sysusers.d/fanlight.conf
	@install -m 644 systemd/sysctl.d/fanlight.conf $(LIBDIR)/sysctl.d/60-fanlight.conf
	@[ -e $(CONFDIR)/fanlight.conf ] || install -m 640 conf/fanlight.conf $(CONFDIR)/fanlight.conf
	@[ -n '$(DESTDIR)' ] || systemd/after-install $(SYSCONFDIR)/fanlight

# the configuration stays if somebody changed it
uninstall:
	@rm -f $(BINDIR)/fanlight $(LIBDIR)/systemd/system/fanlight.service $(LIBDIR)/sysusers.d/fanlight.conf \
	    $(LIBDIR)/sysctl.d/60-fanlight.conf
	@cmp -s $(DOCDIR)/fanlight.conf $(CONFDIR)/fanlight.conf && rm $(CONFDIR)/fanlight.conf || \
	    { [ ! -e $(CONFDIR)/fanlight.conf ] || echo "kept: $(CONFDIR)/fanlight.conf"; }
	@rm -rf $(SHAREDIR) $(DOCDIR)
	@rmdir --ignore-fail-on-non-empty $(CONFDIR) 2>/dev/null || true
	@[ -z '$(DESTDIR)' ] || find $(DESTDIR) -depth -type d -empty -delete

-include $(shell find $(B)/obj $(FB)/obj -name '*.d' 2>/dev/null)
FORCE:
