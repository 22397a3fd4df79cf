# shellcheck shell=bash
# For scenarios, that is, scripts that run inside the lab:
#	. "$(dirname "$0")/../lib.sh"

# --- KVM --------------------------------------------------------------

# The stock modules, or, if KVM_MODULES names a folder, kvm.ko and kvm-amd.ko or kvm-intel.ko from
# there (build/kvm/v6.1; lab/run --env KVM_MODULES=$PWD/build/kvm/v6.1).

# shellcheck disable=SC2034 # for who sources this
# This CPU's vendor module, and its parameter that turns nested paging on and off.
if grep -qw vmx /proc/cpuinfo; then
	kvm_module=kvm_intel kvm_paging=ept
else
	kvm_module=kvm_amd kvm_paging=npt
fi

# kvm_load [PARAM...]: load kvm and the vendor's module with these parameters ($kvm_paging=0;
# kvm's own ones, exit_cpuid=0, go to kvm, also if it is there already).
kvm_load()
{
	if [ -n "${KVM_MODULES:-}" ]; then
		kvm_insmod "$KVM_MODULES" "$@" || return
	else
		modprobe $kvm_module "$@" || return
	fi
	kvm_permissions
}

# kvm_insmod FOLDER [PARAM...]
kvm_insmod()
{
	local dir=$1 vendor=$1/${kvm_module/_/-}.ko release dep word known
	local -a params=() kvm_params=()
	shift

	release=$(<"$dir/release") || return
	if [ "$release" != "$(uname -r)" ]; then
		echo "kvm_load: $dir is for Linux $release, this is $(uname -r)" >&2
		return 1
	fi
	known=" $(modinfo -F parm "$dir/kvm.ko" | sed 's/:.*//' | tr '\n' ' ')"
	for word in "$@"; do
		if [[ $known == *" ${word%%=*} "* ]]; then
			kvm_params+=("$word")
		else
			params+=("$word")
		fi
	done
	# What both want, of the stock kernel's; newer kernels want other things.
	for dep in $(modinfo -F depends "$dir/kvm.ko" "$vendor" | tr ',' '\n' | sort -u); do
		[ "$dep" = kvm ] || modprobe "$dep" || return
	done
	if [ -e /sys/module/kvm ]; then
		for word in "${kvm_params[@]}"; do
			echo "${word#*=}" >"/sys/module/kvm/parameters/${word%%=*}" || return
		done
	else
		insmod "$dir/kvm.ko" "${kvm_params[@]}" || return
	fi
	insmod "$vendor" "${params[@]}"
}

# kvm_reload [PARAM...]: take out the vendor's module, as a user does who changes
# npt= or ept=, and kvm too if nothing pins it; put them back.
kvm_reload()
{
	kvm_unload || return
	kvm_load "$@"
}

kvm_unload()
{
	if [ -n "${KVM_MODULES:-}" ]; then
		rmmod $kvm_module || return
		rmmod kvm 2>/dev/null || :
	else
		modprobe -r $kvm_module 2>/dev/null || rmmod $kvm_module
	fi
}

# There is no udev in the lab.
kvm_permissions()
{
	[ ! -e /dev/kvm ] || chmod 0666 /dev/kvm
}

# --- waiting ----------------------------------------------------------

# wait_for SECONDS COMMAND...: until it succeeds; false when the time is over.
wait_for()
{
	local end=$((SECONDS + $1))
	shift

	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}

# --- TAP --------------------------------------------------------------

tap_n=0
tap_failed=0

tap_line()
{
	tap_n=$((tap_n + 1))
	echo "$1 $tap_n - $2"
}

tap_ok()
{
	tap_line ok "$1"
}

# tap_not_ok NAME [DETAIL...]
tap_not_ok()
{
	tap_failed=$((tap_failed + 1))
	tap_line "not ok" "$1"
	shift
	[ $# -eq 0 ] || printf '%s\n' "$*" | sed 's/^/# /'
}

tap_skip()
{
	tap_line ok "$1 # SKIP $2"
}

# tap_check NAME COMMAND...: ok if the command succeeds; else what it printed.
tap_check()
{
	local name=$1 output
	shift

	if output=$("$@" 2>&1); then
		tap_ok "$name"
	else
		tap_not_ok "$name" "$* failed: $output"
	fi
}

# tap_is NAME GOT EXPECTED
tap_is()
{
	if [ "$2" = "$3" ]; then
		tap_ok "$1"
	else
		tap_not_ok "$1" "got '$2', expected '$3'"
	fi
}

# The plan, and the exit status: 1 if anything failed.
tap_done()
{
	echo "1..$tap_n"
	[ "$tap_failed" -eq 0 ]
	exit
}

# --- ftrace, the other witness ----------------------------------------

# shellcheck source=lab/ftrace.sh
. "$(dirname "${BASH_SOURCE[0]}")/ftrace.sh"

ftrace_event=/sys/kernel/tracing/events/kvm/kvm_exit

# Count every exit from now on, by thread and reason. KVM must be loaded; the
# trigger pins kvm.ko until ftrace_hist_stop.
ftrace_hist_start()
{
	ftrace_hist_stop
	ftrace_can_count $ftrace_event || { ftrace_lines_start exits kvm/kvm_exit && return; }
	echo "hist:keys=common_pid,exit_reason,isa:size=${ftrace_hist_size:-65536}" >$ftrace_event/trigger
}

ftrace_hist_stop()
{
	local trigger

	ftrace_lines_stop exits
	[ -e $ftrace_event/trigger ] || return 0
	trigger=$(sed -n 's/ \[.*//; /^hist:/p' $ftrace_event/trigger)
	[ -n "$trigger" ] || return 0
	echo "!$trigger" >$ftrace_event/trigger
}

# Lines "PID CODE COUNT", sorted. False, with a message, if anything was lost.
ftrace_hist_read()
{
	ftrace_can_count $ftrace_event || {
		ftrace_lines_read exits | ftrace_lines_exits $ftrace_event/format | sort -n -k1,1 -k2,2
		return "${PIPESTATUS[0]}"
	}
	awk '
		/^\{/ {
			gsub(/[{}:,]/, " ")
			for (i = 1; i < NF; i++)
				v[$i] = $(i + 1)
			print v["common_pid"], v["exit_reason"], v["hitcount"]
		}
		/Dropped:/ { dropped = $2 }
		END {
			if (dropped != 0) {
				print "ftrace_hist_read: dropped " dropped >"/dev/stderr"
				exit 1
			}
		}
	' $ftrace_event/hist | sort -n -k1,1 -k2,2
}

# ftrace_count CODE PID...: exits of that code by these threads, from the lines
# of ftrace_hist_read on stdin.
ftrace_count()
{
	local code=$1
	shift

	awk -v code="$code" -v pids=" $* " '
		$2 == code && index(pids, " " $1 " ") { n += $3 }
		END { print n + 0 }'
}
