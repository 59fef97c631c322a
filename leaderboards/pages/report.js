"use strict";
// Every text is set as text, never as markup: models and verifiers write what they like.
const list = window.REPORT, shards = new Map(), waiting = new Map();
const PER_PAGE = 48, KEPT = 60;
const state = { tag: "", kind: "", status: "", flip: "", order: "", text: "", page: 0 };
let chosen = [], drawn = 0;

window.receive = (number, rows) => {
  shards.set(number, rows);
  for (const done of waiting.get(number) || []) done();
  waiting.delete(number);
};

function shard(number) {
  if (shards.has(number)) return Promise.resolve();
  return new Promise((resolve) => {
    if (waiting.has(number)) { waiting.get(number).push(resolve); return; }
    waiting.set(number, [resolve]);
    const script = document.createElement("script");
    script.src = `data/rows-${String(number).padStart(4, "0")}.js`;
    script.onload = () => script.remove();
    document.head.append(script);
  });
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function fill(id, names) {
  const select = document.getElementById(id);
  if (!select) return;
  names.forEach((name, place) => { const one = element("option", "", name); one.value = String(place); select.append(one); });
}

// a row of the list: sample, index, prompt, tags, failed kinds, statuses, score of each side, gained, lost
function fits(row) {
  const [sample, , prompt, tags, kinds, statuses, , gained, lost] = row;
  if (state.tag !== "" && !tags.includes(Number(state.tag))) return false;
  if (state.kind !== "" && !kinds.includes(Number(state.kind))) return false;
  if (state.status !== "" && !statuses.includes(Number(state.status))) return false;
  if (state.flip === "gained" && !gained || state.flip === "lost" && !lost || state.flip === "any" && !(gained || lost)) return false;
  return !state.text || `${sample} ${prompt}`.toLowerCase().includes(state.text.toLowerCase());
}

const last = (row) => row[6][row[6].length - 1];
const moved = (row) => (row[6][0] === null || last(row) === null ? 0 : last(row) - row[6][0]);
const ORDERS = {
  worst: (one, other) => (last(one) ?? 2e9) - (last(other) ?? 2e9),
  best: (one, other) => (last(other) ?? -2e9) - (last(one) ?? -2e9),
  fell: (one, other) => moved(one) - moved(other),
  rose: (one, other) => moved(other) - moved(one),
};

function choose() {
  chosen = list.rows.map((_, place) => place).filter((place) => fits(list.rows[place]));
  const order = ORDERS[state.order];
  if (order) chosen.sort((one, other) => order(list.rows[one], list.rows[other]) || one - other);
  const pages = Math.max(1, Math.ceil(chosen.length / PER_PAGE));
  state.page = Math.min(Math.max(0, state.page), pages - 1);
  document.getElementById("place").textContent = `page ${state.page + 1} of ${pages}, ${chosen.length} of ${list.rows.length} pictures`;
  document.getElementById("before").disabled = state.page === 0;
  document.getElementById("after").disabled = state.page === pages - 1;
  draw();
}

async function draw() {
  const turn = ++drawn;
  const places = chosen.slice(state.page * PER_PAGE, (state.page + 1) * PER_PAGE);
  await Promise.all([...new Set(places.map((place) => Math.floor(place / list.shard)))].map(shard));
  if (turn !== drawn) return;
  const home = document.getElementById("pictures");
  home.replaceChildren(...places.map((place) => card(shards.get(Math.floor(place / list.shard))[place % list.shard])));
  home.dataset.drawn = String(turn);
  for (const number of shards.keys()) { if (shards.size <= KEPT) break; shards.delete(number); }
}

function picture(name, className, size) {
  if (!name || list.lost.includes(name)) return element("span", "none", name ? "file lost" : "no picture");
  const image = element("img", className + (size && Math.max(...size) <= 256 ? " pixels" : ""));
  image.loading = "lazy";
  image.src = `pictures/${name}.webp`;
  image.alt = "";
  return image;
}

function card(row) {
  const made = element("article", "card"), head = element("header");
  head.append(element("span", "", `${row.sample} · ${row.index}`), element("span", "", row.tags.join(", ")));
  made.append(head, element("div", "prompt", row.prompt));
  for (const name of row.sources) made.append(picture(name, "small"));
  const sides = element("div", "sides");
  row.sides.forEach((one, place) => sides.append(side(one, place ? row.sides[0] : null, place)));
  made.append(sides);
  return made;
}

function side(one, before, place) {
  const made = element("div", "side");
  if (list.names.length > 1) made.append(element("div", "", list.names[place]));
  const link = element("a");
  link.append(picture(one.image, "picture", one.size));
  if (one.image && !list.lost.includes(one.image)) link.href = `${list.originals[place]}/${one.image.slice(0, 2)}/${one.image}.png`;
  const score = one.score === null || one.score === undefined ? `no score: ${one.status}` : `score ${one.score.toFixed(3)}`;
  made.append(link, element("div", one.score === null ? "failed" : "", score));
  if (one.error) made.append(element("div", "failed", one.error));
  const earlier = new Map((before ? before.questions : []).map((asked) => [asked.id, asked]));
  const questions = element("ul", "questions");
  for (const asked of one.questions) questions.append(answer(asked, earlier.get(asked.id)));
  made.append(questions);
  if (one.thought) made.append(folded("thought", [element("div", "words", one.thought)]));
  if (one.drafts && one.drafts.length) {
    made.append(folded(`${one.drafts.length} draft${one.drafts.length > 1 ? "s" : ""}`, one.drafts.flatMap(([name, words]) => [picture(name, "small", one.size), element("div", "words", words)])));
  }
  return made;
}

const met = (asked) => (asked.value === null ? "unknown" : asked.value >= 0.5 ? "met" : "failed");

function answer(asked, earlier) {
  const state = met(asked), made = element("li", state);
  const turned = earlier && state !== "unknown" && met(earlier) !== "unknown" && met(earlier) !== state;
  if (turned) made.classList.add("turned");
  const said = asked.value === null ? ` (${asked.status}${asked.error ? ": " + asked.error : ""})` : asked.p === null ? ` (${asked.answer})` : "";
  const figure = asked.p !== null ? asked.p.toFixed(2) : asked.value === null ? "" : asked.value.toFixed(2);
  const words = element("span", "", asked.text + said);
  words.title = `${asked.id} · ${asked.kind} · answered ${asked.answer || "nothing"}`;
  made.append(element("span", "", { met: "✓", failed: "✗", unknown: "–" }[state]), words, element("span", "p", figure));
  return made;
}

function folded(name, content) {
  const made = element("details");
  made.append(element("summary", "", name), ...content);
  return made;
}

fill("tag", list.tags);
fill("kind", list.kinds);
fill("status", list.statuses);
for (const name of ["tag", "kind", "status", "flip", "order", "text"]) {
  const input = document.getElementById(name);
  if (input) input.addEventListener("input", () => { state[name] = input.value; state.page = 0; choose(); });
}
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("before").addEventListener("click", () => { state.page -= 1; choose(); });
document.getElementById("after").addEventListener("click", () => { state.page += 1; choose(); });
choose();
