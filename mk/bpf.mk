# BPF objects and their skeletons. Hot-path code: -O2 and the newest instruction set that 5.10 has.
# NAME_raw is NAME for a KVM without type information: see bpf/compat.h.
SKELS := $(patsubst %,$(BUILD)/%.skel.h,vcpu_life kvm_exit kvm_exit_raw mmu mmu_raw nested nested_raw)

BPF_CLANG ?= clang
BPF_STRIP ?= llvm-strip
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
BPF_CFLAGS := -g -O2 -Wall -Wextra -Werror -Wno-unused-parameter -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 \
	-Iinclude -I/usr/include/$(shell uname -m)-linux-gnu

BPF_HEADERS := $(wildcard bpf/*.h) include/exitstat/abi.h mk/bpf.mk
define bpf_object
$(call say,BPF,$@)
$(Q)mkdir -p $(@D)
$(Q)$(BPF_CLANG) $(BPF_CFLAGS) $(1) -c $< -o $@.tmp && $(BPF_STRIP) -g $@.tmp && mv $@.tmp $@
endef

$(BUILD)/%.bpf.o: bpf/%.bpf.c $(BPF_HEADERS)
	$(call bpf_object)
$(BUILD)/%_raw.bpf.o: bpf/%.bpf.c $(BPF_HEADERS)
	$(call bpf_object,-DKVM_TYPED=0)

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@.tmp && mv $@.tmp $@

.PRECIOUS: $(BUILD)/%.bpf.o
