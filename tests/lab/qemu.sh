# shellcheck shell=bash
# For scenarios: QEMU, as it is in Debian, with its monitor.

# shellcheck disable=SC2034 # for who sources this
debugfs=/sys/kernel/debug/kvm

# qemu_start NAME ARG...: sets qemu_pid, qemu_dir (its VM in debugfs). The guest's serial line is in
# /tmp/NAME.log; what it is told goes to the descriptor $qemu_tty.
qemu_start()
{
	local name=$1 end
	shift

	for end in qmp.in qmp.out tty.in tty.out; do
		[ -p "/tmp/$name.$end" ] || mkfifo "/tmp/$name.$end"
	done
	qemu-system-x86_64 -enable-kvm -name "guest=$name" -machine pc -nodefaults -no-user-config -display none \
		-chardev "pipe,id=qmp,path=/tmp/$name.qmp" -mon chardev=qmp,mode=control \
		-chardev "pipe,id=tty,path=/tmp/$name.tty" -serial chardev:tty "$@" 2>"/tmp/$name.err" &
	qemu_pid=$!
	cat "/tmp/$name.tty.out" >"/tmp/$name.log" &
	exec {qmp_to}>"/tmp/$name.qmp.in" {qmp_from}<"/tmp/$name.qmp.out" {qemu_tty}>"/tmp/$name.tty.in"
	qmp qmp_capabilities >/dev/null
	qemu_dir=$(compgen -G "$debugfs/$qemu_pid-*")
}

# qmp COMMAND [ARGUMENTS]: prints the answer; false after a minute without one, or if it is an error.
qmp()
{
	local line

	echo "{\"execute\": \"$1\", \"arguments\": ${2:-{\}}}" >&"$qmp_to"
	while read -r -t 60 -u "$qmp_from" line; do
		case $line in
		'{"return"'*) echo "$line" && return ;;
		'{"error"'*) echo "# QMP $1: $line" >&2 && return 1 ;;
		esac
	done
	echo "# QMP $1: no answer" >&2
	return 1
}

qemu_stop()
{
	qmp quit >/dev/null
	wait "$qemu_pid" 2>/dev/null
	exec {qmp_to}>&- {qmp_from}<&- {qemu_tty}>&-
}

qemu_says() { [ "$(grep -c -- "$2" "/tmp/$1.log")" -ge "${3:-1}" ]; }

# What a KVM of its own may need, in this order; some kernels have some of it built in.
l1_modules='rng-core irqbypass ccp kvm kvm-amd'

# l1_image FILE: the initramfs of a Linux guest that has a stock KVM and the tiny guest itself.
l1_image()
{
	local m file root=/tmp/l1

	mkdir -p $root/bin $root/modules
	for m in $l1_modules; do
		file=$(find "$LAB_KERNEL_DIR/root/lib/modules/$(uname -r)" -name "$m.ko" -o -name "$m.ko.xz")
		[ -z "$file" ] || xz -dcf "$file" >$root/modules/$m.ko
	done
	cp build/lab/tinyguest $root/bin
	# A kernel takes several archives.
	{ cat build/lab/guest-exitstat.img && (cd $root && find . -mindepth 1 | cpio -o -H newc --quiet); } >"$1"
}

# l1_start NAME: a guest named NAME boots with it, on a vCPU like the host's. l1 COMMAND...: runs in it, to its end.
l1_start()
{
	l1_name=$1 l1_ran=0
	l1_image /tmp/l1.img
	qemu_start "$1" -cpu host -m 384 -kernel "$LAB_KERNEL_DIR/boot" -initrd /tmp/l1.img \
		-append "console=ttyS0 quiet no_timer_check panic=-1 nokaslr mitigations=off cryptomgr.notests"
}

# Its KVM: the stock one, where nothing is patched.
l1_kvm_load()
{
	local m

	for m in $l1_modules; do
		[ ! -e /tmp/l1/modules/$m.ko ] || l1 insmod /modules/$m.ko
	done
}

l1()
{
	l1_ran=$((l1_ran + 1))
	echo "run $*" >&"$qemu_tty"
	wait_for 240 qemu_says "$l1_name" "run done" $l1_ran || echo "# L1 is not done with $*"
}
