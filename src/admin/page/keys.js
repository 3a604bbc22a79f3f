// Keys and their states. What a key reads is known to nobody here.

import { ask, badge, cell, el, field, filters, pages, plural, rowHead, say, select, table, time } from "./dom.js";

export const title = "Keys";

const STATES = [["", "every state"], ["active", "active"], ["not_yet_valid", "not yet valid"],
  ["expired", "expired"], ["revoked", "revoked"]];
const DAYS = [["", "whenever"], ["1", "within a day"], ["7", "within 7 days"], ["30", "within 30 days"], ["90", "within 90 days"]];
const KINDS = { active: "good", "not yet valid": "warn", expired: "", revoked: "bad" };

export function mount(root, { fields, remember, signal }) {
  const input = (name) =>
    el("input", { name, type: "search", value: fields[name], autocomplete: "off", spellcheck: "false" });
  let values = { text: "", workspace: "", state: "", days: "", ...fields };
  const form = filters([
    field("Id, label, account or workspace", input("text")),
    field("State", select("state", STATES, values.state)),
    field("Ends", select("days", DAYS, values.days)),
  ], (changed) => {
    values = changed;
    remember(values);
    list.start();
  });
  const status = el("p", { class: "dim", role: "status" }, "Looking…");
  const wrong = el("p", { class: "banner warn", hidden: true });
  const grid = table("Keys", ["Id", "Label", "Account", "Workspace", "State", "Ends", "Reaches at most"]);
  const list = pages({
    status, signal,
    load: (after) => ask("keys", { ...values, limit: 100, after }, signal),
    reset(answer) {
      grid.body.replaceChildren();
      wrong.hidden = answer.labels === null;
      if (answer.labels !== null) say(wrong, `Labels are missing, the key file cannot be read: ${answer.labels}`);
    },
    add: (answer) => grid.body.append(...answer.rows.map(key)),
    describe({ counts }, shown, more) {
      const all = Object.entries(counts).filter(([, count]) => count > 0)
        .map(([state, count]) => `${count.toLocaleString("en")} ${state.replaceAll("_", " ")}`);
      return `${shown === 0 ? "No key is like that" : plural(shown, "key")}${more ? ", and there are more" : ""}` +
        `. Of all: ${all.join(", ") || "none"}.`;
    },
  });
  root.append(el("p", { class: "lead" }, "Who ends first comes first."), form, list.newer, status, wrong, grid.node,
    el("p", {}, list.more));
  list.start();
  return list.heard;
}

function key(it) {
  return el("tr", {},
    rowHead("Id", {}, el("code", {}, it.id)),
    cell("Label", it.label ?? el("span", { class: "dim" }, "—")),
    cell("Account", it.account),
    cell("Workspace", it.workspace ?? el("span", { class: "dim" }, "gone"),
      el("small", {}, it.environment ?? "")),
    cell("State", badge(it.state, KINDS[it.state])),
    cell("Ends", ends(it)),
    cell("Reaches at most", ceiling(it.ceiling)));
}

function ends(it) {
  if (it.revoked) return ["revoked ", time(it.revoked)];
  if (it.state === "not yet valid") return ["begins ", time(it.not_before)];
  if (!it.expires) return "never";
  const left = it.days_left;
  if (left === null) return time(it.expires);
  return [time(it.expires), left < 7 && [" ", badge(`${left} d left`, "bad")],
    left >= 7 && left < 30 && [" ", badge(`${left} d left`, "warn")]];
}

function ceiling(it) {
  if (!it) return el("span", { class: "dim" }, "as its account");
  const on = [...(it.products ?? []), ...(it.areas ?? []).map((area) => `area ${area}`)];
  const listed = it.products || it.areas;
  return `${it.level}${listed ? ` on ${on.join(", ") || "nothing"}` : ""}`;
}
