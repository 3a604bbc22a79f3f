// What the last reloads changed, and why one was refused.

import { ask, badge, el, plural, reconcile, say, time } from "./dom.js";

export const title = "Reloads";

export function mount(root, { signal }) {
  const status = el("p", { class: "dim", role: "status" }, "Looking…");
  const list = el("ol", { class: "reloads" });
  const failing = el("div");
  root.append(el("p", { class: "lead" }, "The last ten that changed what is in force, the latest first: who reaches more, who less."),
    failing, status, list);
  let known = "";
  return async ({ overview }) => {
    const { generation, last_reload: reload } = overview;
    const mark = `${overview.started} ${generation.number} ${reload.failures}`;
    // What a reload changed is found a moment after it is in force.
    const young = Date.now() - Date.parse(generation.since) < 10_000;
    if (mark === known && !young) return;
    known = mark;
    try {
      const answer = await ask("reloads", {}, signal);
      failing.replaceChildren(...(answer.failing ? [refused(answer.failing)] : []));
      reconcile(list, answer.rows, (it) => it.generation, change);
      say(status, answer.rows.length ? plural(answer.rows.length, "reload")
        : `None since sidegate began: generation ${generation.number} is the first, or its like.`);
    } catch (error) {
      if (error.name !== "AbortError") say(status, `Nothing could be read: ${error.message}`);
      known = "";
    }
  };
}

function refused({ since, problems, waiting }) {
  return el("div", { class: "banner bad" },
    el("p", {}, el("strong", {}, waiting ? "Held back by a guard rail" : "Refused"), " since ", time(since)),
    el("ul", { class: "lines" }, problems.map((it) => el("li", {}, el("code", {}, it)))));
}

function change(it) {
  const rows = it.rows.map((row) => el("li", {},
    [row.gained && "more", row.lost && "less", !row.gained && !row.lost && "as much"]
      .filter(Boolean).map((word) => [badge(word, word === "more" ? "warn" : ""), " "]), row.words));
  return el("li", {},
    el("h2", {}, `Generation ${it.generation} `, el("span", { class: "dim" }, time(it.at), `, loaded in ${it.duration_ms.toLocaleString("en")} ms`)),
    el("p", {}, it.summary),
    rows.length > 0 && el("details", { open: rows.length <= 10 },
      el("summary", {}, plural(rows.length + it.left_out, "change")),
      el("ul", { class: "lines diff" }, rows,
        it.left_out > 0 && el("li", { class: "dim" }, `… and ${it.left_out.toLocaleString("en")} more`))));
}
