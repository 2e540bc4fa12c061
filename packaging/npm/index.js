"use strict";

const { existsSync, readdirSync } = require("node:fs");
const { join } = require("node:path");

const folder = join(__dirname, "binaries");
const platform = `${process.platform}-${process.arch}`;

/** The path of the `alt` program for this platform. Throws where the package has none. */
function binary() {
  const path = join(folder, platform, process.platform === "win32" ? "alt.exe" : "alt");
  if (!existsSync(path)) {
    const there = readdirSync(folder).join(", ");
    throw new Error(`alt-dynamodb has no program for ${platform}, only for ${there}: pip install alt-dynamodb has one`);
  }
  return path;
}

module.exports = { binary };
