# SPDX-License-Identifier: GPL-2.0-only
# bash completion for exitstat. Verbs and options come from its --help, so that they cannot differ.

_exitstat_verbs() {
	exitstat --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'
}

_exitstat_options() {
	exitstat "$1" --help 2>/dev/null | sed -n 's/^  [-a-z, ]\{4\}\(--[a-z][a-z-]*\).*/\1/p'
}

# The words that option $2 of verb $1 takes, where help names them, behind it or in lines below it: table|json|csv
_exitstat_words() {
	exitstat "$1" --help 2>/dev/null | sed -n "/^ .*$2 /,/^  [-a-z, ]\{4\}--/p" |
		sed -nE '1s/^ *(-., )?--[a-z]+ ([a-z0-9-]+(\|[a-z0-9-]+)+)( .*)?$/\2/p
			/^ {28}/s/^ *(--[a-z]+: )?([a-z0-9]+(\|[a-z0-9]+)+)$/\2/p' | tr '|' '\n' | awk '!seen[$0]++'
}

_exitstat_takes_files() {
	exitstat "$1" --help 2>/dev/null | grep -q '^Usage: .*\] FILE'
}

_exitstat_vms() {
	exitstat list --format json 2>/dev/null | sed -n 's/^ *"name": "\([^"\\]*\)",$/\1/p'
}

_exitstat() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} IFS=$'\n'

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ] || [ "$COMP_CWORD$verb" = 2help ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_exitstat_verbs)"$'\nhelp\n--help\n--version' -- "$cur")
		return
	fi
	case $prev in
	--vm | --with)
		mapfile -t COMPREPLY < <(compgen -W "$(_exitstat_vms)" -- "$cur")
		COMPREPLY=("${COMPREPLY[@]// /\\ }")
		;;
	--format | --sort | --per) mapfile -t COMPREPLY < <(compgen -W "$(_exitstat_words "$verb" "$prev")" -- "$cur") ;;
	--socket | --output | -o) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	--for | --interval | -i | --rounds | -n | --title | --speed) ;;
	*)
		if [[ $cur != -* ]] && _exitstat_takes_files "$verb"; then
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(_exitstat_options "$verb")" -- "$cur")
		fi
		;;
	esac
}

complete -F _exitstat exitstat
