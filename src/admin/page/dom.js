// Small pieces that every view is made of. Text gets into the page by textContent alone.

/** An element. Attributes of undefined, null or false are left out; children are nodes or text. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  put(node, ...children);
  return node;
}

/** Puts children, or lists of them, behind what is there. */
export function put(node, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

/** Puts children in place of what is there. */
export function replace(node, ...children) {
  node.replaceChildren();
  return put(node, ...children);
}

/** Sets a text only where it is another one: a screen reader is not told what it knows. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes the children of `parent` those of `items`, by key. What did not change stays the very node,
 * with its focus and selection.
 */
export function reconcile(parent, items, key, build) {
  const known = parent.known ?? new Map();
  const next = new Map();
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const mark = JSON.stringify(item);
    let entry = known.get(name);
    if (!entry || entry.mark !== mark) {
      const node = build(item, entry?.node);
      if (entry && entry.node !== node) {
        if (place === entry.node) place = node;
        entry.node.replaceWith(node);
      }
      entry = { mark, node };
    }
    next.set(name, entry);
    if (entry.node !== place) parent.insertBefore(entry.node, place);
    else place = place.nextElementSibling;
  }
  for (const [name, entry] of known) if (!next.has(name)) entry.node.remove();
  parent.known = next;
}

/** What the server says to a question, or an error with its words. */
export async function ask(path, fields = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  // Whole, so that it has no name and password where the page's own address has: fetch takes none.
  const url = new URL(query.size ? `/api/${path}?${query}` : `/api/${path}`, location.origin);
  const answer = await fetch(url, { signal, credentials: "same-origin", cache: "no-store" });
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  const error = new Error(problem.detail ?? `status ${answer.status}`);
  error.status = answer.status;
  throw error;
}

/** A time, as far from now as people say it, and exactly on demand. */
export function time(text) {
  if (!text) return el("span", { class: "dim" }, "—");
  const exact = text.replace("T", " ").replace("Z", " UTC");
  return el("time", { datetime: text, title: exact }, ago(text));
}

/** `3 min ago`, `in 12 d`. */
export function ago(text) {
  const seconds = Math.round((Date.parse(text) - Date.now()) / 1000);
  const far = Math.abs(seconds);
  if (far < 3) return "just now";
  const [number, unit] =
    far < 90 ? [far, "s"]
    : far < 5400 ? [Math.round(far / 60), "min"]
    : far < 129600 ? [Math.round(far / 3600), "h"]
    : far < 86400 * 730 ? [Math.round(far / 86400), "d"]
    : [Math.round(far / 31557600), "y"];
  return seconds < 0 ? `${number} ${unit} ago` : `in ${number} ${unit}`;
}

/** Says again how far away the times below a node are. */
export function refreshTimes(node) {
  for (const it of node.querySelectorAll("time[datetime]")) say(it, ago(it.dateTime));
}

const LEVELS = { none: ["○", "None"], view: ["◐", "View"], full: ["●", "Full"] };

/** A level by its sign and its word; colour is only added. */
export function level(name, partly = false) {
  if (name === null || name === undefined) {
    return el("span", { class: "level absent", title: "the workspace does not have it" },
      el("span", { "aria-hidden": "true" }, "–"), el("span", { class: "unseen" }, "not there"));
  }
  const [sign, word] = LEVELS[name] ?? ["", name];
  const title = partly ? `${word} on some of it, less on the rest` : undefined;
  return el("span", { class: `level ${name}`, title },
    el("span", { "aria-hidden": "true", class: "sign" }, sign), word,
    partly && [el("span", { "aria-hidden": "true" }, "*"), el("span", { class: "unseen" }, " in part")]);
}

/** A word on a coloured ground. */
export function badge(word, kind = "") {
  return el("span", { class: `badge ${kind}` }, word);
}

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** A table with a caption that screen readers hear and a head; `body` is its tbody. */
export function table(caption, heads, attributes = {}) {
  const body = el("tbody");
  const head = el("tr", {}, heads.map((head) =>
    head instanceof Node ? head : el("th", { scope: "col" }, head)));
  const node = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", attributes, el("caption", { class: "unseen" }, caption), el("thead", {}, head), body));
  return { node, body, head };
}

/** A cell; on a narrow screen its head stands before it. */
export function cell(head, ...children) {
  return el("td", { "data-head": head }, el("div", {}, ...children));
}

/** The cell that a row goes by. */
export function rowHead(head, attributes, ...children) {
  return el("th", { scope: "row", "data-head": head, ...attributes }, el("div", {}, ...children));
}

/** A field of a form with its label. */
export function field(label, input, hint) {
  return el("label", { class: "field" }, el("span", {}, label), input,
    hint && el("small", {}, hint));
}

export function select(name, choices, value) {
  return el("select", { name }, choices.map(([key, word]) =>
    el("option", { value: key, selected: key === value }, word)));
}

/** A form of filters: `changed` is called with what they say, shortly after the last change. */
export function filters(fields, changed) {
  let timer;
  const form = el("form", { class: "filters", role: "search" }, fields);
  const now = () => {
    clearTimeout(timer);
    changed(Object.fromEntries(new FormData(form)));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    now();
  });
  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(now, event.target.matches("select, [type=radio], [type=checkbox]") ? 0 : 250);
  });
  return form;
}

/** Rows that come page by page: asks `load(after)` for `{ rows, next }`, adds what `add` makes. */
export function pages({ load, reset, add, status, describe, signal }) {
  const more = el("button", { type: "button", hidden: true }, "Show more");
  const newer = el("p", { class: "banner warn", role: "status", hidden: true },
    "Another generation has come into force since. ",
    el("button", { type: "button", onclick: () => start() }, "Show it"));
  let generation = null;
  let next = null;
  let shown = 0;
  let run = 0;
  async function get(after) {
    const mine = ++run;
    more.disabled = true;
    try {
      let answer;
      // A page may be empty where nothing was found in the time: on to where something is.
      for (let tries = 0; tries < 40; tries += 1) {
        answer = await load(after);
        if (mine !== run || signal.aborted) return;
        if (answer.rows.length > 0 || answer.next === null) break;
        after = answer.next;
        say(status, "Looking…");
      }
      if (shown === 0) {
        generation = answer.generation;
        newer.hidden = true;
        reset(answer);
      }
      add(answer);
      shown += answer.rows.length;
      next = answer.next;
      more.hidden = next === null;
      say(status, describe(answer, shown, next !== null));
    } catch (error) {
      if (mine !== run || error.name === "AbortError") return;
      say(status, `Nothing could be read: ${error.message}`);
    } finally {
      if (mine === run) more.disabled = false;
    }
  }
  function start() {
    shown = 0;
    return get(null);
  }
  more.addEventListener("click", () => get(next));
  return {
    more,
    newer,
    start,
    /** Says so where what is shown is no longer in force. */
    heard({ overview }) {
      const { number, since } = overview.generation;
      newer.hidden = generation === null || (generation.number === number && generation.since === since);
    },
  };
}
