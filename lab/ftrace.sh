# shellcheck shell=bash
# ftrace where it cannot count by itself: without CONFIG_HIST_TRIGGERS, as Debian's 5.10. There each event is a line in a
# buffer of our own, and we count lines. Part of lab/lib.sh.

ftrace_instances=/sys/kernel/tracing/instances

# Does this event have a histogram?
ftrace_can_count() { [ -e "$1/hist" ]; }

# ftrace_lines_start NAME GROUP/EVENT...: from now on each of these events is a line of the buffer NAME.
ftrace_lines_start()
{
	local dir=$ftrace_instances/$1 event

	ftrace_lines_stop "$1"
	shift
	mkdir "$dir" && echo 16384 >"$dir/buffer_size_kb" || return
	for event in "$@"; do
		[ ! -e "$dir/events/$event" ] || echo 1 >"$dir/events/$event/enable"
	done
}

ftrace_lines_stop()
{
	[ -d "$ftrace_instances/$1" ] || return 0
	echo 0 >"$ftrace_instances/$1/events/enable"
	rmdir "$ftrace_instances/$1"
}

# Lines "PID EVENT: TEXT" of the buffer NAME. False, with a message, if any were lost.
ftrace_lines_read()
{
	local dir=$ftrace_instances/$1 lost

	lost=$(cat "$dir"/per_cpu/cpu*/stats | awk '/overrun|dropped/ { n += $NF } END { print n + 0 }')
	[ "$lost" = 0 ] || { echo "ftrace_lines_read: dropped $lost" >&2 && return 1; }
	sed -nE 's/^.*-([0-9]+) +\[[0-9]+\] +[^ ]+ +[0-9.]+: ([a-z_]+: .*)/\1 \2/p' "$dir/trace"
}

# kvm_exit's lines on stdin as "PID CODE COUNT". They have names in place of codes: the event's format, $1, says which.
ftrace_lines_exits()
{
	awk '
		function hex(s,   i, n) {
			s = tolower(substr(s, 3))
			for (i = 1; i <= length(s); i++)
				n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
			return n
		}
		function one(s) { return s ~ /^0x/ ? hex(s) : s + 0 }
		# { 0x040 + 14, "PF excp" }
		function learn(isa, text,   part, terms, n) {
			while (match(text, /\{ [^,{}]*, "[^"]*" \}/)) {
				part = substr(text, RSTART + 2, RLENGTH - 4)
				text = substr(text, RSTART + RLENGTH)
				split(part, terms, ", \"")
				n = terms[1]
				sub(/ \+ .*/, "", n)
				n = one(n) + (match(terms[1], / \+ /) ? one(substr(terms[1], RSTART + 3)) : 0)
				code[isa, substr(terms[2], 1, length(terms[2]) - 1)] = n < 0 ? n + 4294967296 : n
			}
		}
		FNR == NR && /^print fmt/ {
			at = index($0, ") : __print_symbolic(")
			learn("vmx", substr($0, 1, at))
			learn("svm", substr($0, at))
		}
		FNR == NR { next }
		$2 == "kvm_exit:" && match($0, /reason .* rip 0x/) {
			name = substr($0, RSTART + 7, RLENGTH - 14)
			n[$1 " " ((isa, name) in code ? code[isa, name] : name ~ /^0x/ ? hex(name) : name)]++
		}
		END { for (e in n) print e, n[e] }
	' "$1" "isa=$([ -d /sys/module/kvm_intel ] && echo vmx || echo svm)" -
}
