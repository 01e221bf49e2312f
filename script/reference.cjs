#!/usr/bin/env node
// Writes docs/reference.md from the NatSpec of contracts/interfaces, with the selectors of calls, events and errors.
// `--check` writes nothing and fails when the file is stale, when an interface leaves something undocumented, or when
// docs/protocol.md names in backquotes a call or an error that no interface has.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const solc = require("solc");
const { keccak256 } = require("js-sha3");

const ROOT = path.join(__dirname, "..");
const FOLDER = "contracts/interfaces";
const TARGET = "docs/reference.md";
const PROSE = "docs/protocol.md";
// What protocol.md writes like a call and is not one of the interfaces'.
const OTHER_CALLS = new Set(["keccak256", "blockhash", "min", "max", "P"]);

const read = (file) => fs.readFileSync(path.join(ROOT, file), "utf8");
const stop = (problems) => {
  process.stderr.write(problems.map((problem) => `reference: ${problem}\n`).join(""));
  process.exit(1);
};

function compile() {
  const files = fs.readdirSync(path.join(ROOT, FOLDER)).filter((name) => name.endsWith(".sol")).sort();
  const sources = Object.fromEntries(files.map((name) => [`${FOLDER}/${name}`, { content: read(`${FOLDER}/${name}`) }]));
  const outputSelection = { "*": { "*": ["abi", "devdoc", "userdoc"] } };
  const input = { language: "Solidity", sources, settings: { outputSelection } };
  const load = (file) => {
    const name = file.startsWith("solady/") ? file.replace("solady/", "node_modules/solady/src/") : file;
    return { contents: read(name) };
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
  const errors = (output.errors ?? []).filter((entry) => entry.severity === "error");
  if (errors.length !== 0) stop(errors.map((entry) => entry.formattedMessage));
  return files.map((name) => {
    const contract = name.replace(".sol", "");
    return { contract, ...output.contracts[`${FOLDER}/${name}`][contract] };
  });
}

// The ABI's name of a type: structs are spelled out as tuples.
function canonical(input) {
  if (!input.type.startsWith("tuple")) return input.type;
  return `(${input.components.map(canonical).join(",")})${input.type.slice("tuple".length)}`;
}
const signature = (item) => `${item.name}(${item.inputs.map(canonical).join(",")})`;
const hash = (item) => `0x${keccak256(signature(item))}`;
const selector = (item) => hash(item).slice(0, 10);

// A type as the source has it: `TaskId`, `ITask.Kind`, `uint96`.
const spoken = (input) => (input.internalType ?? input.type).replace(/^(struct|enum|contract) /, "");
const parameters = (inputs) => inputs.map((input) => [spoken(input), input.name].filter(Boolean).join(" ")).join(", ");

const tidy = (text) => (text ?? "").replace(/\s+/g, " ").trim();
const part = (text) => tidy(text).replace(/\.$/, "").replace(/^[A-Z](?=[a-z ])/, (letter) => letter.toLowerCase());
const sentence = (text) => (text === "" || /[.:]$/.test(text) ? text : `${text}.`);

function describeCall(item, devdoc, userdoc) {
  const key = signature(item);
  const dev = devdoc.methods?.[key] ?? devdoc.stateVariables?.[item.name] ?? {};
  const notice = tidy(userdoc.methods?.[key]?.notice);
  const returns = Object.entries(dev.returns ?? {}).map(([name, text]) => (name === "_0" ? part(text) : `\`${name}\`: ${part(text)}`));
  const lines = [];
  if (notice !== "") lines.push(sentence(notice));
  if (dev.details) lines.push(sentence(tidy(dev.details)));
  for (const [name, text] of Object.entries(dev.params ?? {})) lines.push(`\`${name}\`: ${sentence(tidy(text))}`);
  if (returns.length !== 0) lines.push(`Returns ${sentence(returns.join("; "))}`);
  if (dev["custom:error"]) lines.push(`Errors: ${tidy(dev["custom:error"])}.`);
  return lines;
}

const describeOther = (item, kind, devdoc, userdoc) => {
  const entry = (document) => [document[kind]?.[signature(item)]].flat()[0] ?? {};
  const notice = tidy(entry(userdoc).notice);
  const params = Object.entries(entry(devdoc).params ?? {}).map(([name, text]) => `\`${name}\`: ${sentence(tidy(text))}`);
  return [...(notice === "" ? [] : [sentence(notice)]), ...params];
};

function section({ contract, abi, devdoc, userdoc }, problems) {
  const of = (type) => abi.filter((item) => item.type === type).sort((a, b) => a.name.localeCompare(b.name));
  const lines = [`## ${contract}`, "", sentence(tidy(devdoc.title)), ""];
  if (userdoc.notice) lines.push(tidy(userdoc.notice), "");
  if (devdoc.details) lines.push(tidy(devdoc.details).replace(/ - /g, "\n- ").replace("warnings\n", "warnings:\n\n"), "");
  const list = (title, items, head, describe) => {
    if (items.length === 0) return;
    lines.push(`### ${title}`, "");
    for (const item of items) {
      const text = describe(item);
      if (text.length === 0 && item.type !== "event") problems.push(`${contract}.${item.name} has no NatSpec`);
      lines.push(`- ${head(item)}${text.length === 0 ? "" : `<br>${text.join(" ")}`}`);
    }
    lines.push("");
  };
  const reads = (item) => ["view", "pure"].includes(item.stateMutability);
  const call = (item) => {
    const pays = item.stateMutability === "payable" ? " payable" : "";
    const returns = item.outputs.length === 0 ? "" : ` → (${parameters(item.outputs)})`;
    return `\`${item.name}(${parameters(item.inputs)})${pays}${returns}\` \`${selector(item)}\``;
  };
  const calls = of("function");
  const describe = (item) => describeCall(item, devdoc, userdoc);
  list("Calls", calls.filter((item) => !reads(item)), call, describe);
  list("Views", calls.filter(reads), call, describe);
  const other = (item) => `\`${item.name}(${parameters(item.inputs)})\` \`${item.type === "event" ? hash(item) : selector(item)}\``;
  list("Events", of("event"), other, (item) => describeOther(item, "events", devdoc, userdoc));
  list("Errors", of("error"), other, (item) => describeOther(item, "errors", devdoc, userdoc));
  return lines.join("\n");
}

// Calls and errors that the prose names and no interface has.
function strangers(contracts) {
  const known = new Set(contracts.flatMap(({ abi }) => abi.map((item) => item.name)));
  const named = [...read(PROSE).matchAll(/`(?:[A-Z]\w*\.)?(\w+)\([^`]*\)`/g)].map((match) => match[1]);
  return named.filter((name) => !known.has(name) && !OTHER_CALLS.has(name)).map((name) => `${PROSE} names ${name}(), which no interface has`);
}

function main() {
  const contracts = compile();
  const problems = strangers(contracts);
  const sections = contracts.map((contract) => section(contract, problems));
  if (problems.length !== 0) stop(problems);
  const intro = [
    "# Reference",
    "",
    "Every call, view, event and error of the five contracts, from the NatSpec of [contracts/interfaces](../contracts/interfaces):",
    "`node script/reference.cjs` writes this page and `make lint` fails when it is stale. Behind each name stands its selector, or",
    "the topic of the event.",
    "",
  ].join("\n");
  const page = `${intro}\n${sections.join("\n")}`;
  if (!process.argv.includes("--check")) return fs.writeFileSync(path.join(ROOT, TARGET), page);
  const present = fs.existsSync(path.join(ROOT, TARGET)) ? read(TARGET) : "";
  if (present !== page) stop([`${TARGET} is stale; run \`node script/reference.cjs\``]);
}

main();
