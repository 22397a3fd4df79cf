#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The paging views of snapshot, list and top, over a recording whose numbers paging.jq makes up.
# shellcheck disable=SC2034,SC2154 # variables shared with client.bash and terminal.bash

setup_file() {
	bats_require_minimum_version 1.5.0
	jq -n -c --argjson n 1200 --argjson uid "$(id -u)" -f tests/e2e/paging.jq >"$BATS_FILE_TMPDIR/r"
}

setup() {
	bats_require_minimum_version 1.5.0
	load client.bash
	load terminal.bash
	client_setup
	terminal_setup
	serve "$recording"
}

teardown() {
	terminal_teardown
	client_teardown
}

sentence1="Nested paging is 86% of the exits and 75% of the time outside the guest, mostly NPF, most of them for memory that KVM has yet to map."
sentence2="Shadow paging is 95% of the exits and 89% of the time outside the guest, mostly INVLPG: the guest drops translations, as after page table changes."

@test "snapshot has a line on paging, and everything else as before" {
	run -0 "$exitstat" snapshot --vm guest2 --for 300ms
	grep -qE '^Paging: [0-9]+,?[0-9]+ exits \(95\.0%\), 7,600\.0/s; [0-9.]+m?s \(88\.6% of the time outside the guest\)$' <<<"$output"
	grep -qE '^INVLPG +paging ' <<<"$output"
	[[ $output != *"fault shadow"* ]]
}

@test "snapshot --paging: cost, sentence, events with rates, for nested and for shadow paging" {
	run -0 "$exitstat" snapshot --vm guest1 --for 300ms --paging
	[[ $output == *$'\n'"$sentence1"$'\n'* ]]
	grep -qE '^fault tdp +[0-9,]+ +2,900\.0  on EPT or NPT$' <<<"$output"
	grep -qE '^fault shadow +0 +0  ' <<<"$output"
	grep -qE '^SPTE 2M set +[0-9,]+ +350\.0  ' <<<"$output"
	[[ $output != *"IOIO "* && $output != *"L2 "* && $output != *"SPTE requested"* ]]
	run -0 "$exitstat" snapshot --vm guest2 --for 300ms --paging
	[[ $output == *$'\n'"$sentence2"$'\n'* ]]
	grep -qE '^fault shadow +[0-9,]+ +1,900\.0  ' <<<"$output"
	grep -qE '^CR3 write +[0-9,]+ +1,500\.0  ' <<<"$output"
	grep -qE '^shadow page zapped +[0-9,]+ +140\.0  ' <<<"$output"
	# Measured with --mmu full.
	grep -qE '^SPTE requested +[0-9,]+ +2,100\.0  ' <<<"$output"
}

@test "snapshot --paging: a nested hypervisor's shadowing stands apart" {
	run -0 "$exitstat" snapshot --vm hyper3 --for 300ms --paging
	[[ $output == *"nested paging (npt), runs guests itself"*"mostly NPF, most of them for this VM's own guests."* ]]
	grep -qE '^fault tdp +[0-9,]+ +100\.0  ' <<<"$output"
	grep -qE '^L2 fault +[0-9,]+ +1,400\.0  ' <<<"$output"
	grep -qE '^L2 SPTE 4K set +[0-9,]+ +1,300\.0  ' <<<"$output"
}

@test "what is not measured is said so, and is not 0" {
	run -0 "$exitstat" snapshot --vm bare4 --for 300ms --paging
	[[ $output == *"; their time was not measured"* ]]
	[[ $output == *"Nested paging is 30% of the exits (their time is not known); IOIO is 70%."* ]]
	[[ ${lines[-1]} == "Events are not measured: exitstatd runs with --no-mmu, "* ]]
	run -0 "$exitstat" top --batch -n 1 --paging
	grep -qE '^bare4 +npt +1\.00k +300 +30\.0% +30\.0%( [^ ]+)?( +-){7}$' <<<"$output"
}

