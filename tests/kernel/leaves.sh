# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # for who sources this; names of tests/lab/vendor.sh
# What tests of the CPUID leaves ask of a tiny guest, and what single numbers must answer.

every=(--cpuid 500 --touch 100 --cr3 60 --invlpg 50 --io 40 --msr 70 --timer 20 --hlt 3)
by_number='[1342177278, 1342177277, 1342177276]' # 0x4ffffffe, -d, -c

# Exit numbers that are defined, though nothing causes them here (on AMD a read of CR2, the block's last, those beyond it, -1
# and -4; on Intel some from the first block to the last); and that are not defined.
declare -A never=([svm]="2 $((0xa6)) $((0x401)) $((0x407)) $((0xffffffff)) $((0xfffffffc))" [vmx]="2 19 34 70 74 85")
declare -A undefined=([svm]="$((0xa7)) $((0xff)) $((0x3ff)) $((0x404)) $((0x408)) $((0x3fffffff)) $((0xfffffffb)) $((0x80000000))"
	[vmx]="35 38 42 71 82 83 86 $((0xff)) $((0x400)) $((0x3fffffff)) $((0x80000000)) $((0xffffffff))")

# answers FILE LEAVES CODE...: how many answers those leaves gave for these numbers, and which.
answers()
{
	local file=$1 leaves=$2
	shift 2

	jq -r --argjson leaves "$leaves" '[.leaves[] | select(IN(.[0]; $leaves[]) and IN("\(.[1])"; $ARGS.positional[]))[2:]] |
		"\(length) \(unique)"' "$file" --args "$@"
}

# as_documented FILE: by name, what the table in Documentation/virt/kvm says of them.
as_documented()
{
	local -a none without

	read -ra none <<<"${never[$isa]}"
	read -ra without <<<"${undefined[$isa]}"
	tap_is "numbers that are defined and never occur, three leaves" \
		"$(answers "$1" "$by_number" "${none[@]}")" "$((3 * ${#none[@]})) [[0,0,0,0]]"
	tap_is "numbers that are not defined, three leaves" \
		"$(answers "$1" "$by_number" "${without[@]}")" "$((3 * ${#without[@]})) [[0,0,0,4294967295]]"
}
