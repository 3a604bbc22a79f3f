// What would become of a request, and why: the decision is that of the code that serves.

import { ask, badge, el, field, replace, say } from "./dom.js";

export const title = "Explain";

const MARKS = { good: ["✔", "fine: "], bad: ["✘", "in the way: "], detail: ["", ""] };

export function mount(root, { fields, remember, signal }) {
  const input = (name, value, attributes = {}) => el("input", {
    name, value: fields[name] ?? value, autocomplete: "off", spellcheck: "false", autocapitalize: "off", ...attributes,
  });
  const who = fields.key_id ? "key" : fields.account || !fields.method ? "account" : "nobody";
  const methods = el("datalist", { id: "methods" },
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map((it) => el("option", { value: it })));
  const radio = (value, word) => el("label", {},
    el("input", { type: "radio", name: "who", value, checked: who === value }), word);
  const account = el("div", { class: "row" }, field("Account", input("account", "")),
    field("in workspace", input("workspace", "")));
  const key = el("div", { class: "row" }, field("Key id", input("key_id", "", { placeholder: "k_…" })));
  const wrong = el("p", { class: "banner bad", role: "alert", hidden: true });
  const result = el("section", { "aria-live": "polite", "aria-label": "Answer" });
  const form = el("form", { class: "explain" },
    el("div", { class: "row" },
      field("Method", input("method", "GET", { list: "methods", required: true, size: 8 })),
      field("Host", input("host", "localhost", { required: true })),
      field("Path and query", input("path", "/", { required: true, class: "wide" }))),
    el("fieldset", { class: "choice" }, el("legend", {}, "Sent with"),
      radio("account", "a key of an account, without a ceiling"), radio("key", "the key of an id"),
      radio("nobody", "no key")),
    account, key,
    el("label", { class: "check" },
      el("input", { type: "checkbox", name: "websocket", checked: fields.upgrade === "websocket" }), "to open a WebSocket"),
    el("p", {}, el("button", { type: "submit", class: "main" }, "Explain")),
    methods);
  root.append(el("p", { class: "lead" }, "Nothing is sent anywhere: the policy in force is asked, by the code that serves, at this moment."),
    form, wrong, result);

  function fit() {
    const chosen = form.elements.who.value;
    account.hidden = chosen !== "account";
    key.hidden = chosen !== "key";
    for (const it of account.querySelectorAll("input")) it.required = chosen === "account";
    for (const it of key.querySelectorAll("input")) it.required = chosen === "key";
  }
  form.addEventListener("change", fit);
  fit();

  async function run(focus) {
    const { method, host, path, account: name, workspace, key_id: id, who: sender, websocket } =
      Object.fromEntries(new FormData(form));
    const asked = { method, host, path };
    if (sender === "account") Object.assign(asked, { account: name, workspace });
    if (sender === "key") asked.key_id = id;
    if (websocket) asked.upgrade = "websocket";
    remember(asked);
    wrong.hidden = true;
    try {
      const { explanation, generation } = await ask("explain", asked, signal);
      const heading = show(result, explanation, generation);
      if (focus) heading.focus();
    } catch (error) {
      if (error.name === "AbortError") return;
      replace(result);
      say(wrong, error.message);
      wrong.hidden = false;
    }
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(true);
  });
  if (fields.method && form.checkValidity()) run(false);
}

function show(node, it, generation) {
  const allowed = it.decision === "allow";
  const heading = el("h2", { tabindex: "-1", class: "decision" },
    badge(allowed ? "Allowed" : "Denied", allowed ? "good" : "bad"), " ",
    allowed ? "" : el("code", {}, it.reason), allowed ? "" : ` (${it.status})`,
    el("span", { class: "dim" }, ` by generation ${generation.number}`));
  const steps = it.steps.filter((step) => step.name !== "decision" && step.name !== "needed");
  replace(node, heading,
    it.needed.length > 0 && [el("h3", {}, "What would have to be otherwise"),
      el("ul", { class: "lines" }, it.needed.map((need) =>
        el("li", {}, el("code", {}, need.reason), " ", need.needed)))],
    el("h3", {}, "Steps, in the order of the checks"),
    el("ol", { class: "steps" }, steps.map((step) => {
      const [sign, word] = MARKS[step.mark];
      return el("li", { class: step.mark }, el("span", { "aria-hidden": "true", class: "sign" }, sign),
        el("span", { class: "unseen" }, word), el("span", { class: "name" }, step.name, el("span", { class: "unseen" }, ": ")),
        el("span", {}, step.says));
    })),
    allowed && it.target.forwarded && el("p", {}, "Forwarded as ", el("code", {}, it.target.forwarded), "."));
  return heading;
}
