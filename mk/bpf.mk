# BPF objects and their skeletons. Hot-path code: -O2 and the newest instruction set that 5.10 has.
SKELS := $(BUILD)/vcpu_life.skel.h $(BUILD)/kvm_exit.skel.h $(BUILD)/mmu.skel.h

BPF_CLANG ?= clang
BPF_STRIP ?= llvm-strip
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
BPF_CFLAGS := -g -O2 -Wall -Wextra -Werror -Wno-unused-parameter -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 \
	-Iinclude -I/usr/include/$(shell uname -m)-linux-gnu

$(BUILD)/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) include/exitstat/abi.h mk/bpf.mk
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPF_CLANG) $(BPF_CFLAGS) -c $< -o $@.tmp && $(BPF_STRIP) -g $@.tmp && mv $@.tmp $@

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@.tmp && mv $@.tmp $@

.PRECIOUS: $(BUILD)/%.bpf.o
