"use strict";
// Texts reach the page through textContent only; each comparison's data block is its only input.
function make(name, options = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === "text") node.textContent = value;
    else if (key === "on") node.addEventListener(...value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

function explore(root, order) {
  const data = JSON.parse(root.querySelector("script.data").textContent);
  const { strings, variants, items } = data;
  const [ID, INPUT, TARGET, REFERENCES, GROUP, ANSWERS, LEAK] = [0, 1, 2, 3, 4, 5, 6];
  const [TEXT, SCORES, PASSAGES, ERROR, TOKENS_IN, TOKENS_OUT, SECONDS, PARTS] = [0, 1, 2, 3, 4, 5, 6, 7];
  const PAGE = 20, SHOWN = 480;
  const SHOWS = ["all", "differ", "gains", "losses", "wrong", "errors", "leaks"];

  const form = root.querySelector(".filters"), list = root.querySelector(".list");
  const pager = root.querySelector(".pager"), pageField = pager.querySelector("input");
  const fields = form.elements;

  const scoreOf = (item, variant) => {
    const answer = item[ANSWERS][variant];
    return answer ? answer[SCORES][0] : null;
  };

  // A text of its own direction, cut where it is long.
  function body(text, tag = "div", css = "body") {
    const node = make(tag, { class: css, dir: "auto" });
    if (text.length <= SHOWN + 100) {
      node.textContent = text;
      return node;
    }
    const shown = make("span", { text: text.slice(0, SHOWN) + "…" });
    const more = make("button", { type: "button", class: "more", "aria-expanded": "false" });
    more.textContent = `Show all ${text.length.toLocaleString("en")} characters`;
    more.addEventListener("click", () => {
      const open = more.getAttribute("aria-expanded") === "false";
      shown.textContent = open ? text : text.slice(0, SHOWN) + "…";
      shown.className = open ? "body open" : "";
      shown.style.display = open ? "block" : "";
      more.textContent = open ? "Show less" : `Show all ${text.length.toLocaleString("en")} characters`;
      more.setAttribute("aria-expanded", String(open));
    });
    node.append(shown, more);
    return node;
  }

  function scoreMark(score) {
    if (score === null) return make("span", { class: "score part", text: "not scored" });
    if (score >= 1) return make("span", { class: "score right", text: "✓ right" });
    if (score <= 0) return make("span", { class: "score off", text: "✗ wrong" });
    return make("span", { class: "score part", text: `${(100 * score).toFixed(0)} %` });
  }

  function passagesOf(answer) {
    const passages = answer[PASSAGES];
    const box = make("details", {}, make("summary", { text: passages.length === 1 ? "1 passage" : `${passages.length} passages` }));
    box.addEventListener("toggle", () => {
      if (box.children.length > 1) return;
      const rows = passages.map((place) => {
        const [title, text] = data.passages[place];
        const missing = make("div", { class: "empty", text: "The passage’s text is not in the results file." });
        return make("li", {}, make("b", { text: strings[title], dir: "auto" }), text < 0 ? missing : body(strings[text]));
      });
      box.append(make("ol", { class: "passages" }, ...rows));
    });
    return box;
  }

  // What became of each field or label: a mark beside every colour, and the words for both.
  const STATUS = {
    match: ["✓", () => ""], mismatch: ["≠", (expected) => `, expected ${expected}`],
    omission: ["–", (expected) => `left out, expected ${expected}`], invention: ["+", () => ", invented"],
  };
  function partsOf(answer) {
    const rows = answer[PARTS].map(([name, expected, given, status]) => {
      const [mark, words] = STATUS[status];
      const text = `${strings[given]}${words(strings[expected])}`;
      return make("li", { class: status }, make("b", { text: `${mark} ` }), make("bdi", { text: strings[name] }), ": ", make("bdi", { text }));
    });
    return make("ul", { class: "parts" }, ...rows);
  }

  function metaOf(answer) {
    const parts = [];
    if (answer[TOKENS_IN] !== null) parts.push(`${answer[TOKENS_IN].toLocaleString("en")} tokens in`);
    if (answer[TOKENS_OUT] !== null) parts.push(`${answer[TOKENS_OUT].toLocaleString("en")} out`);
    if (answer[SECONDS] !== null) parts.push(`${answer[SECONDS]} s`);
    answer[SCORES].slice(1).forEach((score, k) => {
      if (score !== null) parts.push(`${data.metrics[k + 1]} ${(100 * score).toFixed(0)}`);
    });
    return parts.join(", ");
  }

  function answerBox(item, variant, state) {
    const answer = item[ANSWERS][variant];
    const letter = variant === state.a ? "A " : variant === state.b ? "B " : "";
    const who = make("span", { class: "who" }, letter ? make("b", { text: letter }) : "", make("bdi", { text: variants[variant] }));
    const head = make("div", { class: "answer-head" }, who);
    const box = make("li", variant === state.b ? { class: "choice-answer" } : {}, head);
    if (!answer) {
      box.append(make("div", { class: "empty", text: "no answer in the results file" }));
      return box;
    }
    head.append(scoreMark(answer[SCORES][0]));
    if (answer[ERROR] >= 0) box.append(make("div", { class: "error" }, "failed: ", body(strings[answer[ERROR]], "span")));
    if (strings[answer[TEXT]]) box.append(body(strings[answer[TEXT]]));
    else if (answer[ERROR] < 0) box.append(make("div", { class: "empty", text: "(empty answer)" }));
    if (answer[PARTS] && answer[PARTS].length) box.append(partsOf(answer));
    const meta = metaOf(answer);
    if (meta) box.append(make("div", { class: "meta", text: meta }));
    if (answer[PASSAGES].length) box.append(passagesOf(answer));
    return box;
  }

  function itemBox(item, state) {
    const head = make("div", { class: "item-head" }, make("h3", {}, make("bdi", { text: strings[item[ID]] })));
    if (item[GROUP] >= 0) head.append(make("span", { class: "tag" }, make("bdi", { text: strings[item[GROUP]] })));
    if (item[LEAK]) head.append(make("span", { class: "tag", text: `also in ${item[LEAK]}` }));
    const target = make("div", { class: "target" }, "Expected: ", body(strings[item[TARGET]], "span"));
    for (const other of item[REFERENCES]) target.append(" or ", body(strings[other], "span"));
    const shown = state.only ? [...new Set([state.a, state.b])] : variants.map((_, k) => k);
    const answers = make("ul", { class: "answers" }, ...shown.map((k) => answerBox(item, k, state)));
    return make("article", { class: "item" }, head, body(strings[item[INPUT]], "div", "body question"), target, answers);
  }

  // Search looks at each distinct text once, then at the items that use it.
  let lowered = null;
  function matcher(query) {
    const term = query.trim().normalize("NFKC").toLowerCase();
    if (!term) return () => true;
    lowered ??= strings.map((text) => text.normalize("NFKC").toLowerCase());
    const hit = lowered.map((text) => text.includes(term));
    const inAnswer = (answer) => answer && (hit[answer[TEXT]] || hit[answer[ERROR]]);
    return (item) => hit[item[ID]] || hit[item[INPUT]] || hit[item[TARGET]] || item[REFERENCES].some((r) => hit[r]) ||
      item[ANSWERS].some(inAnswer);
  }

  const compareOn = (item, a, b) => {
    const [before, after] = [scoreOf(item, a), scoreOf(item, b)];
    return before === null || after === null ? null : Math.sign(after - before);
  };
  const TESTS = {
    all: () => true,
    differ: (item) => new Set(item[ANSWERS].map((_, k) => scoreOf(item, k)).filter((s) => s !== null)).size > 1,
    gains: (item, state) => compareOn(item, state.a, state.b) > 0,
    losses: (item, state) => compareOn(item, state.a, state.b) < 0,
    wrong: (item) => item[ANSWERS].every((_, k) => scoreOf(item, k) === null || scoreOf(item, k) < 1),
    errors: (item) => item[ANSWERS].some((answer) => answer && answer[ERROR] >= 0),
    leaks: (item) => item[LEAK] !== "",
  };

  function readState() {
    return {
      show: fields.show.value, a: Number(fields.a.value), b: Number(fields.b.value), group: fields.group.value,
      q: fields.q.value, only: fields.only.checked, page: Math.max(1, Math.floor(Number(pageField.value)) || 1),
    };
  }

  function tally(found, state) {
    const signs = { "-1": 0, 0: 0, 1: 0 };
    for (const item of found) {
      const sign = compareOn(item, state.a, state.b);
      if (sign !== null) signs[sign] += 1;
    }
    const count = (n) => n.toLocaleString("en");
    root.querySelector(".status").textContent = found.length === items.length
      ? `${count(items.length)} questions` : `${count(found.length)} of ${count(items.length)} questions`;
    root.querySelector(".pair").textContent =
      `B against A in these: ${count(signs[1])} better, ${count(signs[0])} equal, ${count(signs["-1"])} worse`;
  }

  function draw() {
    const state = readState(), matches = matcher(state.q), test = TESTS[state.show];
    const group = state.group === "" ? null : Number(state.group);
    const found = items.filter((item) => (group === null || item[GROUP] === group) && test(item, state) && matches(item));
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    const page = Math.min(state.page, pages);
    tally(found, state);
    const part = found.slice((page - 1) * PAGE, page * PAGE).map((item) => itemBox(item, state));
    list.replaceChildren(...(part.length ? part : [make("p", { class: "nothing", text: "No question matches these filters." })]));
    pageField.value = page;
    pageField.max = pages;
    root.querySelector(".pages").textContent = `of ${pages.toLocaleString("en")}`;
    pager.hidden = pages === 1;
    pager.querySelector("[data-step='-1']").disabled = page === 1;
    pager.querySelector("[data-step='1']").disabled = page === pages;
    return { ...state, page };
  }

  // The address carries the filter, so a view can be shared: #differ, or #show=gains&b=tuned&q=refund; task=2 is the page's second comparison.
  function writeAddress(state) {
    const parts = new URLSearchParams();
    if (order > 0) parts.set("task", order + 1);
    if (state.show !== "all") parts.set("show", state.show);
    if (state.a !== data.baseline) parts.set("a", variants[state.a]);
    if (state.b !== data.choice) parts.set("b", variants[state.b]);
    if (state.group !== "") parts.set("group", strings[Number(state.group)]);
    if (state.q) parts.set("q", state.q);
    if (state.only) parts.set("only", "1");
    if (state.page > 1) parts.set("page", state.page);
    try { history.replaceState(null, "", `#${parts.toString() || form.closest("section").id}`); } catch { /* some viewers forbid it */ }
  }

  function readAddress() {
    const address = location.hash.slice(1);
    if (!address || (!SHOWS.includes(address) && !address.includes("="))) return false;
    const parts = SHOWS.includes(address) ? new URLSearchParams({ show: address }) : new URLSearchParams(address);
    if (Number(parts.get("task") ?? 1) !== order + 1) return false;
    const place = (name, otherwise) => (variants.includes(name) ? variants.indexOf(name) : otherwise);
    const offered = [...fields.show.options].map((option) => option.value);
    fields.show.value = offered.includes(parts.get("show")) ? parts.get("show") : "all";
    fields.a.value = place(parts.get("a"), data.baseline);
    fields.b.value = place(parts.get("b"), data.choice);
    const group = [...fields.group.options].find((option) => option.textContent === parts.get("group"));
    fields.group.value = group ? group.value : "";
    fields.q.value = parts.get("q") ?? "";
    fields.only.checked = parts.get("only") === "1";
    pageField.value = parts.get("page") ?? 1;
    return true;
  }

  function refresh(keepPage) {
    if (!keepPage) pageField.value = 1;
    writeAddress(draw());
  }

  function turn(step) {
    pageField.value = Number(pageField.value) + step;
    refresh(true);
    form.closest("section").scrollIntoView();
  }

  function start() {
    for (const field of [fields.a, fields.b]) variants.forEach((name, k) => field.append(make("option", { value: k, text: name })));
    const groups = [...new Set(items.map((item) => item[GROUP]))].filter((g) => g >= 0);
    for (const g of groups) fields.group.append(make("option", { value: g, text: strings[g] }));
    fields.group.closest("label").hidden = groups.length < 2;
    if (!items.some((item) => item[LEAK])) fields.show.querySelector("[value=leaks]").remove();
    if (!items.some(TESTS.errors)) fields.show.querySelector("[value=errors]").remove();
    fields.a.value = data.baseline;
    fields.b.value = data.choice;
    let waiting = 0;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", (event) => { if (event.target !== fields.q) refresh(false); });
    fields.q.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(refresh, 120, false); });
    pageField.addEventListener("change", () => refresh(true));
    for (const button of pager.querySelectorAll("button")) button.addEventListener("click", () => turn(Number(button.dataset.step)));
    addEventListener("hashchange", () => { if (readAddress()) draw(); });
    form.hidden = false;
    const asked = readAddress();
    draw();
    if (asked) form.closest("section").scrollIntoView();
  }

  start();
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells], rows = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      // Numbers start with the highest, names with the order of the ladder.
      const first = column === 0 ? "ascending" : "descending", second = column === 0 ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      heads.forEach((h) => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const valueOf = (row) => { const v = row.cells[column].dataset.v; return v === undefined || v === "" ? null : Number(v); };
      const sign = order === "ascending" ? 1 : -1;
      const sorted = [...rows.rows].sort((one, two) => {
        const [x, y] = [valueOf(one), valueOf(two)];
        return x === null || y === null ? (x === null) - (y === null) : sign * (x - y);
      });
      rows.append(...sorted);
    });
  });
}

