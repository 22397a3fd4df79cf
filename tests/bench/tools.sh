# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317 # functions and variables are used by who sources this, by name
# What tests/bench/exit_cost measures: X_start starts a tool, X_saw sets saw to the exits that it counted (left empty if it
# counts none), X_stop ends it. Uses tests/bench/lib.sh.

# ID, group, "stream" if it passes every event to user space, its functions' name and their argument, its name.
bench_tools=$(
	cat <<'TABLE'
none	none	-	nothing	-	nothing attached
empty	floor	-	empty	-	two empty BPF programs: the floor
full	exitstatd	-	exitstatd	-	exitstatd
mmu-full	exitstatd	-	exitstatd	--mmu full	exitstatd --mmu full
no-mmu	exitstatd	-	exitstatd	--no-mmu	exitstatd --no-mmu
no-latency	exitstatd	-	exitstatd	--no-latency	exitstatd --no-latency
counts	exitstatd	-	exitstatd	--no-latency --no-mmu	exitstatd --no-latency --no-mmu
perf-stat	peer	-	perf_stat	-	perf stat -e kvm:kvm_exit -a
ftrace	peer	-	ftrace	exit_reason	ftrace hist:keys=exit_reason
ftrace-thread	peer	-	ftrace	common_pid,exit_reason	ftrace hist:keys=common_pid,exit_reason
kvm_stat	peer	-	kvm_stat	-	kvm_stat -t
bpftrace	peer	-	bpftrace	-	bpftrace: count and histogram by reason
kvmexit	peer	-	kvmexit	kvmexit-bpfcc	bcc kvmexit
kvmexit-here	peer	-	kvmexit	/tmp/kvmexit-here	bcc kvmexit, adapted
perf-record	peer	stream	perf_record	-	perf kvm stat record -a
perf-live	peer	stream	perf_live	-	perf kvm stat live -a
TABLE
)

tool_out=/tmp/tool.out
tool_pid=''

# tool_run COMMAND...: starts it and waits until it waits for events.
tool_run()
{
	# An input that neither ends nor says anything, and SIGINT as a terminal has it.
	[ -p /tmp/never ] || { mkfifo /tmp/never && exec {never}<>/tmp/never; }
	env --default-signal=INT "$@" <&"$never" >$tool_out 2>&1 &
	tool_pid=$!
	wait_for $bench_patience tool_waits && tool_runs
}

tool_runs()
{
	local state

	state=$(tool_state) && [[ $state != Z* ]]
}
tool_state() { awk '{ print $3, $14, $15 }' "/proc/$tool_pid/stat" 2>/dev/null; }

# Twice in the same wait and no CPU time between: a start has many waits. True too if it has ended.
tool_waits()
{
	local before

	tool_runs || return 0
	before=$(tool_state)
	[[ $(<"/proc/$tool_pid/wchan") =~ poll|nanosleep|pause|do_wait ]] || return 1
	sleep 0.3
	[ "$before" = "$(tool_state)" ]
}

tool_end()
{
	kill -INT "$tool_pid" 2>/dev/null
	wait "$tool_pid" 2>/dev/null
	tool_pid=
}

# Why a tool does not run: the last line it said that is not empty.
tool_reason() { tr -d '\r"\\' <$tool_out | grep -v '^[[:space:]]*$' | tail -n 1 | sed 's/^Exception: //' | cut -c 1-150; }

nothing_start() { :; }
nothing_stop() { :; }
nothing_saw() { :; }

empty_start() { probes_start empty_exit empty_entry; }
empty_stop() { probes_stop; }
empty_saw() { :; }

# shellcheck disable=SC2086 # words
exitstatd_start()
{
	local words=$1

	[ "$words" != - ] || words=
	daemon_start --group 0 $words >$tool_out 2>&1
}
exitstatd_stop() { daemon_stop; }
exitstatd_saw()
{
	sleep 1.5 # the last guest's counts become final
	saw=$(exitstat snapshot --format json | jq '[.vms[].exits.total] | add')
}

perf_stat_start() { tool_run perf stat -e kvm:kvm_exit -a; }
perf_stat_stop() { tool_end; }
perf_stat_saw()
{
	tool_end
	saw=$(tr -d , <$tool_out | awk '/kvm:kvm_exit/ { print $1 }')
}

perf_record_start() { tool_run perf kvm stat record -a -o /tmp/perf.data; }
perf_record_stop() { rm -f /tmp/perf.data; }
perf_record_saw()
{
	tool_end
	saw=$(perf kvm -i /tmp/perf.data stat report 2>&1 | awk -F '[:,]' '/^Total Samples/ { print $2 }')
}

perf_live_start() { tool_run perf kvm stat live -a; }
perf_live_stop() { :; }
perf_live_saw()
{
	tool_end
	saw=$(awk -F '[:,]' '/^Total Samples/ { n += $2 } END { print n + 0 }' $tool_out)
}

ftrace_start() { echo "hist:keys=$1" >$ftrace_event/trigger; }
ftrace_stop() { ftrace_hist_stop; }
ftrace_saw() { saw=$(awk '/Hits:/ { print $2 }' $ftrace_event/hist); }

kvm_stat_start()
{
	if ! command -v kvm_stat >/dev/null; then
		echo "not packaged by Debian" >$tool_out
		return 1
	fi
	tool_run kvm_stat -t -l
}
kvm_stat_stop() { tool_end; }
kvm_stat_saw() { :; }

# shellcheck disable=SC2016 # bpftrace's variables
bpftrace_start()
{
	tool_run bpftrace -e '
		tracepoint:kvm:kvm_exit { @n[args->exit_reason] = count(); @start[tid] = nsecs; @reason[tid] = args->exit_reason; }
		tracepoint:kvm:kvm_entry /@start[tid]/ { @ns[@reason[tid]] = hist(nsecs - @start[tid]); delete(@start[tid]); }'
}
bpftrace_stop() { tool_end; }
bpftrace_saw()
{
	tool_end
	saw=$(awk '/^@n\[/ { n += $2 } END { print n + 0 }' $tool_out)
}

# kvmexit takes Intel's reasons up to 68 only, and, on kernels that let it, the first argument of the raw tracepoint, which is
# no reason any more since 5.16.
kvmexit_start()
{
	sed -e 's/if b"Intel" in arch_info:/if True:/' -e 's/if BPF.support_raw_tracepoint_in_module():/if False:/' \
		-e 's/REASON_NUM 69/REASON_NUM 1025/' \
		-e 's/for i in range(0, len(exit_reasons)):/for i in list(range(64, 128)) + [1024]:/' \
		-e 's/exit_reasons\[i\]/str(i)/' "$(command -v kvmexit-bpfcc)" >/tmp/kvmexit-here && chmod +x /tmp/kvmexit-here
	tool_run "$1"
}
kvmexit_stop() { tool_end; }
kvmexit_saw()
{
	tool_end
	saw=$(awk '$1 + 0 { n += $4 } END { print n + 0 }' $tool_out)
}
