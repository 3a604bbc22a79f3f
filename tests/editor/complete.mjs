// Asks taplo's language server what it offers at the end of each text.
//
//     node complete.mjs NODE_MODULES FOLDER < '["text", …]'
//
// prints one list of labels a text. The texts name their schema by `#:schema`, relative to FOLDER.

import { existsSync, promises as fs, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const [modules, folder] = process.argv.slice(2);
const { TaploLsp } = createRequire(`${modules}/`)("@taplo/lsp");
const texts = JSON.parse(readFileSync(0, "utf8"));
const root = pathToFileURL(folder).href;

const environment = {
  now: () => new Date(),
  envVar: () => undefined,
  envVars: () => [],
  stdErrAtty: () => false,
  stdin: async () => new Uint8Array(),
  stdout: async (bytes) => bytes.length,
  stderr: async (bytes) => bytes.length,
  glob: () => [],
  readFile: (path) => fs.readFile(path),
  writeFile: () => Promise.reject(new Error("nothing is written")),
  urlToFilePath: (url) => (url.startsWith("file:") ? fileURLToPath(url) : "/"),
  isAbsolute: (path) => path.startsWith("/"),
  cwd: () => folder,
  findConfigFile: () => undefined,
  fetch: { fetch, Headers, Request, Response },
};

// What is awaited comes from the server alone: that keeps no process alive.
setInterval(() => {}, 1000);

const waiting = new Map();
let configured = () => {};
const server = await TaploLsp.initialize(environment, {
  onMessage: (message) => {
    if (message.method === undefined) {
      waiting.get(message.id)?.(message.result);
    } else if (message.id !== undefined) {
      const result = message.params.items.map(() => ({ schema: { enabled: true, catalogs: [] } }));
      server.send({ jsonrpc: "2.0", id: message.id, result });
      configured();
    }
  },
});

let last = 0;
const tell = (method, params) => server.send({ jsonrpc: "2.0", method, params });
const ask = (method, params) =>
  new Promise((resolve) => {
    last += 1;
    waiting.set(last, resolve);
    server.send({ jsonrpc: "2.0", id: last, method, params });
  });

await ask("initialize", {
  processId: null,
  rootUri: root,
  capabilities: { workspace: { workspaceFolders: true, configuration: true } },
  workspaceFolders: [{ uri: root, name: "policy" }],
});
const ready = new Promise((resolve) => (configured = resolve));
tell("initialized", {});
await ready;

const labels = [];
for (const [number, text] of texts.entries()) {
  const uri = `${root}/${number}.toml`;
  tell("textDocument/didOpen", {
    textDocument: { uri, languageId: "toml", version: 1, text },
  });
  const lines = text.split("\n");
  const position = { line: lines.length - 1, character: lines.at(-1).length };
  let items = [];
  // The schema is loaded beside the first answers.
  for (let attempt = 0; attempt < 100 && items.length === 0; attempt += 1) {
    const answer = await ask("textDocument/completion", { textDocument: { uri }, position });
    items = answer?.items ?? answer ?? [];
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  labels.push(items.map((item) => item.label));
}
console.log(JSON.stringify(labels));
process.exit(0);
