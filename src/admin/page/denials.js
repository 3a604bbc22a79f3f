// Who is refused, why, since when: counts by reason, and a few of the last ones.

import { ago, cell, el, filters, field, plural, reconcile, rowHead, say, select, table, time } from "./dom.js";

export const title = "Denials";

const SVG = "http://www.w3.org/2000/svg";

/** Thirty minutes as bars; in words for who does not see them. */
export function sparkline(minutes) {
  const most = Math.max(...minutes, 1);
  const sum = minutes.reduce((all, it) => all + it, 0);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${minutes.length * 4} 20`);
  svg.setAttribute("class", "spark");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${sum} in 30 minutes, at most ${Math.max(...minutes)} in one`);
  minutes.forEach((count, at) => {
    if (count === 0) return;
    const height = Math.max(2, Math.round((count / most) * 20));
    const bar = document.createElementNS(SVG, "rect");
    for (const [name, value] of [["x", at * 4], ["y", 20 - height], ["width", 3], ["height", height]]) {
      bar.setAttribute(name, value);
    }
    svg.append(bar);
  });
  return el("span", { class: "sparkbox" }, svg,
    el("span", { class: "dim", "aria-hidden": "true" }, sum.toLocaleString("en")));
}

export function mount(root, { fields, remember }) {
  const since = el("p", { class: "dim" });
  const none = el("p", {}, "Nothing was refused since sidegate began.");
  const counts = table("Denials by reason",
    ["Reason", "Meaning", "Last 30 min", "This minute", "In all", "Last"]);
  const examples = table("Recent denials",
    ["Last", "Times", "Reason", "Method", "Route", "Scope", "Account", "Key", "From", "Why"],
    { class: "dense" });
  const choice = select("reason", [["", "every reason"]], "");
  let only = fields.reason ?? "";
  let heard = null;
  const form = filters([field("Reason", choice)], ({ reason }) => {
    only = reason;
    remember({ reason });
    if (heard) update(heard);
  });
  const shown = el("p", { class: "dim", role: "status" });
  root.append(since,
    el("section", { "aria-labelledby": "by-reason" },
      el("h2", { id: "by-reason" }, "By reason"), none, counts.node),
    el("section", { "aria-labelledby": "recent" }, el("h2", { id: "recent" }, "Recent"),
      form, shown, examples.node));

  function options(rows) {
    const names = ["", ...new Set([...rows.map((it) => it.reason), ...(only ? [only] : [])])];
    if (names.join() === [...choice.options].map((it) => it.value).join()) return;
    choice.replaceChildren(...names.map((name) =>
      el("option", { value: name, selected: name === only }, name || "every reason")));
  }

  function update(news) {
    heard = news;
    const { rows, since: begun } = news.denials;
    say(since, `Counted since this sidegate began, ${ago(begun)}. Examples that are alike are one row, ` +
      "ten a reason at most; the log has every one.");
    options(rows);
    none.hidden = rows.length > 0;
    counts.node.hidden = rows.length === 0;
    reconcile(counts.body, rows, (it) => it.reason, reason);
    const all = rows.filter((row) => !only || row.reason === only)
      .flatMap((row) => row.examples.map((it) => ({ ...it, reason: row.reason })))
      .sort((a, b) => b.last.localeCompare(a.last));
    reconcile(examples.body, all,
      (it) => [it.reason, it.request_id, it.peer, it.method, it.route, it.key_id].join(" "), example);
    examples.node.hidden = all.length === 0;
    say(shown, plural(all.length, "example"));
  }
  return update;
}

function reason(it) {
  return el("tr", {},
    rowHead("Reason", {}, el("code", {}, it.reason)),
    cell("Meaning", it.about),
    cell("Last 30 min", sparkline(it.minutes)),
    cell("This minute", it.minutes.at(-1)),
    cell("In all", it.total.toLocaleString("en")),
    cell("Last", time(it.last)));
}

function example(it) {
  const dash = (text) => text ?? el("span", { class: "dim" }, "—");
  const why = new URLSearchParams({ method: it.method, path: path(it), host: host(it) });
  if (it.key_id) why.set("key_id", it.key_id);
  const link = it.template && it.method !== "other" &&
    el("a", { href: `#/explain?${why}` }, "explain", el("span", { class: "unseen" }, ` ${it.reason} on ${it.route}`));
  return el("tr", {},
    cell("Last", time(it.last)),
    cell("Times", it.count.toLocaleString("en")),
    cell("Reason", el("code", {}, it.reason), " ", el("span", { class: "dim" }, it.status)),
    cell("Method", it.method),
    cell("Route", it.route ? [it.route, it.template !== it.route && el("small", {}, el("code", {}, it.template))] : dash(null)),
    cell("Scope", it.scope ? [it.scope, it.needed && el("small", {}, `needs ${it.needed}`, it.level && `, has ${it.level}`)] : dash(null)),
    cell("Account", it.account ? [it.account, el("small", {}, it.workspace)] : dash(null)),
    cell("Key", it.key_id ? el("a", { href: `#/keys?text=${encodeURIComponent(it.key_id)}` }, el("code", {}, it.key_id)) : dash(null)),
    cell("From", el("code", {}, it.peer)),
    cell("Why", link || dash(null)));
}

/** A path that the route takes: the one that was sent is not kept. */
function path(it) {
  return filled(it).slice(filled(it).indexOf("/"));
}

function host(it) {
  return filled(it).slice(0, filled(it).indexOf("/")) || "localhost";
}

function filled({ template, workspace, account }) {
  return (template ?? "/").replace("{workspace}", workspace ?? "x")
    .replace("{account}", account ?? "x").replaceAll("*", "x");
}
