// Which view is shown, what is polled, and whether anybody answers.

import { ask, badge, el, plural, refreshTimes, replace, say, time } from "./dom.js";
import * as overview from "./overview.js";
import * as denials from "./denials.js";
import * as members from "./members.js";
import * as keys from "./keys.js";
import * as routes from "./routes.js";
import * as explain from "./explain.js";
import * as reloads from "./reloads.js";

const VIEWS = { overview, denials, members, keys, routes, explain, reloads };
const POLL = 2000;
const PATIENCE = 8000;
/** Not every two seconds: who listens has other things to hear. */
const BETWEEN_WORDS = 6000;

const main = document.getElementById("main");
const lost = document.getElementById("lost");
const now = document.getElementById("now");
const told = document.getElementById("told");

/** What was heard last. */
const heard = { overview: null, denials: null, at: 0, wordsAt: 0, unsaid: 0 };
let view = null;

/** `#/members?level=full`: the name of a view, and what it is to show. */
function wanted() {
  const [name, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { name: name in VIEWS ? name : "overview", fields: new URLSearchParams(query ?? "") };
}

function show(focus) {
  const { name, fields } = wanted();
  view?.stop.abort();
  const stop = new AbortController();
  const root = el("div", { class: `view ${name}` });
  const heading = el("h1", { tabindex: "-1", id: "title" }, VIEWS[name].title);
  replace(main, heading, root);
  document.title = `${VIEWS[name].title} · sidegate`;
  for (const link of document.querySelectorAll("#views a")) {
    const current = link.getAttribute("href") === `#/${name}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const remember = (values) => {
    const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));
    history.replaceState(null, "", query.size ? `#/${name}?${query}` : `#/${name}`);
  };
  const update = VIEWS[name].mount(root, {
    fields: Object.fromEntries(fields), remember, signal: stop.signal,
  });
  view = { name, update, stop };
  if (heard.overview) update?.(heard);
  if (focus) heading.focus();
}

async function poll() {
  const signal = AbortSignal.timeout(PATIENCE);
  try {
    const [overview, denials] = await Promise.all([
      ask("overview", {}, signal), ask("denials", {}, signal),
    ]);
    const restarted = heard.overview && heard.overview.started !== overview.started;
    tell(denials, restarted);
    Object.assign(heard, { overview, denials, at: Date.now() });
    connected();
    view?.update?.(heard);
  } catch (error) {
    disconnected(error);
  }
  refreshTimes(document.body);
  setTimeout(poll, document.hidden ? POLL * 5 : POLL);
}

/** New denials are said, those since the last word together. */
function tell(denials, restarted) {
  const before = new Map((restarted ? [] : heard.denials?.rows ?? []).map((it) => [it.reason, it.total]));
  if (heard.denials) {
    for (const row of denials.rows) heard.unsaid += Math.max(0, row.total - (before.get(row.reason) ?? 0));
  }
  if (heard.unsaid > 0 && Date.now() - heard.wordsAt > BETWEEN_WORDS) {
    const last = [...denials.rows].sort((a, b) => b.last.localeCompare(a.last))[0];
    say(told, `${plural(heard.unsaid, "new denial")}, the last ${last.reason}`);
    Object.assign(heard, { unsaid: 0, wordsAt: Date.now() });
  }
}

function connected() {
  lost.hidden = true;
  document.body.classList.remove("stale");
  const { generation, stage, last_reload: reload, version } = heard.overview;
  const bad = !reload.successful;
  replace(now,
    badge(stage, stage === "ready" ? "good" : "warn"), " generation ",
    el("strong", {}, generation.number), ", taken up ", time(generation.since),
    bad && [" ", el("a", { href: "#/overview", class: "badge bad" }, "files refused")],
    el("span", { class: "dim version" }, ` · ${version}`));
}

function disconnected(error) {
  const words = error.status === 401
    ? "The token is no longer taken: load the page again to give another."
    : error.status ? `sidegate refuses to answer: ${error.message}`
    : "Disconnected: sidegate does not answer. It is asked again every two seconds.";
  const since = heard.at ? ` What is shown is of ${new Date(heard.at).toLocaleTimeString()}.` : "";
  say(lost, words + since);
  lost.hidden = false;
  document.body.classList.add("stale");
}

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("hashchange", () => show(true));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refreshTimes(document.body);
});
show(false);
poll();
