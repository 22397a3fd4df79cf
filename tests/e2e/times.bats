#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The time views of snapshot, top and replay, over a recording whose numbers times.jq makes up.
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

@test "snapshot --time: shares, bars, the sum, and what is not measured" {
	serve "$recording"
	run -0 "$exitstat" snapshot --time
	[[ ${lines[1]} == "100% is the time of all vCPUs of a VM: n vCPUs live n seconds a second." ]]
	[[ ${lines[2]} == "VM "*"vCPU TIME  GUEST  KERNEL    VMM  WAITING   IDLE  WHERE IT GOES" ]]
	[[ ${lines[3]} =~ ^busy1\ +2\ +[0-9.ms]+\ +60\.0%\ +15\.0%\ +7\.5%\ +3\.0%\ +14\.5%\ +█{18}▓{5}▒▒╱·{4}$ ]]
	[[ ${lines[4]} =~ ^vmm2\ +1\ +[0-9.ms]+\ +10\.0%\ +10\.0%\ +75\.0%\ +0%\ +5\.0%\ +█{3}▓{3}▒{23}·$ ]]
	[[ ${lines[5]} =~ ^hog3\ .*\ +30\.0%\ +5\.0%\ +2\.5%\ +60\.0%\ +2\.5%\ +█{9}▓▒╱{18}·$ ]]
	[[ ${lines[6]} =~ ^idle4\ .*\ +0\.1%\ +0\.1%\ +0%\ +0%\ +99\.8%\ +·{30}$ ]]
	# What is not told apart, and what is in the other parts: no number, and no part of the bar is made up.
	[[ ${lines[7]} =~ ^old5\ .*\ +60\.0%\ +-\ +-\ +-\ +10\.0%\ +█{18}·{3}\?{9}$ ]]
	[[ ${lines[8]} =~ ^nowait6\ .*\ +80\.0%\ +10\.0%\ +5\.0%\ +-\ +5\.0%\ +█{24}▓{3}▒▒·$ ]]
	[[ ${lines[9]} == "4 of 6 VMs "* ]]
	[[ ${lines[10]} == "█ guest  ▓ kernel  ▒ VMM  ╱ waiting  · idle" ]]
	[[ ${lines[11]} == "? outside the guest: kernel, VMM and waiting are not told apart" ]]
	[ "${#lines[@]}" -eq 12 ]
}

@test "snapshot --time: the columns of a row are the numbers of JSON; they add up" {
	serve "$recording"
	run -0 "$exitstat" snapshot --time --for 300ms --vm '[bvhi]*'
	[[ ${lines[7]} == "all VMs "* ]]
	run -0 "$exitstat" snapshot --format json --per-vcpu
	jq -e '.vms[:4] | all(.time | all(.[]; type == "number"))' <<<"$output"
	# The parts of a VM are those of its vCPUs.
	jq -e '.vms[0] | [.per_vcpu[].time.runqueue_ns] | add' <<<"$output" >"$dir/sum"
	jq -e '.vms[0].time.runqueue_ns' <<<"$output" | cmp - "$dir/sum"
	# All that a vCPU lived: n vCPUs have n times the VM's age.
	jq -e '.taken.monotonic_ns as $now | .vms[:4] | all((.time | del(.total_ns) | add) == .vcpus * ($now - .since_ns))' <<<"$output"
	jq -e '.vms[:4] | all((.time | del(.total_ns) | add) == .time.total_ns)' <<<"$output"
}

@test "snapshot --time: sorted, vCPUs below their VM, CSV" {
	serve "$recording"
	run -0 "$exitstat" snapshot --time --sort waiting
	[[ ${lines[3]} == hog3* && ${lines[4]} == busy1* ]]
	run -0 "$exitstat" snapshot --time --sort name --per-vcpu --vm '[bh]*'
	[[ ${lines[3]} == busy1* ]]
	[[ ${lines[4]} =~ ^\ \ vCPU\ 0\ .*\ +70\.0%\ +20\.0%\ +5\.0%\ +1\.0%\ +4\.0% ]]
	[[ ${lines[5]} =~ ^\ \ vCPU\ 1\ .*\ +50\.0%\ +10\.0%\ +10\.0%\ +5\.0%\ +25\.0% ]]
	[[ ${lines[6]} == hog3* && ${lines[7]} == "  vCPU 0"* && ${lines[8]} == "all VMs "* ]]
	# One VM needs no sum.
	run -0 "$exitstat" snapshot --time --vm idle4
	[[ $output != *"all VMs"* ]]
	run -0 "$exitstat" snapshot --time --format csv
	[[ ${lines[0]} == *",vcpu_id,guest_ns,kernel_ns,vmm_ns,idle_ns,runqueue_ns,total_ns" ]]
	[ "${#lines[@]}" -eq 7 ]
	[[ ${lines[5]} == *,old5,vm-5,*,,[0-9]*,,,[0-9]*,, ]]
	run -0 "$exitstat" snapshot --time --format csv --per-vcpu --vm busy1
	[ "$(cut -d, -f12 <<<"$output" | tr '\n' ' ')" = "vcpu_id 0 1 " ]
}