@test "JSON has the cost, CSV a row an event" {
	run -0 "$exitstat" snapshot --format json
	jq -e '[.vms[] | select(.name != "bare4") | .paging.cost | .exits > 0 and .time_ns > 0] == [true, true, true]' <<<"$output"
	jq -e '[.vms[].paging.cost | .exit_share * 1000 | round] == [857, 950, 429, 300]' <<<"$output"
	jq -e '[.vms[].paging.cost.time_share | if . then . * 1000 | round else . end] == [750, 886, 600, null]' <<<"$output"
	run -0 "$exitstat" list --format json
	jq -e '[.vms[] | .paging_exit_share] | map(type) | unique == ["number"]' <<<"$output"
	run -0 "$exitstat" snapshot --paging --format csv
	[[ ${lines[0]} == "realtime_ns,interval_ns,vm,id,pid,vcpus,paging,nested,state,since_ns,ended_ns,vcpu_id,event,count" ]]
	[ "$(awk -F, '{ print NF }' <<<"$output" | sort -u)" -eq 14 ]
	grep -qE ',guest2,vm-2,4202,1,shadow,false,running,[0-9]+,,,cr\.cr3\.write,[0-9]+$' <<<"$output"
	grep -qE ',bare4,.*,mmu\.faults\.tdp,$' <<<"$output"
	# Of each VM the same rows, unmeasured ones too.
	[ "$(tail -n +2 <<<"$output" | cut -d, -f3 | sort | uniq -c | awk '{ print $1 }' | sort -u | wc -l)" -eq 1 ]
}

@test "list and top --batch show what paging costs" {
	await '^guest2 .* 8\.00k +26\.0% +88\.6% ' "$exitstat" list
	run -0 "$exitstat" list --sort cost
	[[ ${lines[0]} == *"PAGING%"* && ${lines[1]} == guest2* && ${lines[4]} == bare4* ]]
	run -0 "$exitstat" top --batch -n 1 --paging
	[[ ${lines[1]} == "VM "*PAGING*EXITS/s*PAGING/s*SHARE*"PAGING COST"*TDP/s*SHADOW/s*MMIO/s*L2/s*SPTEs/s*PAGES/s*CR3/s ]]
	grep -qE '^guest2 +shadow +8\.00k +7\.60k +95\.0% +88\.6% .* 0 +1\.90k +100 +0 +2\.20k +150 +1\.60k$' <<<"$output"
	grep -qE '^hyper3 +npt\+L2 +3\.50k +1\.50k +42\.9% +60\.0% .* 100 +0 +0 +1\.40k +90 +1 +0$' <<<"$output"
	[[ $output != *"$sentence1"* ]]
	run -0 "$exitstat" top --batch -n 1 --paging --vm guest1
	[[ $output == *"guest1: $sentence1"* ]]
	grep -qE '^SPTE 4K set +[0-9,]+ +2\.50k  ' <<<"$output"
	run -0 "$exitstat" top --batch -n 1 --paging --sort name
	[[ ${lines[2]} == bare4* ]]
}

