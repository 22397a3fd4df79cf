#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Completions in bash and zsh: what they offer, that it is what help says, and that VMs' names are only text.
# shellcheck disable=SC2034,SC2154 # variables shared with client.bash

setup_file() {
	load client.bash
	record "$BATS_FILE_TMPDIR/r" 1200
}

setup() {
	bats_require_minimum_version 1.5.0
	load client.bash
	client_setup
	PATH=$build:$PATH
}

teardown() {
	client_teardown
}

# in_bash WORD…: what bash offers for the last of a line of these words, and a space after each
in_bash() {
	bash -c 'shopt -u extglob
		. "$1/completions/$2"
		shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_$1
		[ ${#COMPREPLY[@]} -eq 0 ] || printf "%s " "${COMPREPLY[@]}"' - "$build" "$@"
}

# in_zsh WORD…: the same of zsh; _files and _groups stand for themselves
in_zsh() {
	zsh -f -c '
		compadd() { printf "%s\n" "${(@P)2}"; }
		_describe() { [[ $1 != -o ]] || shift; printf "%s\n" "${(@P)2%%:*}"; }
		compset() { words[CURRENT]=${words[CURRENT]#*=}; }
		_files() { print FILES; }
		_groups() { print GROUPS; }
		file=$1/completions/_$2
		shift
		words=("$@") CURRENT=$#
		complete_it() { source $file; }
		complete_it' - "$build" "$@" | tr '\n' ' '
}

# The long options in the help on stdin, one a line; a continuation may name others.
help_options() {
	grep -oE '^  (-., |    )?--[a-z-]+' | grep -oE -- '--[a-z-]+'
}

@test "a table names exactly the verbs and options that help names" {
	local verb table
	table=$("$exitstat" --options)
	[ "$(awk -F '\t' '$2 == "" { print $1 }' <<<"$table")" = "$("$exitstat" --help | sed -n 's/^  \([a-z]*\) .*/\1/p')" ]
	for verb in $(awk -F '\t' '$2 == "" { print $1 }' <<<"$table"); do
		diff <(awk -F '\t' -v v="$verb" '$1 == v && $2 != "" { print $2 }' <<<"$table") \
			<("$exitstat" "$verb" --help | help_options)
	done
	# help names one form of what can be negated
	diff <("$exitstatd" --options | cut -f 2 | grep -vxE -- '--no-(mmu|pin|metrics-histograms)') <("$exitstatd" --help | help_options)
	"$exitstatd" --options | grep -qP '^-\t--no-mmu\t\t\t'
}

@test "every line of a table has five fields, and help on one line" {
	run -0 awk -F '\t' 'NF != 5 || $1 == "" || $5 == "" || /  / { print; bad = 1 } END { exit bad || NR < 50 }' \
		<("$exitstat" --options; "$exitstatd" --options)
}

@test "what completions hold is what the program says now" {
	local p
	for p in exitstat exitstatd; do
		[ "$(sed "/^.*<<'TABLE'\$/,/^TABLE\$/!d" "$build/completions/$p" | sed '1d;$d')" = "$("$build/$p" --options)" ]
		[ "$(sed "/^.*<<'TABLE'\$/,/^TABLE\$/!d" "$build/completions/_$p" | sed '1d;$d')" = "$("$build/$p" --options)" ]
	done
}

@test "every option of every verb is offered, in both shells" {
	local verb want
	for verb in $("$exitstat" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
		want=$("$exitstat" "$verb" --help | help_options | sort)
		[ "$(in_bash exitstat "$verb" -- | tr ' ' '\n' | sed '/^$/d' | sort)" = "$want" ]
		[ "$(in_zsh exitstat "$verb" -- | tr ' ' '\n' | sed '/^$/d' | sort)" = "$want" ]
	done
	want=$("$exitstatd" --options | cut -f 2 | sort)
	[ "$(in_bash exitstatd -- | tr ' ' '\n' | sed '/^$/d' | sort)" = "$want" ]
	[ "$(in_zsh exitstatd -- | tr ' ' '\n' | sed '/^$/d' | sort)" = "$want" ]
}

@test "bash: verbs, words, VM names, files, groups" {
	serve "$recording"
	[ "$(in_bash exitstat sna)" = "snapshot " ]
	[ "$(in_bash exitstat help sta)" = "status " ]
	[ "$(in_bash exitstat snapshot --per)" = "--per-vcpu " ]
	[ "$(in_bash exitstat snapshot --format '')" = "table json csv " ]
	[ "$(in_bash exitstat snapshot --format = js)" = "json " ]
	[ "$(in_bash exitstat snapshot --format =)" = "table json csv " ]
	[ "$(in_bash exitstat list --sort pa)" = "paging " ]
	[ "$(in_bash exitstat guest --sort cy)" = "cycles " ]
	[ "$(in_bash exitstat top --vm gu)" = "guest1 guest2 " ]
	[ "$(in_bash exitstat compare --with gu)" = "guest1 guest2 " ]
	[ "$(in_bash exitstat report --per '')" = "second guest-second total " ]
	[ "$(in_bash exitstat report REA)" = "README.md " ]
	[ "$(in_bash exitstat record -o REA)" = "README.md " ]
	[ -z "$(in_bash exitstat top --interval '')" ]
	[ "$(in_bash exitstatd --mmu '')" = "off basic full " ]
	[ "$(in_bash exitstatd --config REA)" = "README.md " ]
	[ "$(in_bash exitstatd --group roo)" = "root " ]
}

@test "zsh: verbs, words, VM names, files, groups" {
	serve "$recording"
	[ "$(in_zsh exitstat sna)" = "$("$exitstat" --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | tr '\n' ' ')help --help --version " ]
	[ "$(in_zsh exitstat snapshot --format '')" = "table json csv " ]
	[ "$(in_zsh exitstat snapshot --format=js)" = "table json csv " ]
	[[ "$(in_zsh exitstat top --vm gu)" == *"guest1 guest2 "* ]]
	[ "$(in_zsh exitstat report REA)" = "FILES " ]
	[ "$(in_zsh exitstat record -o REA)" = "FILES " ]
	[ -z "$(in_zsh exitstat top --interval '')" ]
	[ "$(in_zsh exitstatd --mmu '')" = "off basic full " ]
	[ "$(in_zsh exitstatd --group roo)" = "GROUPS " ]
}

@test "a VM's name is only text: with spaces, a dollar, backquotes, a glob" {
	# shellcheck disable=SC2016 # meant as it stands
	local name='w $(touch hacked) `touch hacked` *'
	jq -c --arg n "$name" '.vms[0].name = $n' "$recording" >"$dir/hostile"
	serve "$dir/hostile"
	cd "$dir"
	run -0 in_bash exitstat top --vm w
	[ "$output" = "$(printf '%q ' "$name")" ]
	run -0 in_zsh exitstat top --vm w
	[[ $output == *"$name"* ]]
	[ ! -e hacked ]
}