@test "the usual snapshot has the five in a line; idle is in no exit's time" {
	serve "$recording"
	run -0 "$exitstat" snapshot --vm busy1 --for 300ms
	grep -qE '^vCPU time: guest [^ ]+ \(60\.0%\), kernel [^ ]+ \(15\.0%\), VMM [^ ]+ \(7\.5%\), waiting [^ ]+ \(3\.0%\), idle [^ ]+ \(14\.5%\)$' <<<"$output"
	run -0 "$exitstat" snapshot --vm idle4 --for 300ms
	# 99.8% idle, and HLT is all of the exit time.
	grep -qE '^HLT +halt +[0-9,]+ +20\.0 +100% +[^ ]+ +100% +6\.14µs ' <<<"$output"
	run -0 "$exitstat" list --vm idle4
	await ' 99\.8%' "$exitstat" list --vm idle4
}

@test "top --batch --time, and its vCPUs with --vm" {
	serve "$recording"
	run -0 "$exitstat" top --batch -n 1 --time --sort idle
	[[ ${lines[3]} == idle4* && ${lines[4]} == busy1* ]]
	run -0 "$exitstat" top --batch -n 2 --interval 200ms --time --vm busy1
	[[ $output == *"busy1, by vCPU:"* ]]
	grep -qE '^vCPU 1 +[^ ]+ +50\.0% +10\.0% +10\.0% +5\.0% +25\.0%  █{15}▓▓▓▒▒▒╱╱?·+$' <<<"$output"
	run -0 "$exitstat" replay --batch -n 2 --time "$recording"
	grep -qE '^vmm2 +1 +1\.00s +10\.0% +10\.0% +75\.0% +0% +5\.0%  ' <<<"$output"
}

@test "--no-latency: the views say so, and what to do" {
	serve "$BATS_FILE_TMPDIR/off"
	run -0 "$exitstat" snapshot --time
	[ "${lines[1]}" = "Times are not measured with exitstatd --no-latency; restart it without that." ]
	[ "${#lines[@]}" -eq 2 ]
	run -0 "$exitstat" top --batch -n 1 --time
	[ "${lines[1]}" = "Times are not measured with exitstatd --no-latency; restart it without that." ]
	run -0 "$exitstat" snapshot --time --format csv
	[[ ${lines[1]} == *,,,,,, ]]
	top 80 24 -- --time
	shows '^Times are not measured with exitstatd --no-latency; restart it without that\.$'
	shows '^busy1 +2 +- +- +- +- +- +not measured$'
	keys Enter
	shows '^Times are not measured with exitstatd --no-latency'
}

