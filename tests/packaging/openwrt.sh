#!/bin/sh
# openwrt.sh INIT-SCRIPT FUNCTION - call a function of an init script between stand-ins for what OpenWrt's rc.common,
# functions.sh and procd.sh define, and print what procd would be told, a line a call, each word in brackets.
# UCI's settings are those of $UCI_CONFIG_DIR; their format is a program of the shell's.
# Run by busybox, whose shell has "local":
# shellcheck disable=SC3043
set -eu

say() {
	printf '%s' "$1"
	shift
	[ $# = 0 ] || printf ' [%s]' "$@"
	printf '\n'
}

procd_open_instance() { say open "$@"; }
procd_close_instance() { say close; }
procd_set_param() { say set "$@"; }
procd_append_param() { say append "$@"; }
procd_add_reload_trigger() { say trigger "$@"; }
procd_send_signal() { say signal "$@"; }
start() { say start; }

sections=
current=

config() {
	current=$2
	sections="$sections $2"
	eval "type_$2=\$1"
	config_cb "$1" "$2"
}

option() {
	eval "value_${current}_$1=\$2"
	option_cb "$1" "$2"
}

list() {
	local count
	eval "count=\$((\${count_${current}_$1:-0} + 1))"
	eval "count_${current}_$1=\$count; item_${current}_$1_$count=\$2"
	list_cb "$1" "$2"
}

# shellcheck disable=SC1090
config_load() { . "$UCI_CONFIG_DIR/$1"; }

config_get() { eval "$1=\${value_$2_$3:-\${4:-}}"; }

config_get_bool() {
	config_get "$@"
	eval "case \$$1 in 1 | on | true | yes | enabled) $1=1 ;; *) $1=0 ;; esac"
}

config_foreach() {
	local callback=$1 wanted=$2 one kind
	for one in $sections; do
		eval "kind=\$type_$one"
		[ "$kind" != "$wanted" ] || "$callback" "$one"
	done
}

config_list_foreach() { # SECTION LIST CALLBACK [ARGUMENT...]
	local section_of=$1 name=$2 callback=$3 count i=1 item
	shift 3
	eval "count=\${count_${section_of}_$name:-0}"
	while [ "$i" -le "$count" ]; do
		eval "item=\$item_${section_of}_${name}_$i"
		"$callback" "$item" "$@"
		i=$((i + 1))
	done
}

# shellcheck disable=SC1090
. "$1"
"$2"
