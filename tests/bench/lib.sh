# shellcheck shell=bash
# shellcheck disable=SC2034 # who sources this uses them
# Measuring in a lab with --icount, where a nanosecond is an instruction. Uses tests/lab/lib.sh.
#
# What an exit takes: a guest does the same thing again and again, in one round SHORT and in another LONG times; the
# difference, by the number of exits more, is one of them, and what is not the loop falls out. It is the time from a
# round's begin to its end, so what other processes do meanwhile on the only CPU is in it. Each guest does a round
# before that one, and a pause, so that what happens once a VM or vCPU is over.
# Nothing that does not belong to what is measured may run beside it.

# While nothing runs, as when a program is read from the host's disk, this machine's clock does not wait but jumps to the
# next timer: a busy host makes minutes of it.
bench_patience=3600
daemon_patience=$bench_patience

# The loops: ID, paging, option of tinyguest, SHORT, LONG, factor for what streams to user space and works in
# batches, what it is.
bench_loops=$(
	cat <<'TABLE'
cpuid	npt=1	--cpuid	500	2500	8	a CPUID instruction
touch	npt=1	--touch	500	2500	8	a fresh page, nested paging
io	npt=1	--io	500	2500	8	a port write, served in user space
touch0	npt=0	--touch	500	2500	8	a fresh page, shadow paging
remap0	npt=0	--remap	250	1250	8	a page table entry changed and used, shadow paging
TABLE
)

# bench_loop ID: sets paging option short long factor what.
bench_loop()
{
	local id

	while IFS=$'\t' read -r id paging option short long factor what; do
		[ "$id" != "$1" ] || return 0
	done <<<"$bench_loops"
	return 1
}

# bench_ids PAGING: the loops with it.
bench_ids() { awk -F '\t' -v p="$1" '$2 == p { print $1 }' <<<"$bench_loops"; }

# bench_run N: sets took; adds what it did to did. Not through a pipe: what reads it would run beside the guest.
bench_run()
{
	tinyguest "$option" "$1" --repeat 2 --pause-ms 100 >/tmp/bench.json || return
	[[ $(</tmp/bench.json) =~ round_ns\":([0-9]+) ]] || return
	took=${BASH_REMATCH[1]}
	did=$((did + 2 * $1))
}

# per_exit LOOP [ROUNDS [stream]]: sets samples, sorted, and median, in tenths of an instruction, and did, the exits made.
per_exit()
{
	local rounds=${2:-5} before took paging option short long factor what n

	bench_loop "$1" || return
	[ "${3:-}" != stream ] || long=$((long * factor))
	did=0
	samples=()
	for ((n = 0; n < rounds; n++)); do
		bench_run "$short" && before=$took && bench_run "$long" || return
		samples+=($(((took - before) * 10 / (long - short))))
	done
	mapfile -t samples < <(printf '%s\n' "${samples[@]}" | sort -n)
	median=${samples[rounds / 2]}
}

# tenths N: as a decimal number.
tenths()
{
	local n=${1#-} sign=

	[ "$n" = "$1" ] || sign=-
	echo "$sign$((n / 10)).$((n % 10))"
}

# probes_start PROGRAM...: attaches these of probes.bpf.c.
probes_start()
{
	: >/tmp/probes.out
	build/bench/attach build/bench/probes.bpf.o "$@" >/tmp/probes.out 2>/tmp/probes.err &
	probes_pid=$!
	wait_for $bench_patience grep -q attached /tmp/probes.out
}

probes_stop()
{
	kill "$probes_pid" 2>/dev/null
	wait "$probes_pid" 2>/dev/null || :
}
