#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The latency views of snapshot, top and replay, over a recording whose numbers times.jq makes up.
# shellcheck disable=SC2034,SC2154 # variables shared with client.bash and terminal.bash

setup_file() {
	bats_require_minimum_version 1.5.0
	jq -n -c --argjson n 1200 --argjson uid "$(id -u)" -f tests/e2e/times.jq >"$BATS_FILE_TMPDIR/r"
	jq -n -c --argjson n 1200 --argjson uid "$(id -u)" --argjson times false -f tests/e2e/times.jq >"$BATS_FILE_TMPDIR/off"
}

setup() {
	bats_require_minimum_version 1.5.0
	load client.bash
	load terminal.bash
	client_setup
	terminal_setup
}

teardown() {
	terminal_teardown
	client_teardown
}

off="Times are not measured with exitstatd --no-latency; restart it without that."

@test "snapshot --latency: percentiles and histograms by reason, and of all" {
	serve "$recording"
	run -0 "$exitstat" snapshot --latency --vm busy1
	grep -qE '^REASON +EXITS +EXITS/s +TIME +TIME% +AVG +P50 +P90 +P99 +P99\.9 +MAX +HISTOGRAM$' <<<"$output"
	# Of 1000 exits: 600 in 8.19 to 16.4 µs, 300 below 32.8, 95 in 131 to 262, 4 in 2.10 to 4.19 ms, 1 of 50.3 ms.
	grep -qE '^IOIO +[0-9,]+ +1,000\.0 +[^ ]+ +75\.8% +96\.3µs +15\.0µs +32\.8µs +255µs +4\.19ms +50\.3ms  ▁▁▁█▅▁▁▃▁▁▁▂▁▁▁▂$' <<<"$output"
	grep -qE '^total +[0-9,]+ +7,040\.0 +[^ ]+ +100% ' <<<"$output"
	grep -qE '^Histograms from 1\.02µs to 67\.1ms\. Percentiles are within a factor of two\.$' <<<"$output"
	[[ $output != *"Paging: "* ]]
	# By the time they take.
	[[ $(grep -oE '^(IOIO|NPF|CPUID|HLT)' <<<"$output" | tr '\n' ' ') == "IOIO NPF CPUID HLT " ]]
	run -0 "$exitstat" snapshot --latency --vm busy1 --sort p50
	[[ $(grep -oE '^(IOIO|NPF|CPUID|HLT)' <<<"$output" | tr '\n' ' ') == "IOIO NPF CPUID HLT " ]]
	run -0 "$exitstat" snapshot --latency --vm busy1 --sort count
	[[ $(grep -oE '^(IOIO|NPF|CPUID|HLT)' <<<"$output" | tr '\n' ' ') == "NPF "* ]]
}

@test "JSON and CSV have the four percentiles, each in its bucket" {
	serve "$recording"
	run -0 "$exitstat" snapshot --vm busy1 --format json
	jq -e '.vms[0].exits.reasons[] | select(.name == "IOIO")
		| .p50_ns >= 8192 and .p50_ns < 16384 and .p90_ns >= 16384 and .p90_ns < 32768
		and .p99_ns >= 131072 and .p99_ns < 262144 and .p999_ns >= 2097152 and .p999_ns < 4194304
		and .p999_ns <= .max_ns' <<<"$output"
	run -0 "$exitstat" snapshot --latency --format csv
	[[ ${lines[0]} == *",reason,code,class,from_ns,below_ns,count" ]]
	grep -qE ',busy1,.*,IOIO,123,io,8192,16384,[0-9]+$' <<<"$output"
	# Empty buckets have no row.
	[ "$(grep -c ',busy1,.*,IOIO,' <<<"$output")" -eq 5 ]
	run -0 "$exitstat" snapshot --reason HLT --format csv
	[ "$(tail -n +2 <<<"$output" | cut -d, -f13 | sort -u)" = HLT ]
}