@test "options that do not go together: status 2" {
	run -2 "$exitstat" snapshot --paging --time
	[[ ${#lines[@]} -eq 1 && $output == "exitstat: snapshot: --paging and --time are two views; give one of them" ]]
	run -2 "$exitstat" top --batch --time --sort age
	[[ ${#lines[@]} -eq 1 && $output == "exitstat: top: the time view has no column 'age'; it has name|vcpus|time|guest|"* ]]
	run -2 "$exitstat" snapshot --sort waiting
	[[ ${#lines[@]} -eq 1 && $output == "exitstat: snapshot: the usual view has no column 'waiting'; it has name|class|"* ]]
}

# --- the full screen ---

@test "80x24: t is the time view of all VMs, and back" {
	serve "$recording"
	top 80 24 --
	shows '^busy1 .* running '
	keys t
	shows '^VM +vCPUs +GUEST +KERNEL▼ +VMM +WAITING +IDLE  WHERE IT GOES$'
	shows '^busy1 +2 +60\.0% +15\.0% +7\.5% +3\.0% +14\.5%  █{10}▓▓▒╱··$'
	shows '^hog3 +1 +30\.0% +5\.0% +2\.5% +60\.0% +2\.5%  █{5}▓╱{10}$'
	shows '^old5 +1 +60\.0% +- +- +- +10\.0%  █{10}·\?{5}$'
	shows '^4 of 6 VMs +5 '
	shows '^100% is the time of all vCPUs of a VM: n vCPUs live n seconds a second\.$'
	shows '^█ guest  ▓ kernel  ▒ VMM  ╱ waiting  · idle$'
	shows '^\? outside the guest: kernel, VMM and waiting are not told apart$'
	shows '^Enter open +m paging +t time .* h help +q quit$'
	fits 80
	keys s
	shows 'VMM▼'
	[[ $(line 5) == vmm2* ]]
	keys s
	shows 'WAITING▼'
	[[ $(line 5) == hog3* ]]
	keys m
	shows 'PAGING COST▼'
	keys t t
	shows '^VM +PID '
	keys q
	shows '^status 0'
}

@test "one VM: its vCPUs, and their sum" {
	serve "$recording"
	top 80 24 -- --time
	shows '^busy1 '
	keys Enter
	shows '^vCPU 0 +70\.0% +20\.0% +5\.0% +1\.0% +4\.0%  █+▓+▒·$'
	shows '^vCPU 1 +50\.0% +10\.0% +10\.0% +5\.0% +25\.0%  █+▓+▒+╱·+$'
	shows '^all vCPUs +60\.0% +15\.0% +7\.5% +3\.0% +14\.5%  █+▓+▒+╱·+$'
	fits 80
	keys s
	shows 'GUEST▼'
	[[ $(line 7) == "vCPU 0"* ]]
	keys r
	shows 'GUEST▲'
	[[ $(line 7) == "vCPU 1"* ]]
	keys / 1 Enter
	not_shown '^vCPU 0'
	keys Escape t
	shows '^REASON '
	keys t
	shows '^vCPU 0 '
	keys Escape
	shows '^hog3 '
	keys h
	shows '^ t +time: how much of it'
	keys G
	shows '^ WAITING +ready to run, waiting for a CPU'
}

@test "a recording without vCPUs one by one: their sum, and why" {
	jq -c 'del(.vms[].per_vcpu)' "$recording" >"$dir/sums"
	exitstat_in 80 24 -- replay --time --vm busy1 "$dir/sums"
	shows '^all vCPUs +60\.0% +15\.0% '
	shows '^  a recording has no vCPUs one by one, only their sum$'
}

@test "colour where the terminal can; without it, and in ASCII, the parts still differ" {
	serve "$recording"
	top 80 24 -- --time
	shows '^busy1 '
	await $'\033\\[32m█+' $tmux capture-pane -p -e
	await $'\033\\[36m(\033\\[[0-9;]*m)*▒' $tmux capture-pane -p -e
	top 80 24 NO_COLOR=1 -- --time
	shows '^busy1 .* █+▓▓▒╱·+$'
	run -1 grep -E $'\033\\[([0-9;]*;)?(3[0-7]|4[0-7]|9[0-7]|38|48)[;m]' <<<"$($tmux capture-pane -p -e)"
	top 80 24 LC_ALL=C -- --time
	shows '^busy1 .* #{10}kkvw\.\.$'
	shows '^# guest  k kernel  v VMM  w waiting  \. idle$'
	run ! grep -P '[^\x00-\x7f]' <<<"$(screen)"
	# snapshot, too: colour on a terminal, none in a pipe.
	run -0 "$exitstat" snapshot --time
	[[ $output != *$'\033'* ]]
	exitstat_in 100 24 -- snapshot --time
	shows '^busy1 .* █+▓+▒+╱·+$'
	await $'\033\\[32m█+' $tmux capture-pane -p -e
}

@test "narrow: columns go, the bar and its key stay" {
	local columns
	serve "$recording"
	for columns in 60 40; do
		top "$columns" 16 -- --time
		shows '^busy1 .* █+▓+▒'
		shows 'KERNEL▼'
		shows '^█ guest +▓ kernel +▒ VMM +╱ waiting +· idle$'
		fits "$columns"
	done
	not_shown 'IDLE'
	$tmux resize-window -x 12 -y 3
	shows '^exitstat'
	$tmux resize-window -x 200 -y 50
	shows '^busy1 .*█{60,}▓+▒+╱+·+$'
	keys q
	shows '^status 0'
}
