# shellcheck shell=bash disable=SC2016,SC2034,SC2123,SC2154
# script/setup: done once, it does nothing; whatever is missing, it says so and leaves nothing half-installed.

# A port of this machine that nobody listens on: connections are refused at once.
readonly CLOSED=http://127.0.0.1:1
readonly WHEEL_PLATFORMS="manylinux_2_28_x86_64 manylinux_2_28_aarch64 macosx_14_0_arm64"

# A copy of the repository as set-up sees it before its first run.
fresh_tree() {
  mkdir -p tree/script
  (cd "$REPOSITORY" && cp package.json package-lock.json .npmrc Cargo.toml "$OLDPWD/tree/")
  cp "$REPOSITORY"/script/{setup,solc.cjs,onnxruntime.txt} tree/script/
}

# The same with the parts that the real repository already has.
with_packages() { ln -s "$REPOSITORY/node_modules" tree/node_modules; }
with_runtime() { mkdir -p tree/.xenon && ln -s "$REPOSITORY/.xenon/onnxruntime" tree/.xenon/onnxruntime; }

# Puts a program on PATH, ahead of all others: program NAME SCRIPT-BODY.
program() {
  mkdir -p bin
  printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"
  chmod +x "bin/$1"
  PATH=$PWD/bin:${PATH#"$PWD/bin:"}
}

# An npm that installs an empty folder and keeps its arguments.
recording_npm() { program npm "[ \"\$1\" = --version ] && echo 11.0.0 || { mkdir node_modules; echo \"\$@\" >'$PWD/npm-arguments'; }"; }

# PATH holds every program of the machine's but one.
path_without() {
  local folder program
  mkdir -p all
  while IFS= read -r -d: folder; do
    for program in "$folder"/*; do [ ! -x "$program" ] || ln -s "$program" all/ 2>/dev/null || true; done
  done <<<"$PATH:"
  rm -f "all/$1"
  PATH=$PWD/all
}

nothing_installed() {
  absent tree/node_modules
  equal "$(find tree/.xenon -mindepth 1 2>/dev/null)" ""
}

test_second_run_does_nothing() {
  succeeds "$REPOSITORY/script/setup"
  succeeds "$REPOSITORY/script/setup"
  says "setup: up to date"
  equal "$(wc -l <<<"$output" | tr -d ' ')" 1
}

test_missing_node_is_named() {
  fresh_tree
  path_without node
  fails tree/script/setup
  says "node is missing: install Node.js"
  nothing_installed
}

test_missing_cargo_is_named() {
  fresh_tree
  path_without cargo
  fails tree/script/setup
  says "cargo is missing: install Rust"
  nothing_installed
}

test_missing_npm_and_pip_are_named_together() {
  fresh_tree
  path_without npm
  program python3 '[ "$1" = --version ] && echo Python 3.9.2'
  fails tree/script/setup
  says "npm is missing"
  says "pip (of python3) is missing"
  nothing_installed
}

test_old_node_is_named_with_the_version_needed() {
  fresh_tree
  program node 'echo v18.20.1'
  fails tree/script/setup
  says "node 18.20 is too old, 20.0 or newer is needed"
  nothing_installed
}

test_unreachable_npm_registry_leaves_nothing_behind() {
  fresh_tree
  fails env npm_config_registry=$CLOSED npm_config_cache="$PWD/cache" npm_config_fetch_retries=0 tree/script/setup
  says "see that the npm registry answers"
  nothing_installed
}

test_unreachable_python_index_leaves_no_runtime_behind() {
  fresh_tree
  with_packages
  fails env PIP_INDEX_URL=$CLOSED PIP_FIND_LINKS= PIP_NO_CACHE_DIR=1 PIP_RETRIES=0 tree/script/setup
  says "see that the Python package index answers"
  equal "$(ls -A tree/.xenon)" ""
}

test_wheel_of_another_content_is_refused() {
  local platform
  fresh_tree
  with_packages
  mkdir wheels
  for platform in $WHEEL_PLATFORMS; do
    python3 -m zipfile -c "wheels/onnxruntime-1.31.1-cp311-cp311-$platform.whl" tree/package.json
  done
  fails env PIP_NO_INDEX=1 PIP_FIND_LINKS="$PWD/wheels" PIP_NO_CACHE_DIR=1 tree/script/setup
  says "THESE PACKAGES DO NOT MATCH THE HASHES"
  equal "$(ls -A tree/.xenon)" ""
}

test_missing_parts_are_brought_and_present_ones_kept() {
  fresh_tree
  with_packages
  with_runtime
  succeeds tree/script/setup
  says "setup: done"
  succeeds tree/.xenon/bin/forge --version
  succeeds tree/.xenon/bin/solc --version
  succeeds tree/script/setup
  says "setup: up to date"
}

test_own_foundry_of_the_pinned_version_is_used() {
  local tool
  fresh_tree
  with_runtime
  recording_npm
  for tool in forge anvil cast; do program $tool "echo '$tool Version: 1.7.1-stable'"; done
  succeeds tree/script/setup
  equal "$(cat npm-arguments)" "ci --omit=optional"
  for tool in forge anvil cast; do equal "$(readlink tree/.xenon/bin/$tool)" "$PWD/bin/$tool"; done
}

test_own_foundry_of_another_version_is_left_alone() {
  local tool
  fresh_tree
  with_packages
  with_runtime
  for tool in forge anvil cast; do program $tool "echo '$tool Version: 1.7.10'"; done
  succeeds tree/script/setup
  says ".xenon/ holds foundry 1.7.1 (npm)"
  succeeds tree/.xenon/bin/forge --version
  says "1.7.1"
}

test_tool_that_does_not_run_is_reported() {
  fresh_tree
  with_runtime
  recording_npm
  fails tree/script/setup
  says "forge 1.7.1 from npm does not run on this machine"
  absent tree/.xenon/bin/forge
}

test_lock_of_a_dead_process_is_taken_over() {
  local dead
  fresh_tree
  with_packages
  with_runtime
  sh -c 'exit 0' &
  dead=$!
  wait $dead
  mkdir tree/.xenon/lock
  echo $dead >tree/.xenon/lock/pid
  succeeds tree/script/setup
  absent tree/.xenon/lock
}
