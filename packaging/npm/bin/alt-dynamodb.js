#!/usr/bin/env node
"use strict";

// `npx alt-dynamodb` starts a server; with words it is the `alt` command.
const { spawn } = require("node:child_process");
const { constants } = require("node:os");
const { binary } = require("..");

const words = process.argv.slice(2);
let program;
try {
  program = binary();
} catch (error) {
  console.error(`Error: ${error.message}`);
  process.exit(1);
}
const alt = spawn(program, words.length ? words : ["start"], { stdio: "inherit" });
// Whoever stops this means the server, which ends this by its own end.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => alt.kill(signal));
alt.on("error", (error) => {
  console.error(`Error: ${error.message}`);
  process.exit(1);
});
alt.on("exit", (status, signal) => process.exit(status ?? 128 + constants.signals[signal]));
