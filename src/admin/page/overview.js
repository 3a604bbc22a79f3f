// What is in force, since when, of which files, and what somebody should look at.

import { badge, cell, el, plural, reconcile, replace, rowHead, table, time } from "./dom.js";
import { sparkline } from "./denials.js";

export const title = "Overview";

export function mount(root) {
  const alarms = el("div", { class: "alarms" });
  const facts = el("dl", { class: "facts" });
  const refused = table("Denials of the last half hour, by reason",
    ["Reason", "Last 30 min", "This minute", "In all", "Last"]);
  const none = el("p", { class: "dim" }, "None since sidegate began.");
  const upstreams = table("Upstreams by URL", ["Name", "URL", "Addresses", "Well", "Left out by workers"]);
  const warnings = el("ul", { class: "lines" });
  const quiet = el("p", { class: "dim" }, "None.");
  root.append(
    alarms,
    el("section", { "aria-labelledby": "in-force" }, el("h2", { id: "in-force" }, "In force"), facts),
    el("section", { "aria-labelledby": "denied" }, el("h2", { id: "denied" }, "Denials ",
      el("a", { class: "more", href: "#/denials" }, "with examples")), none, refused.node),
    el("section", { "aria-labelledby": "upstreams" }, el("h2", { id: "upstreams" }, "Upstreams"),
      upstreams.node),
    el("section", { "aria-labelledby": "warnings" }, el("h2", { id: "warnings" }, "Warnings"),
      quiet, warnings),
  );
  let drawn = "";
  return ({ overview, denials }) => {
    const mark = JSON.stringify({ ...overview, uptime_seconds: 0 });
    if (mark !== drawn) {
      drawn = mark;
      alarm(alarms, overview);
      replace(facts, all(overview).map(([name, ...value]) =>
        el("div", {}, el("dt", {}, name), el("dd", {}, value))));
      reconcile(upstreams.body, overview.upstreams, (it) => `${it.name} ${it.url}`, upstream);
      reconcile(warnings, overview.policy.warnings, (it) => it, (it) => el("li", {}, it));
      quiet.hidden = overview.warnings > 0;
    }
    reconcile(refused.body, denials.rows, (it) => it.reason, reason);
    none.hidden = denials.rows.length > 0;
    refused.node.hidden = denials.rows.length === 0;
  };
}

function all({ generation, started, environment, files, policy, expiring, last_reload: reload }) {
  return [
    ["Generation", el("strong", {}, generation.number), ", taken up ", time(generation.since)],
    ["Started", time(started)],
    ["Environment", environment ?? "every one (no pin)"],
    ["Policy", el("code", {}, files.policy)],
    ["Keys", el("code", {}, files.keys)],
    ["Settings", el("code", {}, files.settings)],
    ["Holds", [
      [policy.workspaces, "workspace", "members"], [policy.routes, "route", "routes"],
      [policy.keys, "key", "keys"],
    ].map(([count, word, view], at) =>
      [at > 0 && ", ", el("a", { href: `#/${view}` }, plural(count, word))])],
    ["Keys that end", expiring.days_30 === 0 ? "none within 30 days" : [
      el("a", { href: "#/keys?state=active&days=30" }, `${expiring.days_30} within 30 days`),
      `, ${expiring.days_7} within 7, ${expiring.days_1} within a day`]],
    ["Reloads", `${reload.successes} taken up, ${reload.failures} refused; the last good one `,
      time(reload.succeeded_at)],
  ];
}

function alarm(node, { last_reload: reload, stage }) {
  const { failing, last_good: kept } = reload;
  replace(node,
    stage !== "ready" && el("p", { class: "banner warn" }, `This sidegate is ${stage}.`),
    kept && el("p", { class: "banner warn" },
      "What is in force is the last good copy, kept ", time(kept), ": the files were bad at the start."),
    failing && el("div", { class: "banner bad" },
      el("p", {}, el("strong", {}, failing.waiting
        ? "A change is held back by a guard rail" : "The files are refused"),
      " since ", time(failing.since), ". What was in force stays so."),
      el("ul", { class: "lines" }, failing.problems.map((it) => el("li", {}, el("code", {}, it)))),
      failing.waiting && el("p", {}, "To let in exactly this: ",
        el("code", {}, `sidegate reload --accept ${failing.waiting}`))),
  );
}

function reason(it) {
  return el("tr", {},
    rowHead("Reason", {}, el("a", { href: `#/denials?reason=${encodeURIComponent(it.reason)}` },
      el("code", {}, it.reason))),
    cell("Last 30 min", sparkline(it.minutes)),
    cell("This minute", it.minutes.at(-1)),
    cell("In all", it.total.toLocaleString("en")),
    cell("Last", time(it.last)));
}

function upstream(it) {
  const well = it.healthy === null ? "not asked" : `${it.healthy} of ${it.addresses}`;
  const bad = it.addresses === 0 || it.healthy === 0 || it.ejected > 0;
  return el("tr", {},
    rowHead("Name", {}, it.name),
    cell("URL", el("code", {}, it.url)),
    cell("Addresses", it.addresses),
    cell("Well", well, bad && [" ", badge("look", "warn")]),
    cell("Left out by workers", it.ejected));
}
