// The page of `kcfg diff --format html`: filters, keys, and bodies that are built when they are opened. Everything that
// comes from the report is put in as text, never as markup.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  // Entries that are made at once; more follow as the reader scrolls.
  const BATCH = 60;
  // Members and lines of an entry that are shown before a click.
  const MEMBERS = 40;
  const LINES = 400;

  const byId = (id) => document.getElementById(id);
  const el = (tag, className, ...children) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    node.append(...children);
    return node;
  };
  const many = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
  const kindOf = (id) => id.split("/")[1] || "";
  const nameOf = (id) => id.split("/").slice(2).filter((part) => part !== "-").join("/");
  const placeOf = (release) => {
    const [environment, name] = data.releases[release];
    return environment === "" ? "" : `${environment}/${name}`;
  };

  // ---- What is shown

  const state = { shown: [], made: 0, current: -1, open: new Set() };
  const split = stored("layout") ? stored("layout") === "split" : matchMedia("(min-width: 1100px)").matches;
  const filters = {
    environment: byId("environment"), release: byId("release"), kind: byId("kind"),
    flag: byId("flag"), status: byId("status"),
  };
  const text = byId("text");
  const list = byId("list");
  const SIGNS = { added: "+", removed: "−", changed: "~", renamed: ">", moved: "^", shared: "=" };

  function stored(key, value) {
    try {
      if (value === undefined) return localStorage.getItem(`kcfg-diff-${key}`);
      localStorage.setItem(`kcfg-diff-${key}`, value);
    } catch { /* a page from a file may have no store */ }
    return null;
  }

  const words = data.groups.map(() => null);
  function wordsOf(index) {
    if (words[index] === null) {
      const group = data.groups[index];
      const parts = [group.title || "", group.status];
      for (const [rule, , explanation] of group.flags) parts.push(rule, explanation);
      for (const [release, id] of group.members) parts.push(placeOf(release), id);
      for (const change of group.changes) {
        parts.push(change.path);
        for (const [, , lines] of change.hunks) parts.push(...lines);
      }
      words[index] = parts.join("\n").replace(/[\u0001\u0002]/g, "").toLowerCase();
    }
    return words[index];
  }

  function matches(index) {
    const group = data.groups[index];
    const wanted = Object.fromEntries(Object.entries(filters).map(([name, select]) => [name, select.value]));
    if (wanted.status && group.status !== wanted.status) return false;
    if (wanted.flag) {
      const severe = { "severity:danger": 2, "severity:caution": 1 }[wanted.flag];
      const is = severe === undefined ? (flag) => flag[0] === wanted.flag : (flag) => flag[1] >= severe;
      if (!group.flags.some(is)) return false;
    }
    const is_member = ([release, id]) =>
      (!wanted.environment || data.releases[release][0] === wanted.environment) &&
      (!wanted.release || placeOf(release) === wanted.release) &&
      (!wanted.kind || kindOf(id) === wanted.kind);
    if (!group.members.some(is_member)) return false;
    const query = text.value.trim().toLowerCase();
    return query === "" || query.split(/\s+/).every((word) => wordsOf(index).includes(word));
  }

  function filter() {
    state.shown = [];
    for (let index = 0; index < data.groups.length; index++) if (matches(index)) state.shown.push(index);
    state.made = 0;
    state.current = -1;
    list.replaceChildren();
    more();
    const objects = state.shown.reduce((sum, index) => {
      const group = data.groups[index];
      return sum + (group.status === "shared" ? 0 : group.members.length);
    }, 0);
    const all = data.groups.length;
    byId("count").textContent = state.shown.length === all
      ? `${many(all, "group")} of changes`
      : `${state.shown.length.toLocaleString("en")} of ${many(all, "group")}, ${many(objects, "object")}`;
    byId("none").hidden = state.shown.length > 0;
    byId("reset").disabled = !isFiltered();
    remember();
  }

  const isFiltered = () => text.value.trim() !== "" || Object.values(filters).some((select) => select.value !== "");

  // Makes the next entries.
  function more(count = BATCH) {
    const end = Math.min(state.made + count, state.shown.length);
    const fragment = document.createDocumentFragment();
    for (let at = state.made; at < end; at++) fragment.append(entry(state.shown[at]));
    state.made = end;
    list.append(fragment);
    byId("end").hidden = state.made === state.shown.length;
  }

  // The filter stands in the address, so that a view can be sent to somebody.
  function remember() {
    const params = new URLSearchParams();
    for (const [name, select] of Object.entries(filters)) if (select.value) params.set(name, select.value);
    if (text.value.trim()) params.set("text", text.value.trim());
    const hash = params.toString();
    try { history.replaceState(null, "", hash ? `#${hash}` : "#"); } catch { /* not everywhere allowed */ }
  }
  function recall() {
    const params = new URLSearchParams(location.hash.slice(1));
    for (const [name, select] of Object.entries(filters)) {
      const value = params.get(name) || "";
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
    }
    text.value = params.get("text") || "";
  }

  // ---- Entries

  function entry(index) {
    const group = data.groups[index];
    const first = group.members[0];
    const item = el("li", "entry");
    item.dataset.index = index;
    const sign = el("span", `sign ${group.status}`, SIGNS[group.status]);
    sign.setAttribute("aria-hidden", "true");
    const name = el("span", "name");
    let where = "";
    if (group.status === "shared") {
      name.append(el("b", "", `The same change in ${many(group.members.length, "object")}`), " ", el("code", "", group.title));
    } else if (group.members.length === 1) {
      name.append(el("span", "kind", kindOf(first[1])), " ", el("b", "", nameOf(first[1])));
      where = placeOf(first[0]);
    } else {
      const kinds = [...new Set(group.members.map(([, id]) => kindOf(id)))].sort();
      name.append(el("b", "", many(group.members.length, "object")), " ", el("span", "kind", kinds.join(", ")));
      const releases = new Set(group.members.map(([release]) => release));
      where = releases.size === 1 ? placeOf(first[0]) : many(releases.size, "release");
    }
    const flags = el("span", "flags");
    const named = new Set();
    for (const [rule, severity] of group.flags) {
      if (!named.has(rule)) flags.append(el("span", `flag s${severity}`, rule));
      named.add(rule);
    }
    const status = el("span", `status ${group.status}`, group.status === "shared" ? "shared" : group.status);
    const button = el("button", "head", sign, name, el("span", "where", where), flags, status);
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-controls", `body-${index}`);
    button.addEventListener("click", () => toggle(item));
    button.addEventListener("focus", () => { state.current = state.shown.indexOf(index); });
    const body = el("div", "body");
    body.id = `body-${index}`;
    body.hidden = true;
    const heading = el("h3", "", button);
    item.append(heading, body);
    if (state.open.has(index)) toggle(item, true);
    return item;
  }

  function toggle(item, open) {
    const index = Number(item.dataset.index);
    const button = item.querySelector(".head");
    const body = item.querySelector(".body");
    const show = open === undefined ? button.getAttribute("aria-expanded") === "false" : open;
    button.setAttribute("aria-expanded", String(show));
    item.classList.toggle("open", show);
    if (show) {
      state.open.add(index);
      if (!body.hasChildNodes()) fill(body, index);
    } else {
      state.open.delete(index);
    }
    body.hidden = !show;
  }

  function fill(body, index) {
    const group = data.groups[index];
    if (group.flags.length > 0) {
      const flags = el("ul", "explained");
      for (const [rule, severity, explanation] of group.flags) {
        flags.append(el("li", "", el("span", `flag s${severity}`, rule), " ", explanation));
      }
      body.append(flags);
    }
    const facts = el("p", "facts");
    const fact = (name, ...value) => facts.append(el("span", "fact", el("span", "label", name), " ", ...value));
    if (group.members.length === 1) {
      const [, id, template, before_hash, hash, before] = group.members[0];
      fact("object", el("code", "", id));
      if (before) fact("was", el("code", "", before));
      if (template) fact("template", el("code", "", template));
      if (before_hash || hash) fact("sha256", el("code", "", before_hash || "–"), " → ", el("code", "", hash || "–"));
    }
    if (facts.hasChildNodes()) body.append(facts);
    if (group.note) body.append(el("p", "note", group.note));
    group.changes.forEach((change) => body.append(changeOf(change)));
    if (group.shared.length > 0) {
      const also = el("p", "note", "And what all of these share: ");
      group.shared.forEach((other, nth) => {
        const link = el("button", "link", data.groups[other].title);
        link.type = "button";
        link.addEventListener("click", () => reveal(other));
        also.append(nth ? ", " : "", link);
      });
      body.append(also);
    }
    if (group.members.length > 1) body.append(membersOf(group));
  }

  function membersOf(group) {
    const part = el("section", "members", el("h4", "", `In ${many(group.members.length, "object")}`));
    if (!group.exact) {
      part.append(el("p", "note", "As in the first; each of the others with its own names or checksums."));
    }
    const rows = el("ul", "");
    const row = ([release, id, , before, hash]) => {
      const place = placeOf(release);
      const item = el("li", "", place ? el("span", "where", place) : "", " ", el("code", "", id));
      if (before || hash) item.append(" ", el("code", "hash", `${before || "–"} → ${hash || "–"}`));
      return item;
    };
    part.append(rows);
    inParts(rows, group.members, MEMBERS, row, (rest) => part.append(rest), "more object");
    return part;
  }

  // Shows the first of some things, and the others at a click.
  function inParts(parent, things, count, make, place, noun) {
    things.slice(0, count).forEach((thing) => parent.append(make(thing)));
    const rest = things.length - count;
    if (rest <= 0) return;
    const button = el("button", "more", `Show ${many(rest, noun)}`);
    button.type = "button";
    button.addEventListener("click", () => {
      things.slice(count).forEach((thing) => parent.append(make(thing)));
      button.remove();
    });
    place(button);
  }

  function changeOf(change) {
    const part = el("section", "change");
    const path = el("h4", "path", el("code", "", change.path));
    if (change.note) path.append(" ", el("span", "note", change.note));
    part.append(path);
    if (change.hunks.length > 0) {
      const both = el("div", "code");
      both.tabIndex = 0;
      both.setAttribute("role", "group");
      both.setAttribute("aria-label", `changes of ${change.path}`);
      both.hunks = change.hunks;
      draw(both);
      part.append(both);
    }
    return part;
  }

  // A line with its changed words marked.
  function pieces(line) {
    const cell = el("td", "text");
    line.split(/(\u0001[^\u0002]*\u0002)/).forEach((piece) => {
      if (piece === "") return;
      cell.append(piece[0] === "\u0001" ? el("mark", "", piece.slice(1, -1)) : piece);
    });
    return cell;
  }
  const NAMES = { "+": "add", "-": "del", " ": "", "\\": "" };

  function draw(parent) {
    const isSplit = document.documentElement.dataset.layout === "split";
    const rows = [];
    // Values have no line numbers, texts have.
    const isNumbered = parent.hunks.some(([old, now]) => old > 0 || now > 0);
    const number = (value) => isNumbered ? [el("td", "number", value ? String(value) : "")] : [];
    const table = el("table", isSplit ? "split" : "unified");
    parent.hunks.forEach(([old, now, lines], nth) => {
      if (nth > 0) rows.push(["gap"]);
      const numbered = old > 0 || now > 0;
      let [a, b] = [old, now];
      const numbers = lines.map((line) => {
        const sign = line[0];
        const pair = [sign === "-" || sign === " " ? a : 0, sign === "+" || sign === " " ? b : 0];
        if (pair[0]) a++;
        if (pair[1]) b++;
        return numbered ? pair : [0, 0];
      });
      for (let at = 0; at < lines.length;) {
        const sign = lines[at][0];
        if (!isSplit) { rows.push(["one", lines[at], numbers[at]]); at++; continue; }
        if (sign === " ") { rows.push(["two", lines[at], numbers[at][0], lines[at], numbers[at][1]]); at++; continue; }
        const left = [], right = [];
        while (at < lines.length && lines[at][0] === "-") left.push(at++);
        while (at < lines.length && lines[at][0] === "+") right.push(at++);
        if (left.length === 0 && right.length === 0) { rows.push(["two", lines[at], 0, lines[at], 0]); at++; continue; }
        for (let row = 0; row < Math.max(left.length, right.length); row++) {
          const [x, y] = [left[row], right[row]];
          rows.push(["two", lines[x], x === undefined ? 0 : numbers[x][0], lines[y], y === undefined ? 0 : numbers[y][1]]);
        }
      }
    });
    const body = el("tbody");
    const make = (row) => {
      if (row[0] === "gap") {
        const cell = el("td", "", "⋯");
        cell.colSpan = 6;
        return el("tr", "gap", cell);
      }
      if (row[0] === "one") {
        const [, line, [x, y]] = row;
        return el("tr", NAMES[line[0]], ...number(x), ...number(y), el("td", "mark", line[0]), pieces(line.slice(1)));
      }
      const [, left, x, right, y] = row;
      const side = (line, at) => line === undefined
        ? [...number(0), el("td", "mark"), el("td", "text")].map((cell) => { cell.classList.add("none"); return cell; })
        : [...number(at), el("td", "mark", line[0]), pieces(line.slice(1))].map((cell) => {
          if (NAMES[line[0]]) cell.classList.add(NAMES[line[0]]);
          return cell;
        });
      return el("tr", "", ...side(left, x), ...side(right, y));
    };
    table.append(body);
    parent.replaceChildren(table);
    inParts(body, rows, LINES, make, (rest) => parent.append(rest), "more line");
  }

  // Brings an entry into view, whatever the filter.
  function reveal(index) {
    if (!state.shown.includes(index)) { reset(); filter(); }
    const at = state.shown.indexOf(index);
    if (at >= state.made) more(at - state.made + 1);
    const item = list.children[at];
    toggle(item, true);
    focus(at);
  }

  function focus(at) {
    if (at < 0 || at >= state.shown.length) return;
    if (at >= state.made) more();
    state.current = at;
    const button = list.children[at].querySelector(".head");
    button.focus({ preventScroll: true });
    button.scrollIntoView({ block: "nearest" });
  }

  function all(open) {
    state.open = new Set(open ? state.shown : []);
    for (const item of list.children) toggle(item, open);
  }

  function reset() {
    text.value = "";
    Object.values(filters).forEach((select) => { select.value = ""; });
  }

  // ---- Settings

  function layout(name) {
    document.documentElement.dataset.layout = name;
    byId("split").setAttribute("aria-pressed", String(name === "split"));
    document.querySelectorAll("div.code").forEach(draw);
  }
  const toggleLayout = () => {
    const name = document.documentElement.dataset.layout === "split" ? "unified" : "split";
    stored("layout", name);
    layout(name);
  };
  const THEMES = { auto: "Colours: system", light: "Colours: light", dark: "Colours: dark" };
  function theme(name) {
    document.documentElement.dataset.theme = name;
    byId("theme").textContent = THEMES[name];
  }
  const nextTheme = () => {
    const names = Object.keys(THEMES);
    const name = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
    stored("theme", name);
    theme(name);
  };
  const help = byId("help");

  // ---- Keys

  const KEYS = {
    j: () => focus(Math.min(state.current + 1, state.shown.length - 1)),
    k: () => focus(Math.max(state.current - 1, 0)),
    o: () => { if (state.current >= 0) toggle(list.children[state.current]); },
    e: () => all(true),
    c: () => all(false),
    s: toggleLayout,
    t: nextTheme,
    x: () => { reset(); filter(); },
    "/": () => { text.focus(); text.select(); },
    "?": () => { if (help.open) help.close(); else help.showModal(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && event.target === text) { text.blur(); return; }
    if (event.target.matches("input:not([type=checkbox]), select, textarea") || !byId("keys").checked) return;
    if (help.open && event.key !== "?") return;
    const action = KEYS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  // ---- Start

  function options(select, names, label = (name) => name) {
    names.forEach((name) => {
      const option = el("option", "", label(name));
      option.value = name;
      select.append(option);
    });
    select.closest("label").hidden = names.length < 2;
  }
  const collect = (of) => [...new Set(data.groups.flatMap(of))].filter((name) => name !== "").sort();
  options(filters.environment, collect((group) => group.members.map(([release]) => data.releases[release][0])));
  options(filters.release, collect((group) => group.members.map(([release]) => placeOf(release))));
  options(filters.kind, collect((group) => group.members.map(([, id]) => kindOf(id))));
  options(filters.status, Object.keys(SIGNS).filter((name) => data.groups.some((group) => group.status === name)));
  const flags = collect((group) => group.flags.map(([rule]) => rule));
  if (flags.length > 0) flags.unshift("severity:danger", "severity:caution");
  options(filters.flag, flags, (name) => ({ "severity:danger": "dangers", "severity:caution": "dangers and cautions" })[name] || name);

  theme(stored("theme") in THEMES ? stored("theme") : "auto");
  layout(split ? "split" : "unified");
  recall();
  filter();

  let waiting = 0;
  text.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
  Object.values(filters).forEach((select) => select.addEventListener("change", filter));
  byId("filters").addEventListener("submit", (event) => { event.preventDefault(); filter(); focus(0); });
  byId("reset").addEventListener("click", () => { reset(); filter(); });
  byId("expand").addEventListener("click", () => all(true));
  byId("collapse").addEventListener("click", () => all(false));
  byId("split").addEventListener("click", toggleLayout);
  byId("theme").addEventListener("click", nextTheme);
  byId("shortcuts").addEventListener("click", () => help.showModal());
  byId("close").addEventListener("click", () => help.close());
  byId("end").addEventListener("click", () => more());
  addEventListener("hashchange", () => {
    if (location.hash.length < 2 || location.hash.includes("=")) { recall(); filter(); }
  });
  addEventListener("beforeprint", () => more(state.shown.length));
  document.querySelectorAll("[data-release]").forEach((button) => {
    button.addEventListener("click", () => {
      reset();
      const wanted = button.dataset.release;
      if (wanted.includes("/")) filters.release.value = wanted; else filters.environment.value = wanted;
      filter();
      byId("changes").scrollIntoView();
      focus(0);
    });
  });
  document.querySelectorAll("[data-danger]").forEach((button) => {
    button.addEventListener("click", () => reveal(Number(button.dataset.danger)));
  });
  const watch = new IntersectionObserver((seen) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    more();
    // Asked anew: it may still be in view.
    watch.unobserve(byId("end"));
    watch.observe(byId("end"));
  }, { rootMargin: "1500px" });
  watch.observe(byId("end"));
  document.documentElement.dataset.ready = "true";
})();
