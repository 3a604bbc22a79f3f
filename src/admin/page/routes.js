// Routes as a tree: a host, and below each prefix the longer ones.

import { ask, badge, cell, el, field, filters, pages, plural, rowHead, table } from "./dom.js";

export const title = "Routes";

export function mount(root, { fields, remember, signal }) {
  let values = { text: "", ...fields };
  const form = filters([
    field("Host, prefix, scope, workspace or upstream",
      el("input", { name: "text", type: "search", value: fields.text, autocomplete: "off", spellcheck: "false" })),
  ], (changed) => {
    values = changed;
    remember(values);
    list.start();
  });
  const status = el("p", { class: "dim", role: "status" }, "Looking…");
  const trees = el("div");
  let rows = [];
  const list = pages({
    status, signal,
    load: (after) => ask("routes", { ...values, limit: 200, after: after ?? undefined }, signal),
    reset: () => { rows = []; },
    add(answer) {
      rows.push(...answer.rows);
      trees.replaceChildren(...hosts(rows));
    },
    describe: (answer, shown) => (answer.matched === 0 ? "No route is like that." :
      `${shown.toLocaleString("en")} of ${plural(answer.matched, "route")}` +
      (answer.matched < answer.total ? ` (${answer.total.toLocaleString("en")} in all).` : ".")),
  });
  root.append(el("p", { class: "lead" }, "The most specific decides: an exact host before a pattern before none, ",
    "then the longer prefix. What matches no route is refused."), form, list.newer, status, trees, el("p", {}, list.more));
  list.start();
  return list.heard;
}

function hosts(rows) {
  const by = new Map();
  for (const row of rows) by.set(row.host, [...(by.get(row.host) ?? []), row]);
  return [...by].map(([host, routes], at) => {
    const name = host ?? "Every host";
    const grid = table(`Routes of ${name}`, ["Prefix", "Needs", "Workspace", "Methods", "Upstream", "Besides"], { class: "tree" });
    grid.body.append(...tree(routes).map(route));
    return el("section", { "aria-labelledby": `host-${at}` },
      el("h2", { id: `host-${at}` }, host ? el("code", {}, host) : name), grid.node);
  });
}

/** Each with how deep it is, and the one that it is below. They come in the order of their segments. */
function tree(routes) {
  const above = [];
  return routes.map((it) => {
    const path = it.prefix === "/" ? "/" : `${it.prefix}/`;
    while (above.length && !path.startsWith(above.at(-1).path)) above.pop();
    const shown = { it, depth: above.length, parent: above.at(-1)?.it.prefix };
    above.push({ path, it });
    return shown;
  });
}

function route({ it, depth, parent }) {
  const rest = parent && parent !== "/" ? it.prefix.slice(parent.length) : it.prefix;
  return el("tr", {},
    rowHead("Prefix", { class: `depth-${Math.min(depth, 6)}` },
      depth > 0 && [el("span", { "aria-hidden": "true", class: "branch" }, "└ "), el("span", { class: "unseen" }, `below ${parent}: `)],
      el("code", { title: it.prefix }, rest || it.prefix),
      it.name !== (it.host ?? "") + it.prefix && el("small", {}, it.name)),
    cell("Needs", scope(it)),
    cell("Workspace", it.kind === "public" ? el("span", { class: "dim" }, "—") : it.workspace ?? el("span", { class: "dim" }, "of the request")),
    cell("Methods", it.methods ? it.methods.join(", ") || "none" : "all",
      it.view_methods && el("small", {}, `view is enough for ${it.view_methods.join(", ") || "none"}`)),
    cell("Upstream", it.upstream, it.strip_prefix && el("small", {}, "without the prefix")),
    cell("Besides", it.upgrade !== "deny" && badge(`WebSocket: ${it.upgrade}`),
      it.preflight === "forward" && [" ", badge("preflights pass")],
      it.protect.map(([role, area]) => [" ", badge(`${role}: area ${area}`)])));
}

function scope(it) {
  if (it.kind === "public") return badge("public", "warn");
  const name = it.permission ? `${it.scope}/${it.permission}` : it.scope;
  return [el("span", { class: "dim" }, `${it.kind} `), name];
}
