#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# exitstat top as a person sees it: under tmux, over a recording.
# shellcheck disable=SC2034,SC2154 # variables shared with client.bash

setup_file() {
	bats_require_minimum_version 1.5.0
	load client.bash
	record "$BATS_FILE_TMPDIR/r" 1200
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

@test "80x24: all VMs, rates at once, the keys at the bottom" {
	serve "$recording"
	await '^guest1 .*1\.64k' "$exitstat" list
	top 80 24 --
	shows '^guest1 +4201 +4 npt +running +1\.64k '
	[[ $(line 1) == "exitstat  kvmhost, Linux 6.1.0-42-amd64, AMD SVM "*"every 200ms  "??:??:?? ]]
	[[ $(line 2) == "5 VMs, 1 paused · 9.45k exits/s · outside the guests "*"% of busy time" ]]
	[[ $(line 4) == "VM "*PID*vCPUs*PAGING*STATE*EXITS/s▼*OUTSIDE*"TOP REASONS" ]]
	[[ $(line 5) == guest2*"shadow running   7.80k "*"INVLPG 51%" ]]
	shows '^idle3 +4203 +1 npt +paused +0 '
	shows '^Enter open .*/ filter +s sort +p pause.* h help +q quit$'
	fits 80
}

@test "200x50: more columns, whole names, sparklines" {
	serve "$recording"
	top 200 50 --
	shows '^guest2 .*INVLPG 51%  EXCP_PF 27%  WRITE_CR3 22%'
	[[ $(line 4) == VM*IDLE*EXITS*SEEN*"RATE OVER TIME"*"TOP REASONS"* ]]
	shows '^数据库服务器一个很长很长的名字 '
	shows '^guest1 .*███'
	[[ $(line 50) == *"q quit" ]]
	fits 200
}

@test "Enter opens a VM; Esc goes back" {
	serve "$recording"
	top 80 24 --
	shows '^guest1 '
	keys Down Enter
	shows '^REASON +EXITS EXITS/s▼ +SHARE +TIME% +AVG RATE OVER TIME'
	[[ $(line 2) == "guest1 · pid 4201 · 4 vCPUs · nested paging (npt) · running" ]]
	shows '^1\.64k exits/s · outside the guest .*% · idle .*% · [0-9,]+ exits in '
	shows '^exits/s █+ peak 1\.64k'
	shows '^IOIO +[0-9,]+ +900 +54\.9% +[0-9.]+% +14\.0µs +█+$'
	shows '^NPF +[0-9,]+ +600 +36\.6% '
	[[ $(screen | grep -nE '^(IOIO|NPF|CPUID)' | cut -d: -f2 | cut -c1-4 | tr -d '\n ') == IOIONPFCPUI ]]
	fits 80
	keys Escape
	shows '^guest2 .*shadow'
	[[ $(line 4) == "VM "* ]]
}

@test "--vm opens that VM at once" {
	serve "$recording"
	top 80 24 -- --vm guest2
	shows '^guest2 · pid 4202 · 2 vCPUs · shadow paging · running'
	shows '^WRITE_CR3 '
}

@test "resize: the picture follows, at any size" {
	serve "$recording"
	top 80 24 --
	shows '^guest1 '
	$tmux resize-window -x 200 -y 50
	shows 'RATE OVER TIME .*TOP REASONS'
	[[ $(line 50) == *"q quit" ]]
	$tmux resize-window -x 40 -y 10
	not_shown 'TOP REASONS'
	shows '^guest1 '
	fits 40
	$tmux resize-window -x 10 -y 2
	shows '^exitstat'
	$tmux resize-window -x 80 -y 24
	shows '^guest1 .*IOIO'
	keys Enter
	shows '^REASON '
	$tmux resize-window -x 20 -y 6
	not_shown 'SHARE'
	keys q
	$tmux resize-window -x 80 -y 24
	shows '^status 0'
}

@test "sort: s goes on to the next column, r reverses" {
	serve "$recording"
	top 80 24 --
	shows 'EXITS/s▼'
	keys s
	shows 'OUTSIDE▼'
	keys S S
	shows 'STATE▼'
	keys S S S S
	shows '^VM▼'
	[[ $(line 5) == db* ]]
	keys r
	shows '^VM▲'
	[[ $(line 5) == 数据* ]]
	# The selection stays on its VM.
	keys r G Enter
	shows '^数据.* · pid 4205'
	keys Escape S
	shows '^VM '
}

@test "--sort gives the order at the start" {
	serve "$recording"
	top 80 24 -- --sort pid
	shows 'PID▼'
	[[ $(line 5) == guest1* ]]
}

@test "filter: typed, shown, kept, cleared" {
	serve "$recording"
	top 80 24 --
	shows '^guest1 '
	keys /
	shows '^Filter: '
	keys GUESTX BSpace
	shows '^Filter: GUEST '
	not_shown '^idle3'
	keys Enter
	shows "^only 'GUEST': 2 shown; Esc shows all"
	shows '^Enter open'
	keys Escape
	shows '^idle3'
	keys / 数据 Enter
	shows "^only '数据': 1 shown"
	keys / Escape
	shows '^idle3'
	keys / nothing
	shows 'no VM of that name'
	keys Escape G Home Enter
	shows '^REASON '
	keys / invl Enter
	not_shown '^EXCP_PF'
	shows '^INVLPG'
	# Esc first clears the filter, then goes back.
	keys Escape
	shows '^EXCP_PF'
	keys Escape
	shows '^VM '
}

@test "help: generated from the key table, scrolls, goes back" {
	serve "$recording"
	top 80 24 --
	shows '^guest1 '
	keys h
	shows '^ Keys'
	shows '^ Enter +open the selected VM'
	shows '[0-9]+ more lines below'
	keys G
	shows '^ TOP REASONS +the most frequent reasons'
	not_shown 'more lines below'
	keys '?'
	shows '^guest1 '
	keys Enter h G
	shows '^ TIME% +share of the VM'
	keys Escape
	shows '^REASON '
}

@test "pause stops the picture, and going on is no long interval" {
	serve "$recording"
	top 80 24 --
	shows '^guest1 .*1\.64k'
	keys p
	shows '^paused at '
	local before
	before=$(screen)
	sleep 1
	[ "$(screen)" = "$before" ]
	keys Down Enter
	shows '^REASON '
	keys Escape ' '
	not_shown '^paused'
	shows '^guest1 .*1\.64k'
}

@test "the interval is halved and doubled" {
	serve "$recording"
	top 80 24 --
	shows 'every 200ms'
	keys +
	shows 'every 400ms'
	keys - -
	shows 'every 100ms'
	keys -
	shows 'every 100ms'
	keys + + + + + + + + + + + +
	shows 'every 60s'
}

@test "many VMs scroll; the selection stays in sight" {
	record "$dir/r" 40 100000 60
	serve "$dir/r"
	top 80 24 -- --sort pid
	shows '^guest1 '
	keys G
	shows '^more-59 '
	not_shown '^guest1 '
	keys Enter
	shows '^more-59 · pid 4359'
	keys Escape Home
	shows '^guest1 '
	keys PageDown
	not_shown '^guest1 '
	shows '^more-20 '
}

@test "colour where the terminal can, none with NO_COLOR" {
	serve "$recording"
	top 80 24 -- --vm guest1
	shows '^REASON '
	await $'\033\\[3[0-9]' $tmux capture-pane -p -e
	top 80 24 NO_COLOR=1 -- --vm guest1
	shows '^REASON '
	run -0 $tmux capture-pane -p -e
	[[ $output == *$'\033['* ]]
	run -1 grep -E $'\033\\[([0-9;]*;)?(3[0-7]|4[0-7]|9[0-7]|38|48)[;m]' <<<"$output"
}

@test "LC_ALL=C: ASCII, sparklines too" {
	serve "$recording"
	top 80 24 LC_ALL=C -- --vm guest1
	shows '^exits/s #+ peak'
	shows '^guest1 - pid 4201 - 4 vCPUs'
	shows '14\.0us +#+$'
	run ! grep -P '[^\x00-\x7f]' <<<"$(screen)"
	keys Escape Escape
	shows '^guest1 '
}

@test "hostile names do no harm" {
	serve "$recording"
	top 80 24 --
	shows '^db\?\[31m\?9 +4204'
	keys / 'db' Enter
	shows "1 shown"
	keys Enter
	shows '^db\?\[31m\?9 · pid 4204'
}

@test "a VM that ends while watched stays, with its final counts" {
	record "$dir/r" 400 40
	serve "$dir/r"
	top 80 24 -- --vm guest2
	shows '· running$'
	shows '^guest2 .* · ended [0-9.]+m?s ago, final counts'
	shows '^390,000 exits in 50\.0s$'
	shows '^INVLPG +200,000 +- '
	keys Escape
	shows '^guest2 .*ended +- '
}

@test "daemon restarted while watched: said, then on it goes, without garbage" {
	serve "$recording"
	top 80 24 --
	shows '^guest1 .*1\.64k'
	stop_daemon
	shows '^daemon gone, reconnecting…'
	shows '^guest1 '
	serve "$recording"
	not_shown 'daemon gone'
	# Known and right, or not known: nothing else.
	local n
	for n in 9 8 7 6 5 4 3 2 1 0; do
		[ "$n" -gt 0 ] || break
		screen | grep -qE '^guest1 .* (1\.64k|-) '
		sleep 0.1
	done
	shows '^guest1 .*1\.64k'
}

@test "status while it measures: the time that is left, and Ctrl-C ends it with the rest" {
	silent=measure_ns fake_daemon '{"parameters":{"status":{"attach":"attached","cost":{"why":"not asked for"}}}}'
	exitstat_in 90 30 -- status --for 60s
	shows '^measuring: .* of 1m00s, Ctrl-C to end now'
	keys C-c
	shows '^COST  not measured: not asked for'
	shows '^status 0'
	not_shown measuring
	[ "$(line 1)" = "exitstatd is attached to KVM and counting" ]
}

@test "a daemon that hangs: said, and keys still work" {
	serve "$recording"
	top 80 24 --
	shows '^guest1 '
	kill -STOP "$daemon"
	shows '^waiting for exitstatd'
	keys Enter
	shows '^REASON '
	kill -CONT "$daemon"
	not_shown 'waiting'
}

@test "a notice is shown, and in full where there is nothing else to show" {
	local snapshot notice="attached, but this KVM reports no kvm_exit (kvm_pvm does not): use a kernel with kvm_intel or kvm_amd"
	snapshot=$(head -n 1 "$recording")
	fake_daemon "{\"parameters\":{\"snapshot\":$snapshot,\"notice\":\"$notice\"}}"
	top 80 24 --
	shows '^attached, but this KVM reports no kvm_exit .*…$'
	shows '^guest1 '
	rm "$EXITSTAT_SOCKET"
	fake_daemon "{\"parameters\":{\"snapshot\":$(jq -c '.vms = []' <<<"$snapshot"),\"notice\":\"$notice\"}}"
	top 80 24 --
	shows 'no VM has been seen yet'
	shows '^  attached, but .* use a kernel$'
	shows '^  with kvm_intel or kvm_amd$'
	[[ $(line 2) == "0 VMs" ]]
}

@test "q and Ctrl-C leave a terminal as it was; so does SIGTERM" {
	local how
	serve "$recording"
	for how in q C-c term; do
		top 80 24 --
		shows '^guest1 '
		if [ "$how" = term ]; then
			pkill -TERM -f "^$exitstat top -i 0.2" -P "$($tmux display-message -p '#{pane_pid}')" || true
		else
			keys "$how"
		fi
		shows '^status 0'
		not_shown '^guest1 '
		[ "$($tmux display-message -p '#{alternate_on} #{cursor_flag}')" = "0 1" ]
	done
}

@test "errors come before the screen: no daemon, no such VM, no terminal" {
	top 200 24 --
	shows 'exitstat: exitstatd is not running on .*sudo exitstatd'
	shows '^status 1'
	serve "$recording"
	top 200 24 -- --vm gest1
	shows "exitstat: no VM 'gest1'; did you mean 'guest1'"
	shows '^status 3'
	top 200 24 TERM=nonsense --
	shows "exitstat: terminal 'nonsense' cannot show the full screen; use --batch"
	shows '^status 1'
}
