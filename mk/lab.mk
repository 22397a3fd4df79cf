# The lab's guests. Static where they go into an initramfs.
LAB	:= $(BUILD)/lab
LAB_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE
LAB_PRODUCTS := $(LAB)/tinyguest $(LAB)/bootguest.img $(LAB)/diskboot.bin $(LAB)/guest.img $(LAB)/guest-exitstat.img
TEST_EXTRA += $(LAB_PRODUCTS)

$(LAB)/tinyguest: $(wildcard lab/guests/tinyguest*.[chS]) mk/lab.mk
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LAB_CFLAGS) -pthread -o $@ $(filter %.c %.S,$^)

$(LAB)/bootguest.img: lab/guests/bootguest.S lab/guests/tinyguest.h mk/lab.mk
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -m32 -nostdlib -static -no-pie -Wl,--build-id=none,-Ttext=0x7c00,--oformat=binary -o $@ $<

# What the lab's Intel machine boots with.
$(LAB)/diskboot.bin: lab/diskboot.S mk/lab.mk
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -m32 -nostdlib -static -no-pie -Wl,--build-id=none,-Ttext=0x7c00,--oformat=binary -o $@ $<

$(LAB)/guestload: lab/guests/guestload.c mk/lab.mk
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LAB_CFLAGS) -static -s -o $@ $<

# The user space of lab/guests/linux-boot's guest.
$(LAB)/guest.img: $(LAB)/guestload lab/guests/guest-init mk/lab.mk
	$(call say,CPIO,$@)
	$(Q)rm -rf $@.d && mkdir -p $(addprefix $@.d/,bin proc dev)
	$(Q)install -m 755 /bin/busybox $< $@.d/bin && install -m 755 lab/guests/guest-init $@.d/init
	$(Q)cd $@.d && find . -mindepth 1 | sort | cpio -o -H newc -R 0:0 --quiet >../$(@F).tmp
	$(Q)rm -r $@.d && mv $@.tmp $@

# The same with exitstat and its libraries: a second archive behind the first.
$(LAB)/guest-exitstat.img: $(LAB)/guest.img $(BUILD)/exitstat mk/lab.mk
	$(call say,CPIO,$@)
	$(Q)rm -rf $@.d && mkdir -p $@.d/bin
	$(Q)install -m 755 $(BUILD)/exitstat $@.d/bin
	$(Q)for f in $$(ldd $(BUILD)/exitstat | grep -o '/[^ ]*'); do install -D -m 755 $$f $@.d$$f || exit; done
	$(Q)cd $@.d && find . -mindepth 1 | sort | cpio -o -H newc -R 0:0 --quiet >../$(@F).tmp
	$(Q)rm -r $@.d && cat $(LAB)/guest.img $@.tmp >$@ && rm $@.tmp

.PHONY: lab-guests
lab-guests: $(LAB_PRODUCTS) ## the guests that run in the lab
