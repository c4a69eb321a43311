# Fanlight: one flat build.  make run | make test | make bench | make lint | make install
#
#   B=DIR            build directory (default: build)
#   CC=clang         another compiler
#   SANITIZE=address,undefined | thread    goes to a build directory of its own
#   DEBUG=1          -O0

SHELL       := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)
SANITIZE    ?=
empty       :=
space       := $(empty) $(empty)
comma       := ,
B           ?= build$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))

PREFIX      ?= /usr/local
DESTDIR     ?=

# ---- flags -------------------------------------------------------------------
PKGS        := libsrtp2 nice openssl usrsctp libmicrohttpd jansson libconfig libprotobuf-c libwslay libjwt zlib libsystemd gnutls
WARN        := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith -Wwrite-strings -Wundef
OPT         := $(if $(DEBUG),-O0,-O2)
SANFLAGS    := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer $(if $(findstring undefined,$(SANITIZE)),-fno-sanitize-recover=undefined))
CFLAGS      ?=
PKG_CFLAGS   = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
ALL_CFLAGS   = -std=gnu17 -g $(OPT) $(WARN) -fno-common -fstack-protector-strong -D_GNU_SOURCE -DFL_VERSION='"$(VERSION)"' \
               -Isrc -Iinclude -I$(B)/gen $(PKG_CFLAGS) $(SANFLAGS) $(CFLAGS)
PKG_LIBS     = $(shell pkg-config --libs $(PKGS) 2>/dev/null)
LDFLAGS     ?=
ALL_LDFLAGS  = -Wl,-z,relro,-z,now $(SANFLAGS) $(LDFLAGS)

# ---- sources -----------------------------------------------------------------
LAYERS      := tests/lint/layers
FOLDERS     := $(shell awk -F: '/^[a-z]/{print $$1}' $(LAYERS))
# closure of FOLDER: itself and all that it may reach, highest first (link order)
closure      = $(shell awk -F: -v want=$(1) '/^[a-z]/{n[++k]=$$1; d[$$1]=$$2} END{w[want]=1; for(i=k;i>0;i--) if(w[n[i]]){printf "%s ", n[i]; m=split(d[n[i]],a," "); for(j=1;j<=m;j++) w[a[j]]=1}}' $(LAYERS))

SRCS        := $(foreach f,$(FOLDERS),$(wildcard src/$(f)/*.c))
PROTOS      := $(wildcard src/proto/*.proto)
GEN_C       := $(PROTOS:src/proto/%.proto=$(B)/gen/proto/%.pb-c.c)
GEN_H       := $(GEN_C:.c=.h)
objs         = $(patsubst %.c,$(B)/obj/%.o,$(wildcard src/$(1)/*.c)) $(if $(filter proto,$(1)),$(GEN_C:.c=.o))
archive      = $(B)/lib/$(1).a
archives     = $(foreach f,$(call closure,$(1)),$(call archive,$(f)))

UNIT_SRC    := $(wildcard tests/unit/*.c)
UNIT        := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/unit/%)
FUZZ_SRC    := $(wildcard tests/fuzz/*.c)
FUZZ        := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%)

.PHONY: all run test test-c lint format bench install uninstall deps clean web fuzz FORCE
all: $(B)/fanlight

$(B)/obj/%.o: %.c $(GEN_H)
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# generated protobuf code is not ours to lint
$(B)/gen/proto/%.pb-c.c $(B)/gen/proto/%.pb-c.h &: src/proto/%.proto
	@mkdir -p $(B)/gen/proto
	@echo "  GEN  $<"
	@protoc-c --c_out=$(B)/gen/proto -Isrc/proto $<
$(B)/gen/proto/%.o: $(B)/gen/proto/%.c
	@$(CC) $(ALL_CFLAGS) -w -MMD -MP -c $< -o $@

define folder_rule
$(call archive,$(1)): $(call objs,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rule,$(f))))

$(B)/fanlight: $(B)/obj/src/main.o $(foreach f,$(FOLDERS),$(call archive,$(f)))
	@echo "  LD   $@"
	@$(CC) $(ALL_LDFLAGS) -rdynamic $< -Wl,--start-group $(foreach f,$(FOLDERS),$(call archive,$(f))) -Wl,--end-group $(PKG_LIBS) -lpthread -ldl -lm -o $@

# a unit test links its folder and what that folder may use, nothing else
define unit_rule
$(B)/tests/unit/$(1): $(B)/obj/tests/unit/$(1).o $(call archives,$(firstword $(subst _, ,$(1))))
	@mkdir -p $$(@D)
	@echo "  LD   $$@"
	@$$(CC) $$(ALL_LDFLAGS) -Wl,-E $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(PKG_LIBS) -lcmocka -lpthread -lm -o $$@
endef
$(foreach t,$(UNIT_SRC:tests/unit/%.c=%),$(eval $(call unit_rule,$(t))))

-include $(shell find $(B) -name '*.d' 2>/dev/null)
FORCE:
