# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # names shared with lab/run
# The Intel machine of lab/run: Bochs, which emulates VMX and EPT. It has no virtio: files come from a disk,
# output goes through serial lines.

machine_name=Bochs
boot_timeout=300
serial=1
relay_by=(sed -u '') # lines: two serial lines' letters come one by one
files=ata
boot_sectors=16

# Instructions that make a second of the emulated machine's time: about as many as Bochs does in one. Fewer would make
# its waits shorter, and its clock's interrupts more: a tick each 100,000 instructions is dear enough.
ips=${LAB_IPS:-25000000}

machine_check()
{
	need bochs bochs
	need objcopy binutils
	[ "$smp" = 1 ] || die "--smp $smp: the Intel machine has one CPU"
	[ $icount = 0 ] || die "--icount: not with --cpu intel, whose time is always counted in instructions"
	[ $shell = 0 ] || die "--shell: not with --cpu intel, which has no terminal"
	diskboot=$project/build/lab/diskboot.bin
	[ -e "$diskboot" ] || die "no $diskboot; run make lab-guests"
}

# The kernel as it is in memory, made once. What stands behind .bss, for encrypted memory, is left out, and so .bss too:
# the kernel clears it itself.
flat_kernel()
{
	local flat=$kdir/vmlinux.flat

	[ -e "$kdir/vmlinux" ] || die "kernel $kernel could not be unpacked, and Bochs would take minutes for it"
	if [ ! -e "$flat" ]; then
		objcopy -O binary -R .init.scratch "$kdir/vmlinux" "$tmp/flat" || die "objcopy failed"
		mv "$tmp/flat" "$flat"
	fi
	echo "$flat"
}

# Numbers as four bytes each, the lowest first.
le32()
{
	local n

	for n; do
		# shellcheck disable=SC2059 # made here
		printf "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $((n & 255)) $((n >> 8 & 255)) $((n >> 16 & 255)) $((n >> 24 & 255)))"
	done
}

sectors()
{
	echo $((($(stat -Lc %s "$1") + 511) / 512))
}

# The disk that lab/diskboot.S boots: itself, where all is, the command line, the kernel, the initramfs.
boot_disk()
{
	local dir=$1 initrd=$kdir/initrd-ata.img flat kernel_n initrd_n entry

	flat=$(flat_kernel) || exit 125
	kernel_n=$(sectors "$flat")
	initrd_n=$(sectors "$initrd")
	entry=$(od -An -t u4 -j 24 -N 4 "$kdir/vmlinux") # e_entry
	{
		cat "$diskboot"
		le32 $boot_sectors "$kernel_n" $((0x1000000)) \
			$((boot_sectors + kernel_n)) "$initrd_n" $((0x10000000)) "$(stat -Lc %s "$initrd")" "$entry"
		printf '%s\0' "$2"
	} >"$dir/boot"
	truncate -s $((boot_sectors * 512)) "$dir/boot"
	cat "$flat" >>"$dir/boot"
	truncate -s $(((boot_sectors + kernel_n) * 512)) "$dir/boot"
	cat "$initrd" >>"$dir/boot"
}

# A disk has whole cylinders.
whole_disk()
{
	local cylinder=$((16 * 63 * 512))

	truncate -s %$cylinder "$1"
}

machine_prepare()
{
	local dir=$1 share=/usr/share/bochs words
	words="quiet panic=-1 oops=panic nokaslr mitigations=off cryptomgr.notests"
	# This CPU's CPUID names the clock of a real one; the emulated one counts instructions.
	words+=" tsc_early_khz=$((ips / 1000)) tsc=reliable"
	# Its sizes of XSAVE's areas do not add up: Linux to 6.12 says so and does without, 7.3 dies of it.
	words+=" noxsave"
	words+=" noapic nosmp acpi=off reboot=t console=ttyS0 lab.conf=disk $append"

	boot_disk "$dir" "$words"
	ln -s "$image" "$dir/image"
	whole_disk "$dir/boot"
	whole_disk "$dir/letter"
	cat >"$dir/bochsrc" <<CONF
config_interface: textconfig
display_library: term
memory: guest=${mem:-1024}, host=${mem:-1024}
romimage: file=$share/BIOS-bochs-latest
vgaromimage: file=$share/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, ips=$ips, reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none
pci: enabled=1, chipset=i440fx
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
ata0-master: type=disk, mode=flat, path="$dir/boot"
ata0-slave: type=disk, mode=volatile, path="$dir/image", journal="$dir/journal"
ata1-master: type=disk, mode=flat, path="$dir/letter"
boot: disk
com1: enabled=1, mode=file, dev="$dir/console"
com2: enabled=1, mode=file, dev="/proc/self/fd/3"
com3: enabled=1, mode=file, dev="$dir/stdout"
com4: enabled=1, mode=file, dev="$dir/stderr"
log: $dir/log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
CONF
	echo c >"$dir/rc"
	# Its own words and its screen (letters, where rfb would open a port) go to a file; what is to be a pipe to us is the
	# third descriptor.
	# shellcheck disable=SC2016 # the inner shell's
	machine=(bash -c 'exec 3>&1 >"$1/says"; cd "$1" && TERM=vt100 exec bochs -q -f "$1/bochsrc" -rc "$1/rc"' bochs "$dir")
}

# Without ACPI the lab cannot switch it off. Bochs opens a serial line's file with the first letter: who waits for one that
# never came is told of its end.
machine_off()
{
	kill -KILL "$pid" 2>/dev/null || :
	: <>"$tmp/stdout" <>"$tmp/stderr"
}

machine_says()
{
	grep -hE 'PANIC|fatal|cannot|could not' "$tmp/log" "$tmp/machine.err" 2>/dev/null | tail -n 5 | sed 's/^/bochs: /'
	return "${PIPESTATUS[0]}"
}
