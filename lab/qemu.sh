# shellcheck shell=bash
# shellcheck disable=SC2054 # QEMU's options hold commas
# shellcheck disable=SC2034,SC2154 # names shared with lab/run
# The AMD machine of lab/run: QEMU, whose TCG emulates SVM and nested paging.

machine_name=QEMU
boot_timeout=60
serial=0
relay_by=(cat)

machine_check()
{
	need qemu-system-x86_64 qemu-system-x86
}

cpu_model()
{
	echo "EPYC,+svm,+npt$(awk -v n="$kernel" '$1 == n && $4 != "" { print "," $4 }' "$here/kernels.list")"
}

# The TSC's rate, where it is known: a kernel that measures it on a busy machine may be wrong by far, and then its seconds are no
# seconds. TCG shows this machine's TSC; on a virtual machine (and there only) the CPU's MHz are that one's rate.
tsc_rate()
{
	[ $icount = 0 ] || return 0
	awk '/^flags/ { virtual = / hypervisor( |$)/ } /^cpu MHz/ { khz = $4 * 1000 }
		END { if (virtual && khz) printf "tsc_early_khz=%d", khz }' /proc/cpuinfo
}

# Sets machine, the command. $1: a folder for its files.
machine_prepare()
{
	local dir=$1 conf=$1/conf
	local -a words

	[ -z "$files" ] || conf=disk
	words=(quiet no_timer_check panic=-1 oops=panic nokaslr mitigations=off cryptomgr.notests
		tsc=reliable "$(tsc_rate)" console=ttyS0 "lab.conf=$conf" "$append")
	machine=(qemu-system-x86_64 -machine q35 -cpu "$(cpu_model)"
		-smp "$smp" -m "${mem:-2048}" -nodefaults -no-user-config -display none
		-no-reboot -name exitstat-lab
		-kernel "$kdir/boot" -initrd "$kdir/initrd-${files:-9p}.img" -append "${words[*]}"
		-chardev "file,id=console,path=$dir/console" -serial chardev:console
		-device virtio-serial-pci
		-chardev "file,id=out,path=$dir/stdout" -device virtserialport,nr=2,chardev=out,name=lab.out
		-chardev "file,id=err,path=$dir/stderr" -device virtserialport,nr=3,chardev=err,name=lab.err)
	add_files "$dir"
	if [ $icount = 1 ]; then
		machine+=(-accel tcg -icount "shift=0,sleep=off" -rtc clock=vm)
	else
		# Not thread=multi: there a CPU may go on running an int3 of the kernel's
		# text patching for ever (KVM patches when the first VM comes and the last
		# goes). One thread is faster too for what scenarios do.
		machine+=(-accel tcg,thread=single)
	fi
	if [ $shell = 1 ]; then
		machine+=(-chardev "file,id=ctl,path=$dir/ctl" -chardev stdio,id=tty,signal=off
			-device virtconsole,nr=0,chardev=tty)
	else
		# A pipe to us. Not "-chardev stdio": at the end of its input it
		# closes the port, and the lab would block writing to it.
		machine+=(-chardev "file,id=ctl,path=/proc/self/fd/1")
	fi
	machine+=(-device "virtserialport,nr=1,chardev=ctl,name=lab.ctl")
}

# This machine's files, and a place for the results.
add_files()
{
	if [ -n "$files" ]; then
		machine+=(-drive "file=$image,format=raw,if=virtio,readonly=on"
			-drive "file=$1/letter,format=raw,if=virtio")
		return
	fi
	machine+=(-virtfs "local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap")
	[ -z "$out" ] || machine+=(-virtfs "local,path=$out,mount_tag=labout,security_model=none,multidevs=remap")
}

# It ends by itself when the lab reboots.
machine_off()
{
	:
}

# Its own words on why it ended; false if it has none.
machine_says()
{
	grep -v "warning: TCG doesn't support" "$tmp/machine.err" | sed 's/^/qemu: /'
	return "${PIPESTATUS[0]}"
}

run_shell()
{
	local rc=0

	[ -t 0 ] || die "--shell wants a terminal"
	saved_tty=$(stty -g)
	mkfifo "$tmp/unused"
	: >"$tmp/stdout"
	: >"$tmp/stderr"
	say "starting; end the shell (Ctrl-D) to leave"
	setpriv --pdeathsig KILL "${machine[@]}" 2>"$tmp/machine.err" || rc=$?
	status=$(sed -n 's/^exit //p' "$tmp/ctl" 2>/dev/null) || :
	[ -n "$status" ] || explain "$rc"
}
