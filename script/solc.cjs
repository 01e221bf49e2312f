#!/usr/bin/env node
// The Solidity compiler forge runs: the `solc` of npm behind the two calls forge makes, `--version` and `--standard-json`.
// The JavaScript build gives the same bytes on every platform and comes from the npm registry like every other tool.
"use strict";

const fs = require("node:fs");

const PAUSE_MS = 2;
const pauseCell = new Int32Array(new SharedArrayBuffer(4));

function fail(message) {
  fs.writeSync(2, `solc: ${message}\n`);
  process.exit(1);
}

// Repeats a synchronous read or write of a descriptor that its owner left non-blocking.
function untilReady(attempt) {
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(pauseCell, 0, 0, PAUSE_MS);
    }
  }
}

function readInput() {
  const chunk = Buffer.alloc(1 << 16);
  const parts = [];
  for (;;) {
    const length = untilReady(() => fs.readSync(0, chunk));
    if (length === 0) return Buffer.concat(parts).toString("utf8");
    parts.push(Buffer.from(chunk.subarray(0, length)));
  }
}

// A pipe holds 64 KiB: `process.stdout.write` followed by an exit would cut a longer answer.
function writeOutput(text) {
  const bytes = Buffer.from(text, "utf8");
  for (let sent = 0; sent < bytes.length; ) {
    sent += untilReady(() => fs.writeSync(1, bytes, sent));
  }
}

function compiler() {
  try {
    return require("solc");
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    return fail("the npm package is not installed; run `make setup`");
  }
}

function main(args) {
  if (args.includes("--version")) {
    writeOutput(`solc, the solidity compiler commandline interface\nVersion: ${compiler().version()}\n`);
  } else if (args.includes("--standard-json")) {
    writeOutput(compiler().compile(readInput()));
  } else {
    fail("only --version and --standard-json are supported");
  }
}

try {
  main(process.argv.slice(2));
} catch (error) {
  fail(error.stack ?? String(error));
}
