// Who has which level on what: a row a member, a column an area, a product or a permission.

import { ask, badge, cell, el, field, filters, level, pages, plural, rowHead, select, table } from "./dom.js";

export const title = "Members";

const LEVELS = [["", "any"], ["full", "Full"], ["view", "View"], ["none", "None"]];

export function mount(root, { fields, remember, signal }) {
  const names = el("datalist", { id: "workspace-names" });
  const input = (name, attributes = {}) =>
    el("input", { name, type: "search", value: fields[name], autocomplete: "off", spellcheck: "false", ...attributes });
  const product = select("product", [["", "every product"]], "");
  let values = { workspace: "", account: "", product: "", level: "", text: "", columns: "products", ...fields };
  const columns = el("fieldset", {}, el("legend", {}, "Columns"),
    el("div", {}, [["products", "Products"], ["areas", "Areas"]].map(([value, word]) => el("label", {},
      el("input", { type: "radio", name: "columns", value, checked: values.columns === value }), word))));
  const form = filters([
    field("Workspace", input("workspace", { list: "workspace-names" })),
    field("Account", input("account")),
    columns,
    field("Product", product),
    field("Highest level shown", select("level", LEVELS, fields.level ?? "")),
    field("Any text", input("text")),
    names,
  ], (changed) => {
    values = changed;
    remember({ ...values, columns: values.columns === "products" ? "" : values.columns });
    if (changed.workspace !== asked) choices(changed.workspace);
    list.start();
  });

  const status = el("p", { class: "dim", role: "status" }, "Looking…");
  const grid = table("Members and their levels", [], { class: "matrix" });
  let heads = [];
  const list = pages({
    status, signal,
    load: (after) => ask("members", { ...values, limit: 100, after }, signal),
    reset(answer) {
      grid.body.replaceChildren();
      heads = answer.columns;
      grid.head.replaceChildren(
        ...["Account", "Role", "Workspace"].map((head) => el("th", { scope: "col" }, head)),
        ...heads.map((it, at) => el("th", { scope: "col", class: "scope" },
          it.name, values.product && el("small", {}, at === 0 ? "the product" : "permission"))));
    },
    add(answer) {
      grid.body.append(...answer.rows.map((row) => member(row, heads)));
    },
    describe: (answer, shown, more) => (shown === 0 ? "No member is like that." :
      `${plural(shown, "member")}${more ? ", and there are more" : ""}.` +
      (answer.columns_left_out ? ` ${plural(answer.columns_left_out, "column")} left out: choose a product.` : "")),
  });
  root.append(
    el("p", { class: "lead" }, "What each member reaches now, as the policy in force computes it: role, groups and grants, ",
      "as far as the subscription lets it through. A key may reach less. ",
      el("span", { class: "legend" }, "* less on some of the product's permissions: choose the product to see which.")),
    form, list.newer, status, grid.node, el("p", {}, list.more));

  let asked;
  async function choices(text) {
    asked = text;
    try {
      const { rows, products } = await ask("workspaces", { text, limit: 50 }, signal);
      names.replaceChildren(...rows.map((it) => el("option", { value: it.name }, it.environment)));
      if (product.options.length !== products.length + 1) {
        const chosen = product.value || fields.product || "";
        product.replaceChildren(...[["", "every product"], ...products.map((it) => [it, it])]
          .map(([value, word]) => el("option", { value, selected: value === chosen }, word)));
      }
    } catch (error) {
      if (error.name !== "AbortError") asked = undefined;
    }
  }
  choices(values.workspace);
  list.start();
  return list.heard;
}

function member(row, heads) {
  return el("tr", {},
    rowHead("Account", {}, row.account,
      row.closed && [" ", badge(row.closed.replaceAll("_", " "), "bad")],
      row.pending && [" ", badge("invited", "warn")],
      el("small", { class: "narrow" }, `${row.role}, ${row.workspace}`)),
    cell("Role", row.role, row.bypass && [" ", badge("bypass", "warn")]),
    cell("Workspace", el("a", { href: `#/members?workspace=${encodeURIComponent(row.workspace)}` }, row.workspace),
      " ", el("span", { class: "dim" }, row.environment)),
    row.levels.map((it, at) => cell(heads[at].name, level(it, row.partly.includes(at)))));
}
