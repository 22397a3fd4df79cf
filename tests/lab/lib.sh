# shellcheck shell=bash
# For the scenarios in this folder, which run inside the lab (each boots it for itself).
# Uses lab/lib.sh: tap_*, kvm_*, ftrace_*, wait_for.

. lab/lib.sh

export EXITSTAT_SOCKET=${EXITSTAT_SOCKET:-/run/exitstat/exitstat.sock}
daemon_log=/tmp/exitstatd.log
daemon_pid=

exitstat() { build/exitstat "$@"; }
tinyguest() { build/lab/tinyguest "$@"; }

# Starts the daemon and waits for its socket. Arguments go to the daemon.
daemon_start()
{
	build/exitstatd "$@" >>"$daemon_log" 2>&1 &
	daemon_pid=$!
	wait_for ${daemon_patience:-20} daemon_answers || {
		echo "# the daemon does not answer:" && sed 's/^/# /' "$daemon_log"
		return 1
	}
}

# The daemon's other process, which has the privileges and the maps.
keeper_pid() { pgrep -P "$daemon_pid"; }

daemon_answers() { exitstat status --no-cost >/dev/null 2>&1; }

daemon_stop()
{
	kill "$daemon_pid" 2>/dev/null
	wait "$daemon_pid" 2>/dev/null
	daemon_pid=
}

attached() { [ "$(exitstat status --no-cost --format json | jq -r .attach)" = "${1:-attached}" ]; }

# if_typed A B: A where KVM's types are known (of the module, or with the kernel's, if it is built in), else B (see bpf/compat.h).
if_typed() { { [ -e /sys/kernel/btf/kvm ] || [ ! -e /sys/module/kvm/sections ]; } && echo "$1" || echo "$2"; }

# vms JQ: the VMs of a snapshot, through a jq filter; raw output.
vms() { exitstat snapshot --format json 2>/dev/null | jq -er ".vms[] | $1"; }

# reasons VM: "CODE COUNT" of one VM (a name, a pid or an id), sorted by code.
reasons()
{
	exitstat snapshot --vm "$1" --format json |
		jq -r '.vms[0].exits.reasons[] | "\(.code) \(.count)"' | sort -n
}

# ftrace_reasons [TID...]: "CODE COUNT" that ftrace counted for these threads (none named: all).
ftrace_reasons()
{
	ftrace_hist_read | awk -v tids=" $* " '
		tids ~ /^ +$/ || index(tids, " " $1 " ") { n[$2] += $3 }
		END { for (c in n) print c, n[c] }' | sort -n
}

# settled VM...: waits until these VMs (names or pids) are shown as ended, so that their counts are the final ones: a daemon
# that has just taken a costly look does not take the next one at once.
settled()
{
	local vm

	for vm in "$@"; do
		wait_for 20 all_ended "$vm" || echo "# $vm is not shown as ended"
	done
}
all_ended() { exitstat snapshot --vm "$1" --format json | jq -e '[.vms[].state == "ended"] | all and length > 0'; }

# same NAME A B: one test, the two texts are equal and not empty.
same()
{
	if [ -n "$2" ] && [ "$2" = "$3" ]; then
		tap_ok "$1"
	else
		tap_not_ok "$1"
		diff <(echo "$2") <(echo "$3") | sed 's/^/# /'
	fi
}

# same_reasons NAME EXITSTAT FTRACE: one test, two lists "CODE COUNT" are equal and not empty; else each code that differs, with
# both numbers.
same_reasons()
{
	if [ -n "$2" ] && [ "$2" = "$3" ]; then
		tap_ok "$1"
		return
	fi
	tap_not_ok "$1"
	join -a 1 -a 2 -e 0 -o 0,1.2,2.2 <(sort -k1,1 <<<"$2") <(sort -k1,1 <<<"$3") |
		awk -v kernel="$(uname -r)" 'NF == 3 && $2 != $3 {
			printf "# Linux %s: exit %d (0x%x): exitstat %s, ftrace %s\n", kernel, $1, $1, $2, $3 }'
}

# sums_hold VM: the contract's sums in one snapshot of a VM. A vCPU has one exit at most that did not come
# to its entry (two, if the programs were detached once); the maximum is in the last bucket that holds any.
sums_hold()
{
	exitstat snapshot --vm "$1" --per-vcpu --format json | jq -e '.vms[0] as $v |
		($v.exits.total == ([$v.exits.reasons[].count] | add)) and
		($v.exits.time_ns == ([$v.exits.reasons[].time_ns] | add)) and
		($v.exits.total == ([$v.per_vcpu[].exits.total] | add)) and
		all($v.exits.reasons[]; (.hist | add // 0) <= .count and (.hist | add // 0) >= .count - 2 * $v.vcpus and
			.time_ns >= .max_ns and ((.hist | length) == 0 or
				(.hist | length) - 1 == (if .max_ns < 64 then 0 else (.max_ns | log2 | floor) - 5 end)))' >/dev/null
}

# With no VM there, no slot is in use, and the daemon's tables of vCPUs, threads, VMs and processes are empty.
nothing_left()
{
	local id name n left=0

	while read -r id name; do
		n=$(bpftool -j map dump id "$id" | jq 'if type == "array" then length else error(.error) end') || n=unknown
		[ "$n" = 0 ] || { echo "map $name has $n entries" && left=1; }
	done < <(tables)
	[ "$(tables | wc -l)" = 4 ] && [ $left = 0 ] && [ "$(exitstat status --no-cost --format json | jq .health.slots_used)" = 0 ]
}

# "ID NAME" of those maps, of this daemon's.
tables()
{
	bpftool -j map show | jq -r --argjson ids "[$(awk '/^map_id/ { print $2 }' "/proc/$(keeper_pid)/fdinfo/"* | paste -sd,)]" '.[] |
		select((.id | IN($ids[])) and (.name | IN("vcpus", "threads", "vms", "processes"))) | "\(.id) \(.name)"' | sort -u
}

# Everything that can be lost is zero. Not so what kernel threads do to a VM's shadow pages: it belongs to nobody; nor, from
# Linux 7 on, what is missed since a thread lost its CPU in a program, which in those of exits and entries none does (docs/kernels.md).
nothing_lost()
{
	exitstat status --no-cost --format json | jq -e '
		(.host.kernel | split(".")[0] | tonumber) as $linux |
		([.programs[] | select($linux >= 7 and (.name | IN("kvm_exit", "kvm_entry") | not)) | .missed] | add // 0) as $preempted |
		.health | all(.[]; type == "number") and
			(.dropped + .missed - $preempted + .unattributed - .unattributed_mmu + .read_errors + .unknown_reasons) == 0' >/dev/null
}

# lost: exits that exitstatd could not count, if any. Of its programs only kvm_exit counts: Linux 7.3 may preempt
# the one of kvm_userspace_exit, which then misses those of other vCPUs. That costs time of a state, no exit.
lost()
{
	exitstat status --no-cost --format json | jq -c '[(.health | {dropped, unattributed: (.unattributed - .unattributed_mmu), read_errors, unknown_reasons}),
		(.programs[] | select(.name == "kvm_exit") | {(.name): .missed})] |
		if length == 2 then add else {programs: "kvm_exit is not there"} end | with_entries(select(.value != 0)) | select(length > 0)'
}