// Total cost at the number of questions the slider stands on; without a script the tables say it for four numbers.
function volume(figure) {
  const data = JSON.parse(figure.querySelector("script.volume-data").textContent);
  const control = figure.querySelector(".volume-control"), slider = control.querySelector("input");
  const now = control.querySelector("output"), list = figure.querySelector(".volume-list");
  const twoDigits = (value) => Number(value.toPrecision(2));
  const money = (value) => {
    if (value >= 1000) return Math.round(value).toLocaleString("en");
    if (value >= 1) return value.toFixed(2);
    return value === 0 || value >= 0.0001 ? String(twoDigits(value)) : "<0.0001";
  };
  function show() {
    const place = Number(slider.value), questions = twoDigits(10 ** place), count = questions.toLocaleString("en");
    now.textContent = `${count}`;
    slider.setAttribute("aria-valuetext", `${count} questions`);
    const rows = data.lines.map((line) => ({ ...line, total: line.fixed + questions * line.each })).sort((a, b) => a.total - b.total);
    list.replaceChildren(...rows.map((row) => make("li", { class: row.css }, make("bdi", { text: row.name }),
      make("span", { class: "num", text: `${data.currency} ${money(row.total)}` }))));
    for (const chart of figure.querySelectorAll(".volume-chart")) {
      const left = Number(chart.dataset.left), right = Number(chart.dataset.right), mark = chart.querySelector(".volume-mark");
      const x = left + (place - data.low) / (data.high - data.low) * (right - left);
      mark.setAttribute("x1", x);
      mark.setAttribute("x2", x);
    }
  }
  slider.min = data.low;
  slider.max = data.high;
  slider.step = 0.02;
  slider.value = data.start;
  slider.addEventListener("input", show);
  control.hidden = false;
  show();
}

document.querySelectorAll("article.comparison").forEach((root, order) => explore(root, order));
document.querySelectorAll("figure.volume").forEach(volume);
document.querySelectorAll("table.sortable").forEach(sortable);
document.documentElement.dataset.ready = "yes";
