#!/usr/bin/env node
// The compiler aderyn runs: it wants the syntax trees of `solc --ast-compact-json`, which the JavaScript build does not print.
"use strict";

const fs = require("node:fs");
const solc = require("solc");

function main(args) {
  if (args.includes("--version")) {
    fs.writeSync(1, `solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
    return;
  }
  const remappings = args.filter((argument) => argument.includes("="));
  const files = args.filter((argument) => argument.endsWith(".sol"));
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(files.map((file) => [file, { content: fs.readFileSync(file, "utf8") }])),
    settings: { remappings, outputSelection: { "*": { "": ["ast"] } } },
  };
  const answer = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
  const errors = (answer.errors ?? []).filter((error) => error.severity === "error");
  if (errors.length !== 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  // Libraries are left out: aderyn reports on what it is given.
  const trees = files.map((file) => `\n======= ${file} =======\n${JSON.stringify(answer.sources[file].ast)}\n`);
  process.stdout.write(trees.join(""));
}

function readImport(path) {
  try {
    return { contents: fs.readFileSync(path, "utf8") };
  } catch (error) {
    return { error: String(error) };
  }
}

main(process.argv.slice(2));