@test "options that do not go together: status 2" {
	run -2 "$exitstat" snapshot --paging --sort time
	[[ ${#lines[@]} -eq 1 && $output == "exitstat: snapshot: "*--sort*--paging* ]]
	run -2 "$exitstat" top --batch --paging --sort age
	[[ ${#lines[@]} -eq 1 && $output == "exitstat: top: the paging view has no column 'age'; it has name|"* ]]
}

# --- the full screen ---

@test "80x24: m is the paging view of all VMs, and back" {
	top 80 24 --
	shows '^guest1 .* running '
	keys m
	shows '^VM +PAGING EXITS/s PAGING/s +SHARE PAGING COST▼ +TDP/s SHADOW/s$'
	shows '^guest2 +shadow +8\.00k +7\.60k +95\.0% 88\.6% █+[▏▎▍▌▋▊▉]? +0 +1\.90k$'
	shows '^guest1 +npt +3\.50k +3\.00k +85\.7% 75\.0% █+[▏▎▍▌▋▊▉]? +2\.90k +0$'
	shows '^bare4 +npt +1\.00k +300 +30\.0% 30\.0% █+[▏▎▍▌▋▊▉]? +- +-$'
	[[ $(line 5) == guest2* && $(line 8) == bare4* ]]
	shows '^Enter open +m paging .* h help +q quit$'
	fits 80
	# The selection and the filter go along.
	keys Down Down m
	shows '^VM +PID '
	keys m / hyp Enter
	shows "^only 'hyp': 1 shown"
	keys m
	shows '^hyper3 +4203 '
	not_shown '^guest1'
	shows "^only 'hyp': 1 shown"
	keys Escape m s
	shows 'TDP/s▼'
	[[ $(line 5) == guest1* ]]
}

@test "one VM: the sentence, the events, their rates over time" {
	top 80 24 -- --paging
	shows '^guest2 +shadow'
	keys Enter
	shows '^guest2 · pid 4202 · 1 vCPU · shadow paging · running'
	shows '^8\.00k exits/s · for paging 7\.60k \(95\.0%\) · 88\.6% of the time outside the guest$'
	[ "$(line 4) $(line 5)" = "$sentence2" ]
	shows '^EVENT▼ +COUNT PER SEC RATE OVER TIME$'
	shows '^fault shadow +[0-9,]+ +1\.90k +█+$'
	shows '^CR3 write +[0-9,]+ +1\.50k +█+$'
	shows '^fault fast +0 +0$'
	fits 80
	keys s s Home
	shows 'PER SEC▼'
	shows '^guest walk .*2\.60k'
	[[ $(line 8) == "guest walk"* ]]
	keys / zap Enter
	not_shown '^guest walk'
	shows '^shadow page zapped +[0-9,]+ +140 '
	keys Escape m
	shows '^REASON '
	keys m
	shows '^EVENT'
	keys Escape
	shows '^guest2 +shadow +8\.00k +7\.60k'
}

@test "nested paging, and a VM that runs guests itself" {
	top 80 45 -- --paging --vm guest1
	shows '^3\.50k exits/s · for paging 3\.00k \(85\.7%\) · 75\.0% of the time outside the guest$'
	[ "$(line 4) $(line 5)" = "$sentence1" ]
	shows '^fault tdp +[0-9,]+ +2\.90k '
	not_shown '^L2'
	top 110 50 -- --paging --vm hyper3
	shows "^Nested paging is 43% of the exits and 60% of .* mostly NPF, most of them for this$"
	shows '^fault tdp +[0-9,]+ +100  on EPT or NPT +█+$'
	shows '^L2 fault +[0-9,]+ +1\.40k  of guests that the VM runs +█+$'
	fits 110
}

@test "nothing measured: a line instead of events" {
	top 80 24 -- --paging --vm bare4
	shows '^Nested paging is 30% of the exits \(their time is not known\); IOIO is 70%\.$'
	shows '^  Events are not measured: exitstatd runs with --no-mmu, '
}

@test "LC_ALL=C: ASCII; and at any size" {
	top 80 24 LC_ALL=C -- --paging
	shows '^guest2 +shadow .* 88\.6% #+ '
	keys Enter
	shows '^fault shadow +[0-9,]+ +1\.90k +#+$'
	run ! grep -P '[^\x00-\x7f]' <<<"$(screen)"
	$tmux resize-window -x 40 -y 10
	not_shown 'RATE OVER TIME'
	shows '^fault tdp '
	fits 40
	$tmux resize-window -x 12 -y 3
	shows '^guest2'
	$tmux resize-window -x 160 -y 50
	shows 'WHAT IT IS'
	keys q
	shows '^status 0'
}

@test "help says what m does, and the columns of the view it came from" {
	top 80 60 -- --paging
	shows '^guest2 +shadow'
	keys h
	shows '^ m +paging: what it costs'
	shows '^ SPTEs/s +entries of all sizes'
	keys h Enter h
	shows '^ PER SEC +how often per second'
	keys h
	shows '^EVENT'
}
