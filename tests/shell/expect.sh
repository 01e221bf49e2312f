# shellcheck shell=bash
# What a test may expect of a command. `output` holds what the last one printed, both streams together.

output=

unmet() {
  printf 'expected %s; the output was:\n%s\n' "$1" "$output"
  exit 1
}

succeeds() { output=$("$@" 2>&1) || unmet "success of: $*"; }
fails() { if output=$("$@" 2>&1); then unmet "failure of: $*"; fi; }
says() { grep -qF -- "$1" <<<"$output" || unmet "to read: $1"; }
absent() { if [ -e "$1" ] || [ -L "$1" ]; then unmet "no such file: $1"; fi; }
equal() { [ "$1" = "$2" ] || unmet "'$2', got '$1'"; }
