# shellcheck shell=bash disable=SC2016,SC2034,SC2123,SC2154
# script/solc.cjs answers as forge expects a compiler to.

readonly SOLC=$REPOSITORY/script/solc.cjs

# Standard JSON that compiles COUNT functions and asks for their syntax tree; the source opens with PADDING bytes of comment.
input() {
  node -e '
    const [count, padding] = process.argv.slice(1).map(Number);
    const body = Array.from({ length: count }, (_, i) => `function f${i}() external {}`).join("\n");
    const content = `// ${"x".repeat(padding)}\ncontract C {\n${body}\n}`;
    const settings = { outputSelection: { "*": { "": ["ast"], "*": ["abi"] } } };
    process.stdout.write(JSON.stringify({ language: "Solidity", sources: { "C.sol": { content } }, settings }));
  ' "$@"
}

test_version_is_the_pinned_one() {
  succeeds "$SOLC" --version
  says "Version: $(sed -n 's/.*"solc": "\(.*\)".*/\1/p' "$REPOSITORY/package.json")+commit."
}

test_unknown_request_is_an_error() {
  fails "$SOLC" --bin
  says "only --version and --standard-json are supported"
}

test_malformed_input_is_answered_as_the_compiler_does() {
  output=$(echo '{' | "$SOLC" --standard-json)
  says '"type":"JSONError"'
}

test_answer_longer_than_a_pipe_arrives_whole() {
  input 1200 0 | "$SOLC" --standard-json | node -e '
    const text = require("fs").readFileSync(0, "utf8");
    if (text.length < 4 * 65536) throw new Error(`the answer has only ${text.length} bytes: too short to show anything`);
    const functions = JSON.parse(text).contracts["C.sol"].C.abi.length;
    if (functions !== 1200) throw new Error(`${functions} functions`);
  '
}

test_input_longer_than_a_pipe_is_read_whole() {
  output=$(input 3 300000 | "$SOLC" --standard-json)
  says '"name":"f2"'
}

test_missing_package_says_what_to_do() {
  cp "$SOLC" .
  fails ./solc.cjs --version
  says 'run `make setup`'
}
