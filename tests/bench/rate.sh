# shellcheck shell=bash disable=SC2154
# The programs run at a rate, on the maps of a daemon that is there ($daemon_pid, whose child has the maps, $EXITSTAT_SOCKET), clients beside it, and
# afterwards each count of each vCPU. After lab/lib.sh, whose TAP it prints.

rate_dir=

# rate_run RATE SECONDS VMS VCPUS [clash]
rate_run()
{
	rate_dir=$(mktemp -d)
	mkfifo "$rate_dir/stdin"
	build/bench/rate build/bench/rate.bpf.o "$(pgrep -P "$daemon_pid")" "$@" <"$rate_dir/stdin" >"$rate_dir/wrote" 2>"$rate_dir/err" &
	rate_pid=$!
	exec 7>"$rate_dir/stdin"
	while kill -0 $rate_pid 2>/dev/null && [ ! -s "$rate_dir/wrote" ]; do
		build/exitstat snapshot --per-vcpu --format json 2>/dev/null | jq -c . >>"$rate_dir/looks"
		build/exitstat list >/dev/null 2>&1
		sleep 1
	done
	build/exitstat snapshot --per-vcpu --format json 2>/dev/null | jq -c . >>"$rate_dir/looks"
	build/exitstat status --no-cost >"$rate_dir/status"
	build/exitstat status --no-cost --format json >"$rate_dir/status.json"
	exec 7>&-
	wait $rate_pid
	tap_is "$*: the programs ran" "$?$(cat "$rate_dir/err")" 0
	rate_check "$@"
	rm -rf "$rate_dir"
}

# Counts by VM and vCPU, of what was run and of the last snapshot; VMs that are alike may change places.
rate_wrote() { jq -c --argjson n "$1" '[.vcpus | _nwise($n) | map([.vcpu_id, .reasons])] | sort[]' "$rate_dir/wrote"; }
rate_counted()
{
	tail -n 1 "$rate_dir/looks" | jq -c --slurpfile wrote "$rate_dir/wrote" '[.vms[] | select(.pid == $wrote[0].pid) |
		.per_vcpu | map([.vcpu_id, (.exits.reasons | map({key: "\(.code)", value: .count}) | from_entries)])] | sort[]'
}

# rate_check RATE SECONDS VMS VCPUS [clash]. A machine that is too busy may take longer, unless RATE_STRICT is set.
rate_check()
{
	local n=$(($1 * $2))

	tap_check "$(jq -r '"\(.exits) exits in \(.took_ns / 1e7 | round / 100) s, \(.exits * 1e9 / .took_ns | round) a second"' "$rate_dir/wrote")" \
		jq -e --argjson n $n --argjson s "$2" '.exits == $n and (env.RATE_STRICT == null or .took_ns < $s * 1.05e9)' "$rate_dir/wrote"
	tap_is "each count of each vCPU is right" "$(rate_counted | jq -cS .)" "$(rate_wrote "$4" | jq -cS .)"
	tap_is "and the sum is all of them" "$(tail -n 1 "$rate_dir/looks" | jq '[.vms[].exits.total] | add')" $n
	tap_check "in every one of $(wc -l <"$rate_dir/looks") snapshots the sums hold" jq -es 'all(.[].vms[]; . as $v |
		($v.exits.total == ([$v.per_vcpu[].exits.total] | add)) and
		all($v, $v.per_vcpu[]; (.exits.total == ([.exits.reasons[].count] | add)) and
			(.exits.time_ns == ([.exits.reasons[].time_ns] | add)) and
			(.time | .total_ns == .guest_ns + .kernel_ns + .vmm_ns + .idle_ns + (.runqueue_ns // 0))) and
		all($v.per_vcpu[]; (.exits.total - ([.exits.reasons[].hist | add // 0] | add)) | . == 0 or . == 1))' "$rate_dir/looks"
	tap_check "and nothing is less than in the one before" jq -es '
		[range(1; length) as $i | .[$i - 1].vms[] as $a | .[$i].vms[] | select(.id == $a.id) as $b |
			[$a.per_vcpu, $b.per_vcpu | map([.exits.total, .exits.time_ns, .time.total_ns, .time.guest_ns, .time.kernel_ns])] |
			transpose[] | transpose[] | .[0] <= .[1]] | all' "$rate_dir/looks"
	tap_check "status: nothing was lost" jq -e '.health | [.dropped, .missed, .unattributed - .unattributed_mmu, .unknown_reasons,
		.read_errors, .short_cells, .ring_full] | all(. == 0)' "$rate_dir/status.json"
	tap_is "and its table says so" "$(grep -cE '^(dropped|missed|unattributed|unknown reasons|short of cells|read errors|ring full) +0 ' \
		"$rate_dir/status")" 7
}