@test "snapshot --reason: the histogram of one" {
	serve "$recording"
	run -0 "$exitstat" snapshot --reason ioio --vm busy1 --for 300ms
	grep -qE '^IOIO: [0-9,]+ exits, 1,000\.0/s, ' <<<"$output"
	grep -qE '^avg 96\.3µs  p50 15\.0µs  p90 32\.8µs  p99 255µs  p99\.9 4\.19ms$' <<<"$output"
	grep -qE '^ *FROM +BELOW +EXITS +EXITS/s +SHARE +SO FAR +HOW MANY$' <<<"$output"
	grep -qE '^ *8\.19µs +16\.4µs +[0-9,]+ +600\.0 +60\.0% +60\.0%  █{40}$' <<<"$output"
	grep -qE '^ *16\.4µs +32\.8µs +[0-9,]+ +300\.0 +30\.0% +90\.0%  █{20}$' <<<"$output"
	grep -qE '^ *32\.8µs +65\.5µs +0 +0 +0% +90\.0%$' <<<"$output"
	# Few are seen, too; and all but a few are not all.
	grep -qE '^ *33\.6ms +67\.1ms +[0-9,]+ +1\.0 +0\.1% +100%  ▏$' <<<"$output"
	grep -qE '^ *16\.8ms +33\.6ms +0 +0 +0% +99\.9%$' <<<"$output"
	# By code, as people and as tracefs write it; and one that did not occur.
	run -0 "$exitstat" snapshot --reason 0x400 --vm busy1
	[[ $output == *$'\n'"NPF: "* ]]
	run -0 "$exitstat" snapshot --reason 1024 --vm idle4
	[[ ${lines[-1]} == "NPF: no exits" ]]
	run -2 "$exitstat" snapshot --reason IOOI
	[[ ${#lines[@]} -eq 1 && $output == "exitstat: snapshot: no reason 'IOOI' on this processor; did you mean 'IOIO'?" ]]
	run -2 "$exitstat" snapshot --reason 0x400z
	[[ ${#lines[@]} -eq 1 ]]
}

@test "idle is in no latency, and in no share of exit time" {
	serve "$recording"
	# 998 ms of a second halted: the halts' own exit time is 20 times 6 µs.
	run -0 "$exitstat" snapshot --latency --vm idle4 --for 300ms
	grep -qE '^HLT +[0-9,]+ +20\.0 +[0-9.]+µs +100% +6\.14µs +' <<<"$output"
	grep -qE '^vCPU time: .* idle [^ ]+ \(99\.8%\)$' <<<"$output"
	run -0 "$exitstat" top --batch -n 1 --latency --vm busy1
	grep -qE '^HLT +[0-9,]+ +40 +[0-9.]+µs +<0\.1% ' <<<"$output"
}

@test "top --batch --latency: VMs, their sum, and reasons with --vm" {
	serve "$recording"
	run -0 "$exitstat" top --batch -n 1 --latency
	[[ ${lines[1]} =~ ^VM\ +EXITS/s\ +TIME\ +TIME%\ +AVG\ +P50\ +P90\ +P99\ +P99.9\ +MAX\ +HISTOGRAM$ ]]
	[[ ${lines[2]} == hog3* && ${lines[3]} == vmm2* && ${lines[8]} == "all VMs "* ]]
	# No percentile of the interval is above the greatest of all time: here all exits took the same.
	grep -qE '^idle4 +20 +.* 6\.14µs +6\.14µs +6\.14µs ' <<<"$output"
	run -0 "$exitstat" replay --batch -n 2 --latency --sort avg --vm busy1 "$recording"
	[[ $output == *"busy1, by reason"* ]]
	grep -qE '^all exits +[0-9,]+ +7\.04k ' <<<"$output"
}

@test "--no-latency: the views say so, and what to do" {
	serve "$BATS_FILE_TMPDIR/off"
	run -0 "$exitstat" snapshot --latency --vm busy1
	[ "${lines[-1]}" = "$off" ]
	run -0 "$exitstat" snapshot --reason IOIO --vm busy1
	[ "${lines[-1]}" = "$off" ]
	run -0 "$exitstat" top --batch -n 1 --latency --vm busy1
	[ "${lines[1]}" = "$off" ]
	[ "${#lines[@]}" -eq 2 ]
	run -0 "$exitstat" snapshot --latency --format csv
	[ "${#lines[@]}" -eq 1 ]
	top 80 24 -- --latency
	shows "^$off"
	keys Enter
	shows "^$off"
	keys Enter
	shows "^  $off"
}

@test "options that do not go together: status 2" {
	run -2 "$exitstat" snapshot --latency --time
	[[ ${#lines[@]} -eq 1 && $output == *"--time and --latency are two views"* ]]
	run -2 "$exitstat" snapshot --reason IOIO --paging
	[[ ${#lines[@]} -eq 1 && $output == *"--reason goes with --latency, not with --paging" ]]
	run -2 "$exitstat" snapshot --reason IOIO --format json
	[[ ${#lines[@]} -eq 1 && $output == *"json has all reasons"* ]]
	run -2 "$exitstat" snapshot --reason IOIO --sort p99
	[[ ${#lines[@]} -eq 1 && $output == *"leave it out" ]]
}

# --- the full screen ---

@test "80x24: l is the latency view of all VMs; Enter opens one, and a reason of it; Esc goes back" {
	serve "$recording"
	top 80 24 --
	shows '^busy1 .* running '
	keys l
	shows '^VM +EXITS/s +TIME% +P50 +P90 +P99▼ +P99\.9 +MAX +HISTOGRAM$'
	shows '^hog3 +1\.00k +[0-9.]+% 3\.19µs 4\.09µs 12\.2ms 12\.5ms 12\.6ms █▁+▂▁*$'
	shows '^all VMs +39\.6k +100% '
	shows '^Histograms from 1\.02µs to 67\.1ms\. Percentiles are within a factor of two\.$'
	shows '^Enter open +m paging +t time +l latency .* h help +q quit$'
	[[ $(line 5) == hog3* && $(line 6) == vmm2* ]]
	fits 80
	keys Home Down Down Enter
	shows '^busy1 · pid 4201 · 2 vCPUs'
	shows '^7\.04k exits/s · outside the guest [0-9.]+% · idle 14\.5% · '
	shows '^REASON +EXITS/s +TIME% +P50 +P90 +P99 +P99\.9 +MAX +HISTOGRAM$'
	shows '^IOIO +1\.00k +75\.8% 15\.0µs 32\.8µs  255µs 4\.19ms 50\.3ms '
	shows '^all exits +7\.04k +100% '
	keys Home Enter
	shows '^IOIO  port I/O'
	shows '^now  avg 96\.3µs  p50 15\.0µs  p90 32\.8µs  p99 255µs  p99\.9 4\.19ms$'
	shows '^all  avg 96\.3µs  p50 15\.0µs  p90 32\.8µs  p99 255µs  p99\.9 4\.19ms  max 50\.3ms$'
	shows '^ *8\.19µs +16\.4µs +[0-9,]+ +600 +60\.0% +60\.0%  █+$'
	shows '^ *33\.6ms +67\.1ms +[0-9,]+ +1 +0\.1% +100%  ▏$'
	fits 80
	keys G
	shows '^ *33\.6ms '
	keys Escape
	shows '^REASON +EXITS/s +TIME% +P50'
	keys Escape
	shows '^hog3 '
	keys q
	shows '^status 0'
}

@test "a reason is opened from the usual view, too; other views from there" {
	serve "$recording"
	top 80 24 -- --vm busy1
	shows '^REASON +EXITS '
	keys Enter
	shows '^NPF  nested page fault'
	keys Escape
	shows '^REASON +EXITS '
	keys Enter l
	shows '^REASON +EXITS/s +TIME% +P50'
	keys Enter t
	shows '^vCPU 0 '
	keys t
	shows '^REASON +EXITS '
	keys / hlt Enter
	not_shown '^NPF'
	keys Enter
	shows '^HLT  '
	keys Escape
	shows "^only 'hlt'"
	keys h
	shows '^ l +latency: how long exits take'
	shows '^ Enter +the histogram of the selected reason'
	keys q
}

@test "what is not as usual is said in every view, alone in its line" {
	local view
	serve "$BATS_FILE_TMPDIR/off"
	for view in time latency; do
		top 80 24 -- --$view
		shows "^$off$"
		keys p
		shows '^paused at [0-9:]+; p goes on$'
		keys p
		shows "^$off$"
		keys Enter p
		shows '^paused at [0-9:]+; p goes on$'
		keys p q
		shows '^status 0'
	done
	top 80 24 -- --latency
	keys / busy Enter
	shows "^only 'busy': 1 shown; Esc shows all$"
	keys Enter / cpu Enter
	shows "^only 'cpu': 1 shown; Esc shows all$"
	keys Enter p
	shows '^CPUID  '
	shows '^paused at [0-9:]+; p goes on$'
	# It is not noticed before it is asked again.
	stop_daemon
	keys p
	shows '^daemon gone, reconnecting'
	keys q
}

@test "replay, LC_ALL=C, and any size" {
	exitstat_in 80 24 LC_ALL=C -- replay --latency --vm busy1 "$recording"
	shows '^IOIO .* 15\.0us 32\.8us  255us 4\.19ms 50\.3ms '
	keys Home Enter
	shows '^ *8\.19us +16\.4us +[0-9,]+ +600 +60\.0% +60\.0%  #+$'
	run ! grep -P '[^\x00-\x7f]' <<<"$(screen)"
	$tmux resize-window -x 40 -y 16
	not_shown 'SO FAR'
	shows '^ *8\.19us +16\.4us '
	run ! grep -P '[^\x00-\x7f]' <<<"$(screen)"
	fits 40
	$tmux resize-window -x 10 -y 3
	shows '^busy1'
	$tmux resize-window -x 200 -y 50
	shows 'HOW MANY'
	keys Escape
	shows 'HISTOGRAM'
	keys q
	shows '^status 0'
}
